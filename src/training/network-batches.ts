import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Batch } from '../data/image.js';
import type { Engine } from './engine.js';
import type { FeatureStore } from './feature-store.js';
import type { NetworkInput } from './network-input.js';
import type { TrainingBatch } from './train-steps.js';

/** Where the features of a batch's images lie. */
export interface StoredFeatures {
  readonly store: FeatureStore;
  /** The store's slot of the batch's i-th image. */
  readonly slotOf: (batch: Batch, i: number) => number;
}

/**
 * Turns batches of images into what the network takes: the images themselves, or, where a part is
 * frozen, its features, computed for those not yet in the store and read for the others.
 */
export async function* networkBatches(
  engine: Engine,
  batches: AsyncIterable<Batch>,
  features: StoredFeatures | undefined,
): AsyncGenerator<TrainingBatch> {
  for await (const batch of batches) {
    const input: NetworkInput =
      features === undefined
        ? { kind: 'images', images: batch.images, boxes: batch.boxes }
        : await storedFeatures(engine, batch, features);
    yield { input, labels: batch.labels };
    // On wasm and cpu all promises are settled at once: without a turn of the event loop no signal would be
    // heard and no progress drawn.
    await nextTurn();
  }
}

async function storedFeatures(
  engine: Engine,
  batch: Batch,
  { store, slotOf }: StoredFeatures,
): Promise<NetworkInput> {
  const slots = batch.images.map((_, i) => slotOf(batch, i));
  const missing = [...slots.keys()].filter((i) => !store.has(slots[i] ?? 0));
  if (missing.length > 0) {
    const values = await engine.features({
      kind: 'images',
      images: batch.images.filter((_, i) => missing.includes(i)),
      boxes: batch.boxes.filter((_, i) => missing.includes(i)),
    });
    const length = values.length / missing.length;
    missing.forEach((i, k) => store.put(slots[i] ?? 0, values.subarray(k * length, (k + 1) * length)));
  }
  return { kind: 'features', values: store.gather(slots), shape: store.handle.shape };
}
