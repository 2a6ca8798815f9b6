import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Grid, planGrid } from '../../../src/compare/grid.js';
import { type RunTask, trainAll } from '../../../src/compare/pool.js';
import { InUseError, RunError, UsageError } from '../../../src/errors.js';
import { lockRun } from '../../../src/runs/lock.js';
import { readRun } from '../../../src/runs/read-run.js';
import { trainRun } from '../../../src/train/run.js';
import { workbenchHandle } from '../../../src/workbench/share.js';
import { wholeBench } from '../../../src/workbench/bench.js';
import { asEarlierVersion, rewriteRun } from '../runs/rewrite-run.js';
import { type TinyHome, tinyHome, type TinyRequest, tinyRequest } from './tiny-comparison.js';

let tiny: TinyHome;
let request: TinyRequest;
let grid: Grid;
beforeAll(async () => {
  tiny = await tinyHome({ train: 8, valid: 2 });
  request = await tinyRequest(tiny);
  grid = await planGrid(request);
});
afterAll(async () => {
  grid.close();
  await tiny.remove();
});

const tasks = (out: string): RunTask[] =>
  grid.runs.map(({ bench, config }) => ({
    bench: workbenchHandle(bench),
    config,
    context: {
      ...{ environment: { ...request.environment, jobs: 2 }, out: join(tiny.home, out) },
      ...{ workers: 1, tensorboard: false },
    },
    resume: undefined,
  }));

const pool = (jobs: number, signal = request.signal, backend = 'wasm') => ({
  ...{ jobs, backend, signal },
  emit: request.emit,
});

const steps = (out: string, run: string) => readFileSync(join(tiny.home, out, run, 'steps.jsonl'), 'utf8');

test('answers in the order of the tasks, and the number of jobs changes no bit', async () => {
  const alone = await trainAll(tasks('alone'), pool(1));
  const together = await trainAll(tasks('together'), pool(3));
  for (const outcomes of [alone, together]) {
    const records = await Promise.all(outcomes.map((outcome) => readRun((outcome as { run: string }).run)));
    expect(records).toMatchObject(
      grid.runs.map(({ config: { arm, seed } }) => ({ status: 'completed', config: { arm, seed } })),
    );
  }
  const runs = readdirSync(join(tiny.home, 'alone'));
  expect(runs).toEqual(['1cycle-seed0', '1cycle-seed1', 'fixed-seed0', 'fixed-seed1']);
  for (const run of runs) expect(steps('together', run)).toBe(steps('alone', run));
});

test('a run that fails is told with its class, and the others are trained all the same', async () => {
  const [first, second, ...others] = tasks('failing');
  const file = join(tiny.home, 'file');
  writeFileSync(file, '');
  const nowhere = { ...first!, context: { ...first!.context, out: join(file, 'runs') } };
  const gone = { ...second!, resume: join(tiny.home, 'nowhere') };
  const outcomes = await trainAll([nowhere, gone, ...others], pool(1));
  expect(outcomes).toMatchObject([
    { error: expect.any(UsageError) },
    { error: expect.any(UsageError), folder: gone.resume },
    { run: expect.stringContaining('seed') },
    { run: expect.stringContaining('seed') },
  ]);
  const message = (i: number) => (outcomes[i] as { error: Error }).error.message;
  expect(message(0)).toMatch(/a part of that path is a file/);
  expect(message(1)).toContain("Expected a run's folder at");
});

test('a run that another process has taken is no failure of its own', async () => {
  const [task] = tasks('alone');
  const dir = join(tiny.home, 'alone', 'fixed-seed0');
  const lock = await lockRun(dir);
  const [outcome] = await trainAll([{ ...task!, resume: dir }], pool(1));
  expect(outcome).toMatchObject({ error: expect.any(InUseError) });
  await lock.release();
});

test('a run goes on in its folder with its own configuration, under a lock that is given back', async () => {
  const [task] = tasks('resumed');
  const stop = new AbortController();
  const { bench, config: planned } = grid.runs[0]!;
  const stopped = await trainRun(wholeBench(bench), planned, {
    ...task!.context,
    signal: stop.signal,
    emit: ({ type }) => type === 'step' && stop.abort(),
  });
  expect(stopped.status).toBe('interrupted');
  const dir = join(tiny.home, 'resumed', 'fixed-seed0');
  rewriteRun(dir, { config: (config) => void delete config['pair'] });
  asEarlierVersion(dir);
  const [outcome] = await trainAll([{ ...task!, resume: dir }], pool(1));
  expect(outcome).toEqual({ run: dir });
  const { status, config } = await readRun(dir);
  expect(status).toBe('completed');
  expect(config).not.toHaveProperty('pair');
  expect(steps('resumed', 'fixed-seed0')).toBe(steps('alone', 'fixed-seed0'));
  expect(existsSync(join(dir, '.lock'))).toBe(false);
});

test('a thread that dies takes its own run with it, and the next run gets another', async () => {
  const outcomes = await trainAll(tasks('dying').slice(0, 2), pool(1, request.signal, 'no such backend'));
  expect(outcomes).toHaveLength(2);
  for (const outcome of outcomes) {
    const { error } = outcome as { error: Error };
    expect(error).toBeInstanceOf(RunError);
    expect(error.message).toMatch(/^A worker thread died: .*no such backend/);
  }
});

test('a task is looked at when its turn comes: it may have been done meanwhile', async () => {
  const done = { run: 'elsewhere' };
  const before = (task: RunTask, i: number) => Promise.resolve(i === 1 ? done : task);
  const outcomes = await trainAll(tasks('looked-at').slice(0, 2), { ...pool(1), before });
  expect(outcomes).toEqual([{ run: join(tiny.home, 'looked-at', 'fixed-seed0') }, done]);
  expect(readdirSync(join(tiny.home, 'looked-at'))).toEqual(['fixed-seed0']);
});

test('after an abort what waits is not begun', async () => {
  expect(await trainAll(tasks('aborted'), pool(2, AbortSignal.abort()))).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(existsSync(join(tiny.home, 'aborted'))).toBe(false);
});
