import type { Rates } from '../schedule/schedule.js';
import type { NetworkInput } from './network-input.js';
import type { ReplicaSetup, ReplicaState } from './replica.js';

/** What a replica's thread is started with. */
export interface ReplicaWorkerData {
  readonly setup: ReplicaSetup;
  readonly gradients: SharedArrayBuffer;
}

/** One slice of a batch with its place in the sum. */
export interface SliceTask {
  readonly slice: number;
  readonly input: NetworkInput;
  readonly labels: Int32Array;
}

/** What the thread is asked; each request gets one reply in order. */
export type ReplicaRequest =
  | { readonly op: 'gradients'; readonly tasks: readonly SliceTask[]; readonly batchSize: number }
  | { readonly op: 'update'; readonly slices: number; readonly rates: Rates }
  | { readonly op: 'features' | 'logits'; readonly input: NetworkInput }
  | { readonly op: 'restore'; readonly state: ReplicaState };

/** Loss sums by slice for `gradients`, values for `features` and `logits`, nothing for the others. */
export type ReplicaReply =
  | { readonly ok: true; readonly values: Float32Array | Float64Array | undefined }
  | { readonly ok: false; readonly message: string };
