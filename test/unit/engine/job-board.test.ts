import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Heap } from '../../../src/engine/wasm/heap.js';
import {
  BOARD_BYTES,
  InputKind,
  type Job,
  JobBoard,
  Op,
  takesPart,
} from '../../../src/engine/wasm/job-board.js';

const JOB: Job = {
  op: Op.gradients,
  items: 3,
  firstItem: 5,
  images: 40,
  kind: InputKind.features,
  input: 2 ** 32 - 64,
  output: 2 ** 31,
  firstRow: 7,
  rows: 9,
  batchSize: 70,
  unit: 4,
};

/** Two views of one board, as two threads have them. */
function boards(): [JobBoard, JobBoard] {
  const heap = new Heap();
  const address = heap.allocate(BOARD_BYTES);
  return [new JobBoard(heap.memory, address), new JobBoard(heap.memory, address)];
}

test('a job is read as it was posted, addresses beyond 2 GiB too', () => {
  const [mine, theirs] = boards();
  mine.post(JOB);
  expect(theirs.read()).toEqual(JOB);
});

test('what a job has no use for is 0, whatever the job before it said', () => {
  const [mine, theirs] = boards();
  mine.post(JOB);
  mine.post({ op: Op.update, items: 4, kind: InputKind.images, rows: 2 });
  const zeros = { firstItem: 0, images: 0, input: 0, output: 0, firstRow: 0, batchSize: 0, unit: 0 };
  expect(theirs.read()).toEqual({ ...zeros, op: Op.update, items: 4, kind: InputKind.images, rows: 2 });
});

test('each item is taken once, by whoever asks', () => {
  const [mine, theirs] = boards();
  mine.post(JOB);
  expect([mine, theirs, theirs, mine, theirs].map((board) => board.take(JOB))).toEqual([
    5,
    6,
    7,
    undefined,
    undefined,
  ]);
  mine.post(JOB);
  expect(theirs.take(JOB)).toBe(5);
});

test('rates come over in double precision', () => {
  const [mine, theirs] = boards();
  mine.rates = { learningRate: 0.1, momentum: 1 / 3 };
  expect(theirs.rates).toEqual({ learningRate: 0.1, momentum: 1 / 3 });
});

describe('who takes part', () => {
  test('are those that had joined before the job came', () => {
    const [mine, theirs] = boards();
    expect(mine.post(JOB)).toBe(0);
    const first = theirs.join();
    expect(mine.post(JOB)).toBe(1);
    const late = theirs.join();
    expect([first.number, late.number]).toEqual([0, 1]);
    // Who joins after a job was posted has seen its signal, and waits for the next.
    expect(theirs.awaitSignal(first.signal)).toBe(late.signal);
    expect([first, late].map(({ number }) => takesPart(number, late.signal))).toEqual([true, false]);
    expect(mine.post(JOB)).toBe(2);
    const next = theirs.awaitSignal(late.signal);
    expect([first, late].map(({ number }) => takesPart(number, next))).toEqual([true, true]);
  });

  test('are all of a large machine', () => {
    const [mine, theirs] = boards();
    const threads = Array.from({ length: 1000 }, () => theirs.join());
    expect(mine.post(JOB)).toBe(1000);
    const signal = theirs.awaitSignal(threads[0]!.signal);
    expect(threads.every(({ number }) => takesPart(number, signal))).toBe(true);
    expect(takesPart(1000, signal)).toBe(false);
  });

  test('also when the count of jobs begins anew', () => {
    const [mine, theirs] = boards();
    const { number } = theirs.join();
    const seen = new Set<number>();
    let signal = theirs.join().signal;
    // The last count before it.
    Atomics.store(mine['integers'], 11, 2 ** 31 - 1);
    signal = 2 ** 31 - 1;
    for (let job = 0; job < 3; job++) {
      expect(mine.post(JOB)).toBe(2);
      signal = theirs.awaitSignal(signal);
      expect(takesPart(number, signal)).toBe(true);
      expect(signal).toBeGreaterThanOrEqual(0);
      seen.add(signal);
    }
    expect(seen.size).toBe(3);
  });
});

describe('the wait for others', () => {
  test('ends when all have finished, or with the patience', () => {
    const [mine, theirs] = boards();
    mine.post(JOB);
    expect(mine.awaitFinish(0, 1000)).toBe(true);
    theirs.finish();
    expect(mine.awaitFinish(1, 1000)).toBe(true);
    expect(mine.awaitFinish(2, 1)).toBe(false);
    // The next job is counted anew.
    mine.post(JOB);
    expect(mine.awaitFinish(1, 1)).toBe(false);
  });
});

test('a thread that is woken without a new signal goes back to sleep', async () => {
  const heap = new Heap();
  const address = heap.allocate(BOARD_BYTES);
  const mine = new JobBoard(heap.memory, address);
  const waiting = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ JobBoard }) => {
      const board = new JobBoard(workerData.memory, workerData.address);
      const { number, signal } = board.join();
      parentPort.postMessage([number, signal, board.awaitSignal(signal)]);
    });`;
  const module = new URL('../../../dist/engine/wasm/job-board.js', import.meta.url).href;
  const worker = new Worker(waiting, { eval: true, workerData: { module, memory: heap.memory, address } });
  const answer = once(worker, 'message') as Promise<[[number, number, number]]>;
  let answered = false;
  void answer.then(() => (answered = true));
  // The signal comes after the fields of a job. Woken once, the thread either answers or sleeps again and is woken again.
  const integers = new Int32Array(heap.memory.buffer, address);
  for (let woken = 0; woken < 2 && !answered; woken += Atomics.notify(integers, Object.keys(JOB).length))
    await nextTurn();
  mine.post(JOB);
  const [[number, before, after]] = await answer;
  expect([takesPart(number, before), takesPart(number, after)]).toEqual([false, true]);
  expect(after).not.toBe(before);
});
