import type * as WorkerThreads from 'node:worker_threads';
import { expect, test, vi } from 'vitest';
import { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { RunError } from '../../../src/errors.js';
import { trainOn } from './engine-runs.js';
import { smallSetup } from './small-networks.js';
import { BATCH, engineOf, SLICE } from './wasm-teams.js';

const system = vi.hoisted(() => ({ threadsLeft: Infinity, started: [] as WorkerThreads.Worker[] }));

vi.mock('node:worker_threads', async (original) => {
  const real = await original<typeof WorkerThreads>();
  return {
    ...real,
    Worker: class extends real.Worker {
      constructor(...args: ConstructorParameters<typeof WorkerThreads.Worker>) {
        if (system.threadsLeft-- <= 0) {
          throw Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' });
        }
        super(...args);
        system.started.push(this);
      }
    },
  };
});

test('where the system gives too few threads, those that have started do nothing in the memory of the next engine', async () => {
  const expected = await trainOn(await engineOf(smallSetup('V2', 0), { threads: 2 }));
  system.started.length = 0;
  system.threadsLeft = 1;
  const layout = { sliceSize: SLICE, batchSize: BATCH, threads: 3 };
  const opening = WasmEngine.open(smallSetup('V2', 0), layout);
  await expect(opening).rejects.toThrow(RunError);
  await expect(opening).rejects.toThrow(/no more threads.*fewer --workers/);
  // Node gives a thread that has ended this number.
  expect(system.started.map(({ threadId }) => threadId)).toEqual([-1]);
  system.threadsLeft = Infinity;
  expect(await trainOn(await engineOf(smallSetup('V2', 0), { threads: 2 }))).toEqual(expected);
});
