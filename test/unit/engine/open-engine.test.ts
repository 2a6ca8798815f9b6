import { expect, onTestFinished, test } from 'vitest';
import { startBackend } from '../../../src/engine/backends/choose.js';
import { setLargestBuffer } from '../../../src/engine/backends/current.js';
import { openEngine } from '../../../src/engine/open-engine.js';
import { LocalEngine } from '../../../src/engine/tfjs/local-engine.js';
import { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { opened } from './engine-runs.js';
import { normalizedSetup, smallSetup } from './small-networks.js';

test.each([
  // Of the head alone slices have 8 images: more threads than slices would have nothing to do.
  [32, 1, 1],
  [32, 2, 2],
  [32, 16, 4],
  [8, 4, 1],
  [9, 4, 2],
  [1, 4, 1],
])('on wasm a batch of %i with %i workers asked for takes %i', async (batchSize, asked, workers) => {
  await startBackend('wasm');
  const engine = await opened(openEngine(smallSetup('V2', 5), batchSize, asked));
  expect(engine).toBeInstanceOf(WasmEngine);
  expect(engine.workers).toBe(workers);
  expect(engine.late).toBeUndefined();
});

test('slices depend neither on the workers nor on which of wasm and cpu computes', async () => {
  const sizes = [];
  for (const [backend, workers] of [
    ['wasm', 1],
    ['wasm', 2],
    ['wasm', 3],
    ['cpu', 3],
  ] as const) {
    await startBackend(backend);
    const engine = await opened(openEngine(smallSetup('V2', 0), 30, workers));
    expect(engine instanceof LocalEngine).toBe(backend === 'cpu');
    if (backend === 'cpu') expect(engine.workers).toBe(1);
    sizes.push(engine.sliceSize);
  }
  // The last maps of this network are 4 x 4, and 64 positions are enough for a slice.
  expect(sizes).toEqual([4, 4, 4, 4]);
});

test('a batch for batch norm in training mode is one slice on tfjs, and cut for the threads of wasm', async () => {
  const sizes = [];
  for (const backend of ['wasm', 'cpu'] as const) {
    await startBackend(backend);
    sizes.push((await opened(openEngine(normalizedSetup('V2', 0), 30, 2))).sliceSize);
  }
  expect(sizes).toEqual([4, 30]);
});

test('a batch for batch norm that does not fit the device is refused with the one that does', async () => {
  await startBackend('cpu');
  // The largest activation is 8 x 8 with 12 channels in float32, 3072 bytes, and the image as large.
  setLargestBuffer(10 * 3072);
  onTestFinished(() => setLargestBuffer(Infinity));
  await expect(openEngine(normalizedSetup('V2', 0), 11, 1)).rejects.toThrow(/--batch-size 10 fits/);
  // Folded, it is computed in slices.
  expect((await opened(openEngine(smallSetup('V2', 0), 11, 1))).sliceSize).toBe(4);
  expect((await opened(openEngine(normalizedSetup('V2', 0), 10, 1))).sliceSize).toBe(10);
});
