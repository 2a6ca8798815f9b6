import type { RunConfig } from '../config/run-config.js';
import type { ExperimentEvent } from './events.js';
import type { TrainDocument } from './train-document.js';
import type { RunContext } from './train-run.js';
import type { WorkbenchHandle } from './share-workbench.js';

/** What a thread that trains whole runs is started with. */
export interface RunWorkerData {
  readonly backend: string;
}

/** One run to train, on the bench that all runs share. */
export interface RunTask {
  readonly bench: WorkbenchHandle;
  readonly config: RunConfig;
  readonly context: Pick<RunContext, 'environment' | 'out' | 'workers'>;
  /** An interrupted run's folder to go on with. */
  readonly resume: string | undefined;
}

export type RunWorkerRequest = { readonly type: 'train'; readonly task: RunTask } | { readonly type: 'stop' };

export type RunWorkerReply =
  | { readonly type: 'event'; readonly event: ExperimentEvent }
  | { readonly type: 'done'; readonly document: TrainDocument }
  | { readonly type: 'error'; readonly name: string; readonly message: string; readonly stack: string };
