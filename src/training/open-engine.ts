import type { Engine } from './engine.js';
import { LocalEngine } from './local-engine.js';
import { ParallelEngine } from './parallel-engine.js';
import type { ReplicaSetup } from './replica.js';
import { activationBytes } from './shapes.js';
import { sliceSize } from './slices.js';

/**
 * An engine for one run.
 * @param batchSize images of a full batch; with the network and the image size it fixes the slices
 * @param workers threads, of which no more are used than a batch has slices
 */
export function openEngine(setup: ReplicaSetup, batchSize: number, workers: number): Engine {
  const slice = sliceSize(activationBytes(setup.backbone, setup.firstTrained, setup.imageSize), batchSize);
  const useful = Math.min(workers, Math.ceil(batchSize / slice));
  return useful > 1 ? new ParallelEngine(setup, slice, batchSize, useful) : new LocalEngine(setup, slice);
}
