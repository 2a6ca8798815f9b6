import type { RunEvent } from '../record/run-layout.js';
import type { EpochRecord } from './records.js';

/** The best epoch so far: highest validation accuracy, then lowest validation loss, then the earliest. */
export type BestEpoch = Pick<EpochRecord, 'epoch' | 'validAccuracy' | 'correct' | 'total' | 'validLoss'>;

/** Where a run stands between two steps: plain JSON, all that a resume needs beside weights and momenta. */
export interface RunState {
  /** The next step to take, from 0. */
  readonly step: number;
  /** The epoch that this step belongs to, from 1. */
  readonly epoch: number;
  readonly scheduleState: unknown;
  /** Sum over the epoch's steps so far of loss times images. */
  readonly lossSum: number;
  /** Images seen in the epoch so far. */
  readonly images: number;
  /** Wall-clock seconds spent in the epoch before this process. */
  readonly epochSeconds: number;
  /** Wall-clock seconds of the whole run before this process. */
  readonly seconds: number;
  readonly epochs: readonly EpochRecord[];
  readonly best: BestEpoch | null;
  /** What changed the run's course; events.jsonl is written from here. */
  readonly events: readonly RunEvent[];
  /** How many of the configuration's replans have been made. */
  readonly replans: number;
}

/** A run before its first step. */
export function initialRunState(scheduleState: unknown): RunState {
  return {
    step: 0,
    epoch: 1,
    scheduleState,
    lossSum: 0,
    images: 0,
    epochSeconds: 0,
    seconds: 0,
    epochs: [],
    best: null,
    events: [],
    replans: 0,
  };
}

/** Whether an epoch beats the best one so far. */
export function isBetter(record: EpochRecord, best: BestEpoch | null): boolean {
  if (best === null || record.correct !== best.correct) return record.correct > (best?.correct ?? -1);
  return record.validLoss < best.validLoss;
}
