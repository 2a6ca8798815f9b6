import type { RecordedRun } from '../../src/compare/read.js';
import { randomStream, type RandomStream } from '../../src/random.js';
import type { EpochRecord } from '../../src/runs/documents.js';

/** A made-up experiment whose truth is known. */
export interface SimulatedExperiment {
  readonly seeds: number;
  /** True difference of the arms' accuracy, as a share: the second arm less the first. */
  readonly difference: number;
  /** Validation images [400]. */
  readonly images?: number;
  /** Chooses images and runs. */
  readonly repeat: number;
}

const EPOCHS = 5;
const STEPS_PER_EPOCH = 32;
// The bundled data at its default settings: accuracy near 0.7, and images that are easy or hard for every run.
const CENTRE = 1.3;
const IMAGE_SD = 2;
// What a seed does to all images at once, beside chance on each image; in logits.
const SEED_SD = 0.06;

/**
 * Two arms, `a` and `b`, of paired runs. Image i has a difficulty, run r a level of its own, and the final answer is right
 * with probability sigmoid(centre + image + run + shift); the curve climbs to it. Without a difference the arms are one
 * policy under other seeds.
 */
export function simulatedRuns({
  seeds,
  difference,
  images = 400,
  repeat,
}: SimulatedExperiment): RecordedRun[] {
  const stream = randomStream(repeat, 'calibration', seeds, difference, images);
  const difficulty = Array.from({ length: images }, () => IMAGE_SD * normal(stream));
  const shift = shiftFor(difference);
  return ['a', 'b'].flatMap((arm) =>
    Array.from({ length: seeds }, (_, seed) => {
      const level = CENTRE + SEED_SD * normal(stream) + (arm === 'b' ? shift : 0);
      const right = difficulty.map((image) => stream.uniform() < sigmoid(level + image));
      return simulatedRun(arm, seed, right, stream);
    }),
  );
}

/** Standard normal (Box and Muller, Annals of Mathematical Statistics 29, 1958). */
function normal(stream: RandomStream): number {
  const radius = Math.sqrt(-2 * Math.log(1 - stream.uniform()));
  return radius * Math.cos(2 * Math.PI * stream.uniform());
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** The logits that move the mean accuracy over all images by `difference`, by bisection. */
function shiftFor(difference: number): number {
  // 2,001 quantiles of the difficulties stand for all images there are.
  const stream = randomStream(0, 'population');
  const population = Array.from({ length: 20_000 }, () => IMAGE_SD * normal(stream));
  const accuracy = (shift: number) =>
    population.reduce((sum, image) => sum + sigmoid(CENTRE + shift + image), 0) / population.length;
  const wanted = accuracy(0) + difference;
  let [low, high] = [-5, 5];
  while (high - low > 1e-6) {
    const middle = (low + high) / 2;
    if (accuracy(middle) < wanted) low = middle;
    else high = middle;
  }
  return difference === 0 ? 0 : (low + high) / 2;
}

/** A run as a comparison reads it, with these final answers. */
function simulatedRun(
  arm: string,
  seed: number,
  right: readonly boolean[],
  stream: RandomStream,
): RecordedRun {
  const total = right.length;
  const correct = right.filter(Boolean).length;
  const epochs = Array.from({ length: EPOCHS }, (_, i): EpochRecord => {
    const part = 1 - 0.4 * Math.exp(-1.2 * i);
    const hits =
      i === EPOCHS - 1 ? correct : Math.min(total, Math.round(correct * part + 4 * normal(stream)));
    return {
      epoch: i + 1,
      trainLoss: 2 - part,
      validLoss: 2 - (1.5 * hits) / total,
      validAccuracy: hits / total,
      correct: hits,
      total,
      seconds: 8,
    };
  });
  const steps = Array.from({ length: EPOCHS * STEPS_PER_EPOCH }, (_, step) => ({
    step,
    epoch: 1 + Math.floor(step / STEPS_PER_EPOCH),
    learningRate: 1e-3,
    momentum: 0.9,
    loss: 1,
  }));
  const last = epochs.at(-1)!;
  const best = epochs.reduce((top, epoch) => (epoch.correct > top.correct ? epoch : top));
  return {
    arm,
    seed,
    pair: seed,
    key: `${arm}-${seed}`,
    best,
    final: last,
    stepsPerEpoch: STEPS_PER_EPOCH,
    record: {
      dir: `runs/${arm}-seed${seed}`,
      config: { arm, seed, policy: 'fixed', epochs: EPOCHS },
      environment: { backend: 'wasm' },
      dataset: { classes: ['no', 'yes'] },
      steps,
      epochs,
      events: [],
      result: null,
      status: 'completed',
      predictions: right.map((hit, i) => {
        const answer = { predicted: hit ? 1 : 0, probability: 0.9 };
        return { image: `val/${i}.png`, label: 1, final: answer, best: answer };
      }),
    },
  };
}
