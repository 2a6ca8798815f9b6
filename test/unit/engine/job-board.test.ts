import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { Heap } from '../../../src/engine/wasm/heap.js';
import {
  boardBytes,
  InputKind,
  type Job,
  JobBoard,
  Op,
  takesPart,
} from '../../../src/engine/wasm/job-board.js';

const JOB: Omit<Job, 'threads'> = {
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
};

/** The places of the signal and of the phase on a board. */
const SIGNAL = 16;
const PHASE = 32;

/** Two views of one board, as two threads have them. */
function boards(threads = 2): [JobBoard, JobBoard] {
  const heap = new Heap();
  const address = heap.allocate(boardBytes(threads));
  return [new JobBoard(heap.memory, address, threads), new JobBoard(heap.memory, address, threads)];
}

test('a job is read as it was posted, addresses beyond 2 GiB too', () => {
  const [mine, theirs] = boards();
  mine.post(JOB);
  expect(theirs.read()).toEqual({ ...JOB, threads: 1 });
});

test('what a job has no use for is 0, whatever the job before it said', () => {
  const [mine, theirs] = boards();
  mine.post(JOB);
  mine.post({ op: Op.update, items: 4, kind: InputKind.images, rows: 2 });
  const zeros = { firstItem: 0, images: 0, input: 0, output: 0, firstRow: 0, batchSize: 0 };
  const job = { ...zeros, op: Op.update, items: 4, kind: InputKind.images, rows: 2, threads: 1 };
  expect(theirs.read()).toEqual(job);
});

describe('the items of a phase', () => {
  /** What a thread takes until nothing is left. */
  function takeAll(board: JobBoard, job: Job, thread: number, fromBack = false): number[] {
    const items: number[] = [];
    for (
      let item = board.take(job, thread, fromBack);
      item !== undefined;
      item = board.take(job, thread, fromBack)
    ) {
      items.push(item);
    }
    return items;
  }

  test.each([1, 2, 3, 5, 7])('are each taken once, by whoever asks, of %i threads', (threads) => {
    const [mine, theirs] = boards(threads);
    for (let i = 1; i < threads; i++) theirs.join();
    for (const [count, fromBack] of [0, 1, 2, 3, 12].flatMap((n) =>
      [false, true].map((b) => [n, b] as const),
    )) {
      mine.post({ ...JOB, items: count });
      const job = theirs.read();
      expect(job.threads).toBe(threads);
      // The last thread takes one, the first all others.
      const first = theirs.take(job, threads - 1, fromBack);
      const all = [...(first === undefined ? [] : [first]), ...takeAll(mine, job, 0, fromBack)];
      expect(all.toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: count }, (_, i) => JOB.firstItem + i),
      );
      expect(theirs.take(job, threads - 1, fromBack)).toBeUndefined();
      for (let i = 0; i < threads; i++) mine.arrive(threads, () => undefined);
    }
  });

  test('go to the thread that had them before, from either end, and then to one with nothing left', () => {
    const [mine, theirs] = boards();
    theirs.join();
    mine.post({ ...JOB, items: 5 });
    const job = mine.read();
    expect([0, 1, 1].map((thread) => mine.take(job, thread, false))).toEqual([5, 8, 9]);
    expect(takeAll(mine, job, 1)).toEqual([6, 7]);
    for (const thread of [0, 1]) mine.arrive(2, () => expect(thread).toBe(1));
    expect([1, 0, 1].map((thread) => mine.take(job, thread, true))).toEqual([9, 7, 8]);
    expect(takeAll(theirs, job, 1, true)).toEqual([6, 5]);
  });
});

test('rates come over in double precision', () => {
  const [mine, theirs] = boards();
  mine.rates = { learningRate: 0.1, momentum: 1 / 3 };
  expect(theirs.rates).toEqual({ learningRate: 0.1, momentum: 1 / 3 });
});

describe('who takes part', () => {
  test('are those that had joined before the job came', () => {
    const [mine, theirs] = boards(3);
    const post = () => {
      mine.post(JOB);
      return mine.read().threads;
    };
    expect(post()).toBe(1);
    const first = theirs.join();
    expect(post()).toBe(2);
    const late = theirs.join();
    expect([first.number, late.number]).toEqual([1, 2]);
    // Who joins after a job was posted has seen its signal, and waits for the next.
    expect(theirs.awaitSignal(first.signal)).toBe(late.signal);
    expect([first, late].map(({ number }) => takesPart(number, late.signal))).toEqual([true, false]);
    expect(post()).toBe(3);
    const next = theirs.awaitSignal(late.signal);
    expect([first, late].map(({ number }) => takesPart(number, next))).toEqual([true, true]);
  });

  test('are all of a large machine', () => {
    const [mine, theirs] = boards(1001);
    const threads = Array.from({ length: 1000 }, () => theirs.join());
    mine.post(JOB);
    expect(mine.read().threads).toBe(1001);
    const signal = theirs.awaitSignal(threads[0]!.signal);
    expect(threads.every(({ number }) => takesPart(number, signal))).toBe(true);
    expect(takesPart(1001, signal)).toBe(false);
  });

  test('also when the count of jobs begins anew', () => {
    const [mine, theirs] = boards(3);
    const { number } = theirs.join();
    const seen = new Set<number>();
    let signal = theirs.join().signal;
    // The last count before it.
    Atomics.store(mine['integers'], SIGNAL, 2 ** 31 - 1);
    signal = 2 ** 31 - 1;
    for (let job = 0; job < 3; job++) {
      mine.post(JOB);
      expect(mine.read().threads).toBe(3);
      signal = theirs.awaitSignal(signal);
      expect(takesPart(number, signal)).toBe(true);
      expect(signal).toBeGreaterThanOrEqual(0);
      seen.add(signal);
    }
    expect(seen.size).toBe(3);
  });
});

describe('the wait for others', () => {
  test('ends when all have arrived, or with the patience', () => {
    const [mine, theirs] = boards();
    theirs.join();
    mine.post(JOB);
    const finished: string[] = [];
    // The count of phases begins anew between the two.
    Atomics.store(mine['integers'], PHASE, 2 ** 31 - 1);
    for (const round of ['first', 'second']) {
      const phase = mine.arrive(2, () => finished.push(`${round}, mine`));
      expect(mine.awaitPhaseAfter(phase, 1)).toBe(false);
      expect(theirs.arrive(2, () => finished.push(`${round}, theirs`))).toBe(phase);
      expect(mine.awaitPhaseAfter(phase)).toBe(true);
      expect(theirs.awaitPhaseAfter(phase)).toBe(true);
    }
    // What remains is done by the last, and once.
    expect(finished).toEqual(['first, theirs', 'second, theirs']);
  });

  test('is none for a thread alone', () => {
    const [mine] = boards();
    mine.put(JOB);
    let isFinished = false;
    const phase = mine.arrive(mine.read().threads, () => (isFinished = true));
    expect(isFinished).toBe(true);
    expect(mine.awaitPhaseAfter(phase)).toBe(true);
  });
});

test('a thread that is woken without a new signal goes back to sleep', async () => {
  const heap = new Heap();
  const address = heap.allocate(boardBytes(2));
  const mine = new JobBoard(heap.memory, address, 2);
  const waiting = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(({ JobBoard }) => {
      const board = new JobBoard(workerData.memory, workerData.address, 2);
      const { number, signal } = board.join();
      parentPort.postMessage([number, signal, board.awaitSignal(signal)]);
    });`;
  const module = new URL('../../../dist/engine/wasm/job-board.js', import.meta.url).href;
  const worker = new Worker(waiting, { eval: true, workerData: { module, memory: heap.memory, address } });
  const answer = once(worker, 'message') as Promise<[[number, number, number]]>;
  let answered = false;
  void answer.then(() => (answered = true));
  // Woken once, the thread either answers or sleeps again and is woken again.
  const integers = new Int32Array(heap.memory.buffer, address);
  for (let woken = 0; woken < 2 && !answered; woken += Atomics.notify(integers, SIGNAL)) await nextTurn();
  mine.post(JOB);
  const [[number, before, after]] = await answer;
  expect([takesPart(number, before), takesPart(number, after)]).toEqual([false, true]);
  expect(after).not.toBe(before);
});
