import type { RecordedRun } from '../../../src/compare/read.js';

const EPOCHS = 5;
const STEPS_PER_EPOCH = 32;

/** A run as a comparison reads it, that ends with these answers; the epochs before it climb there. */
export function recordedRun(arm: string, seed: number, right: readonly boolean[]): RecordedRun {
  const total = right.length;
  const epochs = Array.from({ length: EPOCHS }, (_, i) => {
    const correct = Math.floor((right.filter(Boolean).length * (i + 1)) / EPOCHS);
    const validAccuracy = correct / total;
    return {
      epoch: i + 1,
      trainLoss: 2,
      validLoss: 2 - validAccuracy,
      validAccuracy,
      correct,
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
  return {
    arm,
    seed,
    pair: seed,
    lrFactor: 1,
    key: `${arm}-${seed}`,
    best: last,
    final: last,
    stepsPerEpoch: STEPS_PER_EPOCH,
    record: {
      dir: `runs/${arm}-seed${seed}`,
      config: { arm, seed, policy: 'fixed', epochs: EPOCHS, lr: 0.01, lrSource: 'range-test' },
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
