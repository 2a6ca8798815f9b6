import { describe, expect, test } from 'vitest';
import { Heap } from '../../../src/backend/wasm/heap.js';
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
    await expect(engine.step(input, labels, RATES)).rejects.toThrow(/disposed/);
    await expect(engine.logits(input)).rejects.toThrow(/disposed/);
  });
});
