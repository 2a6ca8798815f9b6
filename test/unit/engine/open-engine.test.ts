import { expect, test } from 'vitest';
import { startBackend } from '../../../src/engine/backends/choose.js';
import { openEngine } from '../../../src/engine/open-engine.js';
import { LocalEngine } from '../../../src/engine/tfjs/local-engine.js';
import { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { opened } from './engine-runs.js';
import { smallSetup } from './small-networks.js';

test.each([
  // Slices are of 8 images here: more threads than slices would have nothing to do.
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
  expect(sizes).toEqual([8, 8, 8, 8]);
});
