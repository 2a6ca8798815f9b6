import { availableParallelism } from 'node:os';
import { startBackend } from '../../src/engine/backends/choose.js';
import { JobBoard } from '../../src/engine/wasm/job-board.js';
import type { StepCase } from './bench-peers.js';
import { table } from './bench-report.js';
import { openStep } from './our-network.js';

// What more threads would bring: the items of each phase of a step are timed on one thread, and dealt out to any number of them:
// whoever is free takes the next. Memory that threads share, and waking them, cost nothing here: the threads that are measured tell,
// and how long the first of them waits for the others.

/** A step on one thread, in milliseconds. */
interface StepParts {
  /** Of each phase in turn, its items. */
  readonly phases: readonly (readonly number[])[];
  /** What comes before each phase, and after the last: one thread does it alone. */
  readonly between: readonly number[];
}

/** As many steps; each item, and what lies between phases, counts with its fastest. */
const REPETITIONS = 12;
/** As long for a whole step: on a shared machine all threads together are at their fastest for moments only. In milliseconds. */
const PATIENCE = 5000;

async function timeItems(work: StepCase): Promise<StepParts> {
  const { take } = JobBoard.prototype;
  let phases: number[][] = [];
  let between: number[] = [];
  // The end of the last item, and the begin of the one at hand.
  let end = 0;
  let begin: number | undefined;
  JobBoard.prototype.take = function (this: JobBoard, job, thread, fromBack) {
    const now = performance.now();
    if (begin === undefined) {
      between.push(now - end);
      phases.push([]);
    } else {
      phases.at(-1)?.push(now - begin);
    }
    end = now;
    const item = take.call(this, job, thread, fromBack);
    begin = item === undefined ? undefined : performance.now();
    return item;
  };
  const { engine, step } = await openStep(work, 1);
  let fastest: StepParts = { phases: [], between: [] };
  try {
    for (let i = 0; i < work.warmUp + REPETITIONS; i++) {
      [phases, between, end] = [[], [], performance.now()];
      await step();
      between.push(performance.now() - end);
      if (i < work.warmUp) continue;
      const { phases: items, between: gaps } = fastest;
      fastest = {
        phases: phases.map((times, j) => times.map((time, k) => Math.min(time, items[j]?.[k] ?? Infinity))),
        between: between.map((time, j) => Math.min(time, gaps[j] ?? Infinity)),
      };
    }
  } finally {
    Object.assign(JobBoard.prototype, { take });
    await engine.dispose();
  }
  return fastest;
}

/** The step on so many threads: each takes the next item when it is free, and none goes on before the last has ended. */
function dealOut({ phases, between }: StepParts, threads: number): number {
  const lengths = phases.map((items) => {
    const free = new Array<number>(threads).fill(0);
    for (const item of items) {
      const next = free.indexOf(Math.min(...free));
      free[next] = (free[next] ?? 0) + item;
    }
    return Math.max(...free);
  });
  return sum(between) + sum(lengths);
}

/** The fastest step on so many threads of this machine, and how long the first thread waited in it; in milliseconds. */
async function measure(work: StepCase, threads: number): Promise<{ step: number; waiting: number }> {
  const { awaitPhaseAfter } = JobBoard.prototype;
  let waiting = 0;
  JobBoard.prototype.awaitPhaseAfter = function (this: JobBoard, phase, milliseconds) {
    const begin = performance.now();
    const done = awaitPhaseAfter.call(this, phase, milliseconds);
    waiting += performance.now() - begin;
    return done;
  };
  let fastest = { step: Infinity, waiting: NaN };
  try {
    const { engine, step } = await openStep(work, threads);
    for (const end = performance.now() + PATIENCE; performance.now() < end;) {
      waiting = 0;
      const time = await step();
      if (time < fastest.step) fastest = { step: time, waiting };
    }
    await engine.dispose();
  } finally {
    Object.assign(JobBoard.prototype, { awaitPhaseAfter });
  }
  return fastest;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Of each case: a step's time by threads, computed, and measured as far as there are cores. */
export async function benchThreads(cases: readonly StepCase[], say: (line: string) => void): Promise<string> {
  await startBackend('wasm');
  const rows: string[][] = [];
  for (const work of cases) {
    say(`threads: ${work.key}`);
    const parts = await timeItems(work);
    const one = dealOut(parts, 1);
    for (const threads of [1, 2, 4, 8, 16]) {
      const time = dealOut(parts, threads);
      const measured = threads <= availableParallelism() ? await measure(work, threads) : undefined;
      rows.push([
        work.key,
        String(threads),
        time.toFixed(1),
        (one / time).toFixed(2),
        percent(sum(parts.between) / time),
        // Of all the threads' time.
        percent(1 - one / time / threads),
        measured?.step.toFixed(1) ?? '–',
        measured === undefined ? '–' : percent(measured.waiting / measured.step),
      ]);
    }
  }
  const head = [
    'step',
    'threads',
    'computed, ms',
    'times as fast',
    'serial',
    'waiting',
    'measured, ms',
    'first waits',
  ];
  return table(head, rows);
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
