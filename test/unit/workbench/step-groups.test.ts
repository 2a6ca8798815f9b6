import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import type { Schedule } from '../../../src/schedule/schedule.js';
import { type TrainingBatch, trainStepGroups, trainSteps } from '../../../src/workbench/steps.js';

/** A device that answers only when asked: the n-th step's loss is n, and is known after it was read. */
function lateEngine(every: number): { engine: Engine; unread: () => number } {
  let [begun, read] = [0, 0];
  const begin = async () => {
    const loss = begun++;
    return { rates: { learningRate: 0.1 * (loss + 1), momentum: 0.9 }, loss: async () => (read++, loss) };
  };
  const engine: Partial<Engine> = {
    late: { every, begin },
    step: async () => {
      const { loss, rates } = await begin();
      return { loss: await loss(), rates };
    },
  };
  return { engine: engine as Engine, unread: () => begun - read };
}

async function* batches(n: number): AsyncGenerator<TrainingBatch> {
  const input = { kind: 'features', values: new Float32Array(1), shape: [1, 1, 1] } as const;
  for (let i = 0; i < n; i++) yield { input, labels: new Int32Array(1) };
}

const schedule = (totalSteps: number): Schedule<null> => ({
  totalSteps,
  initialState: null,
  at: (_, step) => ({ learningRate: 0.1 * (step + 1), momentum: 0.9 }),
  observe: () => null,
});

const START = { epoch: 2, firstStep: 0, scheduleState: null };

test('records are complete, in order and the same, however late the losses are read', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.nat(30), fc.nat(30), async (every, n, total) => {
      const late = lateEngine(every);
      const groups = [];
      for await (const group of trainStepGroups(late.engine, batches(n), schedule(total), START)) {
        // The time for a checkpoint: the engine stands where the records end.
        expect(late.unread()).toBe(0);
        groups.push(group);
      }
      const promptly = [];
      for await (const record of trainSteps(lateEngine(every).engine, batches(n), schedule(total), START)) {
        promptly.push(record);
      }
      expect(groups.flat()).toEqual(promptly);
      expect(promptly.map(({ step, loss }) => [step, loss])).toEqual(
        Array.from({ length: Math.min(n, total) }, (_, i) => [i, i]),
      );
      expect(groups.slice(0, -1).every((group) => group.length === every)).toBe(true);
    }),
  );
});

test('an engine that reads at once gives groups of one', async () => {
  const { engine } = lateEngine(1);
  const groups = [];
  for await (const group of trainStepGroups({ ...engine, late: undefined }, batches(3), schedule(3), START)) {
    groups.push(group.length);
  }
  expect(groups).toEqual([1, 1, 1]);
});
