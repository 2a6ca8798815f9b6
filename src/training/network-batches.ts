import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { Needs } from '../data/batches.js';
import type { Batch } from '../data/image.js';
import type { Engine } from './engine.js';
import type { FeatureStore } from './feature-store.js';
import type { NetworkInput } from './network-input.js';
import type { TrainingBatch } from './train-steps.js';

/** Where the features of images lie. */
export interface StoredFeatures {
  readonly store: FeatureStore;
  /** The store's slot of a view of the image at that position in its list; of the image itself where it has no views. */
  readonly slot: (index: number, view: number) => number;
}

/** The images that have to be looked at: those whose features are not stored yet. */
export function unstored({ store, slot }: StoredFeatures): Needs {
  return (index, view) => !store.has(slot(index, view));
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

/** How long another thread may take for what it claimed, in milliseconds; then it is taken for dead. */
const PATIENCE = 2000;

async function storedFeatures(
  engine: Engine,
  batch: Batch,
  { store, slot }: StoredFeatures,
): Promise<NetworkInput> {
  const slots = batch.images.map((_, i) => slot(batch.indices[i] ?? 0, batch.views[i] ?? -1));
  const absent = () => [...slots.keys()].filter((i) => !store.has(slots[i] ?? 0));
  const compute = async (chosen: readonly number[]) => {
    if (chosen.length === 0) return;
    const values = await engine.features({
      kind: 'images',
      images: chosen.flatMap((i) => batch.images[i] ?? []),
      boxes: chosen.flatMap((i) => batch.boxes[i] ?? []),
    });
    const length = values.length / chosen.length;
    chosen.forEach((i, k) => store.put(slots[i] ?? 0, values.subarray(k * length, (k + 1) * length)));
  };
  // A little at a time: runs side by side come to the same images at the same moment, and each takes its part.
  const share = engine.sliceSize * engine.workers;
  let claimed: number[] = [];
  for (const i of absent()) {
    if (store.claim(slots[i] ?? 0)) claimed.push(i);
    if (claimed.length < share) continue;
    await compute(claimed);
    claimed = [];
  }
  await compute(claimed);
  const deadline = performance.now() + PATIENCE;
  while (absent().length > 0 && performance.now() < deadline) await pause(1);
  await compute(absent());
  return { kind: 'features', values: store.gather(slots), shape: store.handle.shape };
}
