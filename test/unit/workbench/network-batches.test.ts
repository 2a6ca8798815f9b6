import { expect, onTestFinished, test } from 'vitest';
import type { Batch } from '../../../src/data/images/image.js';
import { type Engine, inputLength } from '../../../src/engine/engine.js';
import { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { FeatureStore, networkBatches } from '../../../src/workbench/features.js';
import { opened } from '../engine/engine-runs.js';
import { randomBatch } from '../engine/random-batch.js';
import { smallSetup } from '../engine/small-networks.js';

const IMAGES = 12;

function batch(): Batch {
  const { input, labels } = randomBatch(IMAGES);
  if (input.kind !== 'images') throw new Error('not images');
  const { images, boxes } = input;
  const indices = Int32Array.from({ length: IMAGES }, (_, i) => i);
  return { images, boxes, labels, indices, views: new Int32Array(IMAGES).fill(-1) };
}

async function* one(): AsyncGenerator<Batch> {
  yield batch();
}

/** A real engine that counts the images whose features it computes. */
async function counting(): Promise<{ engine: Engine; counted: () => number }> {
  const layout = { sliceSize: 4, batchSize: IMAGES, threads: 1 };
  const real = await opened(WasmEngine.open(smallSetup('V2', 3), layout));
  let images = 0;
  const features: Engine['features'] = (input) => {
    images += inputLength(input);
    return real.features(input);
  };
  const engine: Engine = Object.assign(Object.create(real) as Engine, { features });
  return { engine, counted: () => images };
}

function storeFor({ featureShape }: Engine): FeatureStore {
  const store = FeatureStore.create(featureShape, IMAGES, 1e9);
  onTestFinished(() => store.close({ remove: true }));
  return store;
}

async function valuesOf(engine: Engine, store: FeatureStore): Promise<number[]> {
  const found: number[] = [];
  for await (const { input } of networkBatches(engine, one(), { store, slot: (index) => index })) {
    if (input.kind !== 'features') throw new Error('not features');
    found.push(...input.values);
  }
  return found;
}

test('runs side by side share the work, each image once, and see the same features', async () => {
  const [first, second, alone] = [await counting(), await counting(), await counting()];
  const expected = await valuesOf(alone.engine, storeFor(alone.engine));
  expect(alone.counted()).toBe(IMAGES);

  const store = storeFor(first.engine);
  const found = await Promise.all([valuesOf(first.engine, store), valuesOf(second.engine, store)]);
  for (const values of found) expect(values).toEqual(expected);
  expect(first.counted() + second.counted()).toBe(IMAGES);
  expect(Math.min(first.counted(), second.counted())).toBeGreaterThan(0);
  // What is there is not computed again.
  await valuesOf(first.engine, store);
  expect(first.counted() + second.counted()).toBe(IMAGES);
});

test('what a dead thread claimed is computed after a while', async () => {
  const { engine, counted } = await counting();
  const store = storeFor(engine);
  for (const slot of [0, 7]) expect(store.claim(slot)).toBe(true);
  expect(store.claim(7)).toBe(false);
  expect(store.has(7)).toBe(false);
  const alone = await counting();
  expect(await valuesOf(engine, store)).toEqual(await valuesOf(alone.engine, storeFor(alone.engine)));
  expect(counted()).toBe(IMAGES);
  expect(store.has(7)).toBe(true);
});
