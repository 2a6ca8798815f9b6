import { encodeCheckpoint } from '../../../src/runs/checkpoint.js';
import type { EpochRecord, StepRecord } from '../../../src/runs/documents.js';
import { holdRun, type RunFolder } from '../../../src/runs/run-folder.js';

export const documents = {
  config: { policy: '1cycle', lr: 0.01, views: null },
  environment: { backend: 'wasm', cores: 2 },
  dataset: { classNames: ['ant', 'bee'], files: [] },
};

export const stepRecord = (step: number): StepRecord => ({
  step,
  epoch: 1 + Math.floor(step / 10),
  learningRate: 0.01 / (step + 1),
  momentum: 0.9,
  loss: 2 / (step + 1),
});

export const epochRecord = (epoch: number): EpochRecord => ({
  epoch,
  trainLoss: 1 / epoch,
  validLoss: 1.1 / epoch,
  validAccuracy: 0.5,
  correct: 5,
  total: 10,
  seconds: 0.25,
});

/** A checkpoint as training writes it: after a sync, with the offsets that it gave. */
export async function saveCheckpoint(run: RunFolder, step: number, best = false): Promise<void> {
  const header = { step, offsets: { ...(await run.sync()) } };
  const tensors = new Map([['weights/a', Float32Array.of(step, -step)]]);
  await run.writeCheckpoint(encodeCheckpoint({ header, tensors }), { best });
}

/** Goes on with a run: locked, read, opened. */
export async function openRun(dir: string) {
  const { checkpoint, notes, open } = await holdRun(dir);
  return { run: await open(), checkpoint, notes };
}
