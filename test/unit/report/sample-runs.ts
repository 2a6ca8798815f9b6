import { resolveFinder, resolveRun } from '../../../src/config/run-config.js';
import { readDefaults } from '../../../src/config/settings.js';
import type { ArmCurves } from '../../../src/report/charts/training.js';
import {
  type BestEpoch,
  type CompareDocument,
  type ComparedArm,
  type DatasetSummary,
  type Environment,
  type EpochRecord,
  type FinderDocument,
  SCHEMA_VERSION,
  type StepRecord,
  type TrainDocument,
} from '../../../src/runs/documents.js';
import type { RangeCurve, RangePoint } from '../../../src/stats/range/curve.js';
import type { Spread } from '../../../src/stats/range/suggestions.js';
import type { TimesSummary } from '../../../src/stats/times.js';

// Plausible records of the bundled data's size: 400 validation images, 38 steps an epoch, 5 epochs.
const EPOCHS = 5;
const STEPS_PER_EPOCH = 38;
const TOTAL = 400;

/** Park and Miller's generator (CACM 1988): the same "noise" everywhere. */
export function noise(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return (state / 2_147_483_647) * 2 - 1;
  };
}

const cosine = (from: number, to: number, part: number): number =>
  to + ((from - to) / 2) * (1 + Math.cos(Math.PI * part));

export function sampleSteps(policy: string, seed: number): StepRecord[] {
  const random = noise(seed + 7);
  const total = EPOCHS * STEPS_PER_EPOCH;
  const peak = 0.3 * total - 1;
  return Array.from({ length: total }, (_, step) => {
    const up = step <= peak;
    const part = up ? step / peak : (step - peak) / (total - 1 - peak);
    const cycled = policy === '1cycle';
    const decay = step < total / 3 ? 1 : step < (2 * total) / 3 ? 0.1 : 0.01;
    return {
      step,
      epoch: 1 + Math.floor(step / STEPS_PER_EPOCH),
      learningRate: cycled ? (up ? cosine(2e-5, 5e-4, part) : cosine(5e-4, 2e-9, part)) : 5e-4 * decay,
      momentum: cycled ? (up ? cosine(0.95, 0.85, part) : cosine(0.85, 0.95, part)) : 0.9,
      loss: 1 + 1.4 * Math.exp(-step / 40) + 0.15 * random(),
    };
  });
}

export function sampleEpochs(policy: string, seed: number): EpochRecord[] {
  const random = noise(seed + 31);
  const reached = policy === '1cycle' ? [0.62, 0.655, 0.69, 0.728, 0.738] : [0.645, 0.69, 0.71, 0.716, 0.718];
  return reached.map((accuracy, index) => {
    const correct = Math.round(TOTAL * (accuracy + 0.012 * random()));
    return {
      epoch: index + 1,
      trainLoss: 1.02 + 0.95 * Math.exp(-index / 1.6) + 0.02 * random(),
      validLoss: 2.06 - 1.6 * accuracy + 0.02 * random(),
      validAccuracy: correct / TOTAL,
      correct,
      total: TOTAL,
      seconds: 14.6 + random(),
    };
  });
}

function summaryOf({ epoch, validAccuracy, correct, total, validLoss }: EpochRecord): BestEpoch {
  return { epoch, validAccuracy, correct, total, validLoss };
}

function bestOf(epochs: readonly EpochRecord[]): EpochRecord {
  return epochs.reduce((best, epoch) => (epoch.correct > best.correct ? epoch : best));
}

const ENVIRONMENT: Environment = {
  onecycle: '0.1.0',
  node: 'v20.20.2',
  platform: 'linux-x64',
  backend: 'wasm',
  device: '2 threads',
  driver: null,
  arithmetic: 'fused',
  cores: 2,
  cpu: 'AMD EPYC',
  versions: {},
};
const DATASET: DatasetSummary = {
  classes: ['ants', 'bees'],
  train: 1200,
  valid: TOTAL,
  counts: [
    { class: 'ants', train: 600, valid: TOTAL / 2 },
    { class: 'bees', train: 600, valid: TOTAL / 2 },
  ],
  skipped: [],
};

/** A finished run with default settings, changed in places. */
export function sampleTraining(changes: Partial<TrainDocument> = {}): TrainDocument {
  const epochs = sampleEpochs('1cycle', 4);
  const { settings } = readDefaults();
  const resolved = { imageSize: 96, lr: 5e-4, arm: '1cycle', frozen: true };
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'train',
    status: 'completed',
    run: 'runs/2026-11-23T21-40-12-1cycle-seed0',
    policy: '1cycle',
    config: resolveRun(settings, resolved),
    environment: { ...ENVIRONMENT, workers: 2, sliceSize: 4 },
    dataset: DATASET,
    seconds: 83.4,
    epochs,
    best: summaryOf(bestOf(epochs)),
    final: summaryOf(epochs.at(-1)!),
    failure: null,
    stoppedEarly: null,
    events: [],
    ...changes,
  };
}

function over(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
  // 4.303 is the 0.975 quantile of Student's t with two degrees of freedom.
  const half = (4.303 * sd) / Math.sqrt(values.length);
  return { mean, sd, low: mean - half, high: mean + half, n: values.length };
}

function times(values: readonly number[]): TimesSummary {
  const median = values.toSorted((a, b) => a - b)[1] ?? null;
  const [fastest, slowest] = [Math.min(...values), Math.max(...values)];
  return { ...over(values), median, fastest, slowest, reached: values.length };
}

/** The curves behind `sampleComparison`. */
export function sampleCurves(policies: readonly string[] = ['fixed', '1cycle'], seeds = 3): ArmCurves[] {
  return policies.map((policy, arm) => ({
    policy,
    runs: Array.from({ length: seeds }, (_, seed) => ({
      seed,
      epochs: sampleEpochs(policy, 10 * arm + seed),
      steps: sampleSteps(policy, seed),
    })),
  }));
}

export function sampleComparison(
  policies: readonly string[] = ['fixed', '1cycle'],
  seeds = 3,
): CompareDocument {
  const curves = sampleCurves(policies, seeds);
  const arms = curves.map(({ policy, runs }, arm): ComparedArm => {
    const finals = runs.map(({ epochs }) => epochs.at(-1)!);
    const bests = runs.map(({ epochs }) => bestOf(epochs));
    const finalAccuracy = over(finals.map(({ validAccuracy }) => validAccuracy));
    return {
      policy,
      rates: [
        {
          ...{ learningRate: 5e-4, factor: 1, source: 'built-in', finalAccuracy },
          balancedAccuracy: finalAccuracy,
          ...{ runs: seeds, failed: 0, chosen: seeds },
        },
      ],
      runs: runs.map(({ seed }, index) => ({
        run: `runs/${policy}-${seed}`,
        seed,
        best: summaryOf(bests[index]!),
        final: summaryOf(finals[index]!),
      })),
      bestAccuracy: over(bests.map(({ validAccuracy }) => validAccuracy)),
      finalAccuracy,
      balancedAccuracy: finalAccuracy,
      macroF1: finalAccuracy,
      perClass: null,
      validLoss: over(finals.map(({ validLoss }) => validLoss)),
      stepsToTarget: times(arm === 0 ? [76, 76, 114] : [114, 114, 152]),
      secondsToTarget: times(arm === 0 ? [30, 30, 45] : [45, 45, 60]),
      failed: [],
    };
  });
  const differences = arms.slice(1).map(({ policy }) => ({
    arm: policy,
    baseline: policies[0]!,
    metric: 'finalAccuracy' as const,
    mean: 0.0192,
    low: -0.0051,
    high: 0.0435,
    pValue: 0.083,
    adjustedPValue: 0.083,
    method: 'crossed' as const,
    varianceShares: { seeds: 0.21, images: 0.48, residual: 0.31 },
    degreesOfFreedom: 7.2,
    overImages: null,
    perSeed: [],
  }));
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'compare',
    status: 'completed',
    arms,
    differences,
    difference: differences.at(-1) ?? null,
    superConvergence: {
      target: 0.7,
      factor: 0.7,
      low: 0.51,
      high: 1.02,
      bound: 'none',
      method: 'geometric mean, t on logarithms',
      censored: { arm: 0, baseline: 0, both: 0 },
      n: 3,
      caveat: null,
      note: '',
    },
    config: {
      epochs: EPOCHS,
      batchSize: 32,
      policies,
      seed: 0,
      seeds,
      target: 0.7,
      metric: 'accuracy',
      lr: 5e-4,
      perArm: Object.fromEntries(policies.map((policy) => [policy, { policy }])),
    },
    environment: { backend: 'wasm', cores: 2 },
    dataset: { classes: [...DATASET.classes], train: DATASET.train, valid: DATASET.valid, skipped: [] },
    seconds: 240,
    jobs: 1,
    sharedFeatures: false,
    warnings: ['Three seeds cannot show a difference below 3 points: read the interval, not the mean.'],
    verdict: {
      kind: 'not-shown',
      rates: 'measured',
      claim: 'none',
      title: 'No winner',
      detail: '1cycle ended 1.9 points above fixed.',
      sentence:
        'No winner: 1cycle ended 1.9 points above fixed, but the interval from -0.5 to +4.4 points includes no difference.',
    },
  };
}

/** A range test of 100 steps from 1e-7 to 10 that stops at four times the best loss, as ten classes show it. */
export function sampleRangeCurve(seed: number): RangeCurve {
  const random = noise(seed + 3);
  const points: RangePoint[] = [];
  let average = 0;
  let best = Infinity;
  for (let step = 0; step < 100; step++) {
    const learningRate = 1e-7 * 1e8 ** (step / 99);
    const clean =
      1.15 + 1.25 / (1 + (learningRate / 3e-4) ** 1.1) + (learningRate / (1.5e-3 * (1 + 0.3 * seed))) ** 1.6;
    const loss = clean + 0.12 * random();
    average = 0.8 * average + 0.2 * loss;
    const smoothedLoss = average / (1 - 0.8 ** (step + 1));
    points.push({ step, learningRate, loss, smoothedLoss });
    best = Math.min(best, smoothedLoss);
    if (smoothedLoss > 4 * best) return { seed, points, divergedAt: step, stop: 'diverged' };
  }
  return { seed, points, divergedAt: null, stop: 'end' };
}

const rate = (median: number, low: number, high: number): Spread => ({ median, low, high });

/** The range test of some seeds with default settings. */
export function sampleRangeTest(seeds: number): FinderDocument {
  const { settings } = readDefaults();
  const known = { imageSize: 96, frozen: true, trainImages: DATASET.train };
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'find-lr',
    status: 'completed',
    run: 'runs/find-lr-seed0',
    config: resolveFinder({ ...settings, seeds, steps: 100 }, known),
    environment: { ...ENVIRONMENT, workers: 2 },
    dataset: DATASET,
    seconds: 12.5,
    curves: Array.from({ length: seeds }, (_, seed) => sampleRangeCurve(seed)),
    agreement: { verdict: 'fair', factor: 2.1 },
    suggestions: {
      steepest: rate(2.7e-4, 2.1e-4, 4.4e-4),
      valley: rate(5.6e-5, 3.2e-5, 9.1e-5),
      slide: rate(9.2e-4, 7.1e-4, 1.3e-3),
      minimum: rate(1.1e-4, 8.6e-5, 1.4e-4),
    },
    recommended: { learningRate: 1.72e-4, fixedLearningRate: 5.7e-5 },
    reason:
      'The geometric mean of the steepest rate and a tenth of the rate with the lowest loss; all seeds diverged, and they agree within a factor of 2.1.',
  };
}
