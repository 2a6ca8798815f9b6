import { backendTraits, requireFits } from './backends/current.js';
import type { Engine } from './engine.js';
import type { NetworkSetup } from './params.js';
import { activationBytes, largestActivationBytes, sliceSize, smallestTrainedMap } from './shapes.js';
import { WasmEngine } from './wasm/engine.js';

/**
 * An engine for one run.
 * @param batchSize images of a full batch; with the network and the image size it fixes the slices
 * @param workers threads, of which no more are used than a batch has slices; one where the backend has no others
 * @throws UsageError where a slice, or for tfjs's batch norm in training mode the whole batch, does not fit the device, naming the
 *   batch size that would
 */
export async function openEngine(setup: NetworkSetup, batchSize: number, workers: number): Promise<Engine> {
  const { backbone, firstTrained, imageSize } = setup;
  const traits = backendTraits();
  const normalizes = backbone.blocks.some(({ units }) =>
    units.some(({ batchNorm }) => batchNorm !== undefined),
  );
  const load = {
    bytes: activationBytes(backbone, firstTrained, imageSize),
    positions: smallestTrainedMap(backbone, firstTrained, imageSize),
  };
  // Threads normalize their slices together; elsewhere the batch is one slice.
  const slice = normalizes && !traits.threads ? batchSize : sliceSize(load, batchSize, traits);
  requireFits(largestActivationBytes(backbone, imageSize), slice);
  if (traits.threads) {
    const threads = Math.min(workers, Math.ceil(batchSize / slice));
    return WasmEngine.open(setup, { sliceSize: slice, batchSize, threads });
  }
  // tfjs is loaded where it computes alone.
  const { LocalEngine } = await import('./tfjs/local-engine.js');
  return new LocalEngine(setup, slice);
}
