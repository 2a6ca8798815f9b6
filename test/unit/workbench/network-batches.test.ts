import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Batch } from '../../../src/data/images/image.js';
import { type Engine, inputLength } from '../../../src/engine/engine.js';
import { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { FeatureStore, networkBatches } from '../../../src/workbench/features.js';
import { KeptFeatures } from '../../../src/workbench/kept-features.js';
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
async function counting(setup = smallSetup('V2', 3)): Promise<{ engine: Engine; counted: () => number }> {
  const layout = { sliceSize: 4, batchSize: IMAGES, threads: 1 };
  const real = await opened(WasmEngine.open(setup, layout));
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

async function valuesOf(engine: Engine, store: FeatureStore, kept = new KeptFeatures({})): Promise<number[]> {
  const found: number[] = [];
  const hash = (index: number) => new Uint8Array(32).fill(index);
  const features = { store, slot: (index: number) => index, kept, hash };
  for await (const { input } of networkBatches(engine, one(), features)) {
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

/** Computes features with a cache that is closed afterwards, as one command does. */
async function command(images: object, setup = smallSetup('V2', 3)) {
  const { engine, counted } = await counting(setup);
  const kept = new KeptFeatures({ images });
  const values = await valuesOf(engine, storeFor(engine), kept);
  kept.close();
  return { values, computed: counted() };
}

test('what an earlier command has computed is taken, to the bit, and nothing else is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kept-features-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  vi.stubEnv('ONECYCLE_CACHE', folder);
  vi.stubEnv('ONECYCLE_CACHE_SIZE', '1G');
  onTestFinished(() => void vi.unstubAllEnvs());

  const first = await command({ size: 40 });
  const second = await command({ size: 40 });
  expect(first.computed).toBe(IMAGES);
  expect(second).toEqual({ values: first.values, computed: 0 });
  // Images that were decoded otherwise, other weights, another part that is frozen.
  expect((await command({ size: 48 })).computed).toBe(IMAGES);
  const setup = smallSetup('V2', 3);
  const [name = '', kernel] = [...setup.parameters][0] ?? [];
  const values = Float32Array.from(kernel?.values ?? [], (weight) => weight + 1);
  const parameters = new Map([...setup.parameters, [name, { shape: kernel?.shape ?? [], values }]]);
  expect((await command({ size: 40 }, { ...setup, parameters })).computed).toBe(IMAGES);
  expect((await command({ size: 40 }, { ...setup, firstTrained: 2 })).computed).toBe(IMAGES);
  vi.stubEnv('ONECYCLE_CACHE_SIZE', '0');
  expect(await command({ size: 40 })).toEqual(first);
});
