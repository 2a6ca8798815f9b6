import { describe, expect, test } from 'vitest';
import { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { Heap } from '../../../src/engine/wasm/heap.js';
import { RATES, trainOn } from './engine-runs.js';
import { randomBatch } from './random-batch.js';
import { smallSetup } from './small-networks.js';
import { engineOf } from './wasm-teams.js';

const { input, labels } = randomBatch(8);

// A comparison opens one engine after another: what each leaves to the garbage collector stays for long.
describe('an engine that is disposed', () => {
  test.each([1, 3])(
    'leaves its memory to the next, which computes the same there: %i threads',
    async (threads) => {
      const fresh = await engineOf(smallSetup('V2', 0), { threads });
      const expected = await trainOn(fresh);
      const large = await engineOf(smallSetup('V1', 0, 40), { threads });
      const { memory } = large['heap'];
      await trainOn(large);
      await large.dispose();
      const next = await engineOf(smallSetup('V2', 0), { threads });
      expect(next['heap'].memory).toBe(memory);
      expect(fresh['heap'].memory).not.toBe(memory);
      expect(await trainOn(next)).toEqual(expected);
    },
  );

  test('leaves it once, however often it is disposed', async () => {
    const engine = await engineOf(smallSetup('V2', 3), { threads: 2 });
    const { memory } = engine['heap'];
    await Promise.all([engine.dispose(), engine.dispose()]);
    await engine.dispose();
    const next = [new Heap(), new Heap()];
    expect(next.map((heap) => heap.memory === memory)).toEqual([true, false]);
  });

  test.each([1, 2])('computes no more, in memory that may be of another: %i threads', async (threads) => {
    const engine = await engineOf(smallSetup('V2', 3), { threads });
    await engine.dispose();
    const next = await engineOf(smallSetup('V2', 3), { threads });
    expect(next['heap'].memory).toBe(engine['heap'].memory);
    const state = await next.snapshot();
    await next.step(input, labels, RATES);
    const before = Buffer.from(next['heap'].memory.buffer).toString('latin1');
    await expect(engine.step(input, labels, RATES)).rejects.toThrow(/disposed/);
    await expect(engine.logits(input)).rejects.toThrow(/disposed/);
    await expect(engine.snapshot()).rejects.toThrow(/disposed/);
    await expect(engine.restore(state)).rejects.toThrow(/disposed/);
    expect(Buffer.from(next['heap'].memory.buffer).toString('latin1') === before).toBe(true);
  });

  test('ends what is under way with an error, and what waits behind it', async () => {
    const engine = await engineOf(smallSetup('V2', 3), { threads: 2 });
    const asked = [engine.step(input, labels, RATES), engine.logits(input), engine.snapshot()];
    const answers = Promise.allSettled(asked);
    await engine.dispose();
    for (const answer of (await answers).slice(1)) {
      expect(answer.status === 'rejected' && String(answer.reason)).toMatch(/disposed/);
    }
  });

  test('leaves its memory behind also where a network does not fit on it', async () => {
    const engine = await engineOf(smallSetup('V2', 3));
    const { memory } = engine['heap'];
    await engine.dispose();
    const tooLarge = { sliceSize: 1, batchSize: 8, threads: 1 };
    await expect(WasmEngine.open(smallSetup('V2', 0, 20_000), tooLarge)).rejects.toThrow(/is full/);
    expect(new Heap().memory).toBe(memory);
  });
});
