import { requireFits } from '../backend/device-limits.js';
import { backendTraits } from '../backend/traits.js';
import type { Engine } from './engine.js';
import { LocalEngine } from './local-engine.js';
import { ParallelEngine } from './parallel-engine.js';
import type { ReplicaSetup } from './replica.js';
import { activationBytes, largestActivationBytes } from './shapes.js';
import { sliceSize } from './slices.js';

/**
 * An engine for one run.
 * @param batchSize images of a full batch; with the network and the image size it fixes the slices
 * @param workers threads, of which no more are used than a batch has slices; one where the backend has no others
 * @throws UsageError where a slice does not fit the device, naming the batch size that would
 */
export function openEngine(setup: ReplicaSetup, batchSize: number, workers: number): Engine {
  const { backbone, firstTrained, imageSize } = setup;
  const traits = backendTraits();
  const slice = sliceSize(activationBytes(backbone, firstTrained, imageSize), batchSize, traits);
  requireFits(largestActivationBytes(backbone, imageSize), slice);
  const useful = traits.threads ? Math.min(workers, Math.ceil(batchSize / slice)) : 1;
  return useful > 1 ? new ParallelEngine(setup, slice, batchSize, useful) : new LocalEngine(setup, slice);
}
