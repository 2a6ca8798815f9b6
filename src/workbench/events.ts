import type { EpochRecord, StepRecord } from '../runs/documents.js';

/** What an experiment tells while it goes on; the terminal decides how to show it. */
export type ExperimentEvent =
  /** Images read and decoded so far. */
  | { readonly type: 'decode'; readonly done: number; readonly total: number }
  | { readonly type: 'note'; readonly text: string }
  /** What was taken as the data set's parts and classes, in one line. */
  | { readonly type: 'data'; readonly text: string }
  /** A training run begins, or goes on from `fromStep`. */
  | {
      readonly type: 'run';
      readonly name: string;
      readonly fromStep: number;
      readonly totalSteps: number;
      readonly epochs: number;
    }
  /** The run's folder, once there is one. */
  | { readonly type: 'recorded'; readonly name: string; readonly folder: string }
  | { readonly type: 'step'; readonly name: string; readonly record: StepRecord }
  | { readonly type: 'epoch'; readonly name: string; readonly record: EpochRecord }
  | { readonly type: 'run-end'; readonly name: string; readonly status: string }
  /** One seed of a range test. */
  | { readonly type: 'sweep'; readonly seed: number; readonly step: number; readonly steps: number };

/** Receives events in order. */
export type Emit = (event: ExperimentEvent) => void;

/** Passes each sentence on once: several arms may have the same to say, and so has work that is done again from its start. */
export function eachTextOnce(emit: Emit): Emit {
  const told = new Set<string>();
  return (event) => {
    if ('text' in event && told.has(event.text)) return;
    if ('text' in event) told.add(event.text);
    emit(event);
  };
}
