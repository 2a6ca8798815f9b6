import type { Head } from '../model/head.js';
import type { Backbone, Parameters } from '../model/network.js';

/** All that makes a network and its optimizer, as plain data. */
export interface ReplicaSetup {
  readonly backbone: Backbone;
  readonly parameters: Parameters;
  readonly head: Head;
  /** Index of the first trained block; blocks.length trains the head alone. */
  readonly firstTrained: number;
  /** Pixels a side. */
  readonly imageSize: number;
  readonly labelSmoothing: number;
  readonly weightDecay: number;
  /** The head's rate over the backbone's; 1 where the head alone is trained. */
  readonly headLrMultiplier: number;
}

/** Weights and momentum buffers by name, as checkpoints hold them. */
export interface ReplicaState {
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly velocities: ReadonlyMap<string, Float32Array>;
}
