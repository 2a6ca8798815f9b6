import type { EpochRecord, FinderDocument, StepRecord } from '../runs/documents.js';

/** Work on images that takes time: reading and waiting for them, the frozen part's outputs, training steps, and evaluation. */
export type WorkKind = 'read' | 'frozen' | 'train' | 'evaluate';

/** Images to be worked on, each counted as often as it is; reading is part of all work. */
export type Work = Readonly<Partial<Record<Exclude<WorkKind, 'read'>, number>>>;

/** Hears that many images have been worked on. */
export type Worked = (kind: WorkKind, images: number) => void;

/** What an experiment tells while it goes on; the terminal decides how to show it. */
export type ExperimentEvent =
  /** What is to come, told before it begins: the work of a run or a range test, or under no name what several share. */
  | { readonly type: 'plan'; readonly name: string; readonly work: Work; readonly sweep?: boolean }
  /** That many images have been worked on since the last event of that name. */
  | { readonly type: 'work'; readonly name: string; readonly kind: WorkKind; readonly images: number }
  /** A file or a data set that is fetched by name: bytes so far, of a total that may be unknown. */
  | {
      readonly type: 'fetch';
      readonly name: string;
      readonly doing: 'download' | 'check' | 'unpack';
      readonly done: number;
      readonly total: number | null;
    }
  /** Images read and decoded so far. */
  | { readonly type: 'decode'; readonly done: number; readonly total: number }
  /** What is good to know; left out where the user wants quiet. */
  | { readonly type: 'note'; readonly text: string }
  /** What may make a result another one than the user takes it for. */
  | { readonly type: 'warning'; readonly text: string }
  /** What was taken as the data set's parts and classes, in one line. */
  | { readonly type: 'data'; readonly text: string }
  /** The range test that a rate is taken from. */
  | { readonly type: 'range-test'; readonly document: FinderDocument }
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
  | {
      readonly type: 'sweep';
      readonly seed: number;
      readonly step: number;
      readonly steps: number;
      /** Why it ended with this step, if it did. */
      readonly stop?: 'diverged' | 'collapsed' | 'end' | undefined;
    };

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
