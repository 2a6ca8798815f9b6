import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { WasmEngine } from '../../../src/training/wasm/wasm-engine.js';
import { RATES } from './engine-runs.js';
import { randomBatch } from './random-batch.js';
import { smallSetup } from './small-networks.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const { input, labels } = randomBatch(8);

/** The memory of an engine that worked and was disposed. */
async function disposed(threads: number): Promise<WeakRef<WebAssembly.Memory>> {
  const engine = await WasmEngine.open(smallSetup('V2', 3), { sliceSize: 3, batchSize: 8, threads });
  await engine.step(input, labels, RATES);
  await engine.logits(input);
  const { memory } = engine['heap'];
  await engine.dispose();
  return new WeakRef(memory);
}

// A comparison opens one engine after another in one process.
test.each([1, 2])('with an engine of %i threads its memory goes', async (threads) => {
  const memories = [await disposed(threads), await disposed(threads)];
  // A WeakRef keeps what it was made of for the rest of its turn.
  for (let turn = 0; turn < 20; turn++) {
    await nextTurn();
    collect();
  }
  expect(memories.map((memory) => memory.deref())).toEqual([undefined, undefined]);
});
