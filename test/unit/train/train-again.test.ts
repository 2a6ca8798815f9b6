import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GivenSettings } from '../../../src/config/check-settings.js';
import { InUseError, UsageError } from '../../../src/errors.js';
import { runFinder } from '../../../src/find-lr/find-lr.js';
import { lockRun } from '../../../src/runs/lock.js';
import { trainRun } from '../../../src/train/run.js';
import { planTraining, train } from '../../../src/train/train.js';
import { wholeBench } from '../../../src/workbench/bench.js';
import { openWorkbench } from '../../../src/workbench/workbench.js';
import { type TinyHome, tinyHome, type TinyRequest, tinyRequest } from '../compare/tiny-comparison.js';

let tiny: TinyHome;
/** A run of two epochs of four steps. */
let whole: string;
/** The same, stopped after three steps. */
let stopped: string;
beforeAll(async () => {
  tiny = await tinyHome({ train: 8, valid: 2 });
  whole = (await train(await requestIn('whole'))).run;
  const stop = new AbortController();
  const request = await requestIn('stopped', {}, stop.signal);
  const { config } = await planTraining(request);
  const bench = await openWorkbench(request.settings, request);
  const context = { ...request, out: request.settings.out, tensorboard: false, workers: 1 };
  const { run, status } = await trainRun(wholeBench(bench), config, {
    ...context,
    emit: (event) => {
      if (event.type === 'step' && event.record.step === 2) stop.abort();
    },
  });
  bench.close();
  expect(status).toBe('interrupted');
  stopped = run;
});
afterAll(() => tiny.remove());

const requestIn = (out: string, given: GivenSettings = {}, signal?: AbortSignal): Promise<TinyRequest> =>
  tinyRequest(tiny, { epochs: 2, out: join(tiny.home, out), ...given }, signal);

let places = 0;
/** A folder of runs of its own, that holds copies of these. */
function placeWith(...runs: readonly string[]): string {
  const out = `place-${++places}`;
  for (const run of runs) cpSync(run, join(tiny.home, out, basename(run)), { recursive: true });
  return out;
}
const text = (...path: string[]) => readFileSync(join(tiny.home, ...path), 'utf8');
const foldersIn = (out: string) => readdirSync(join(tiny.home, out)).sort();
const trained = ({ events }: TinyRequest) => events.some(({ type }) => type === 'run');

describe('the same training begun twice at one moment', () => {
  test('is left to whoever made its folder first', async () => {
    const request = await requestIn(`place-${++places}`);
    const { config } = await planTraining(request);
    const bench = await openWorkbench(request.settings, request);
    const context = { ...request, out: request.settings.out, tensorboard: false, workers: 1 };
    const both = await Promise.allSettled([1, 2].map(() => trainRun(wholeBench(bench), config, context)));
    const [second] = both.filter((one) => one.status === 'rejected');
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(second?.reason).toBeInstanceOf(InUseError);
    expect(readdirSync(request.settings.out)).toEqual(['1cycle-seed0']);
    const copies = await Promise.all(
      [1, 2].map(() => trainRun(wholeBench(bench), config, { ...context, again: true })),
    );
    bench.close();
    expect(copies.map(({ run }) => basename(run)).sort()).toEqual(['1cycle-seed0-2', '1cycle-seed0-3']);
  });
});

describe('the same training again', () => {
  test('is taken where it has ended, and trained anew with --again', async () => {
    const out = placeWith(whole);
    const before = text(out, '1cycle-seed0', 'result.json');
    const request = await requestIn(out);
    const document = await train(request);
    const dir = join(tiny.home, out, '1cycle-seed0');
    expect(request.notes()).toEqual([
      `1cycle-seed0 was trained already, and is taken from ${dir}. --again trains it anew.`,
    ]);
    expect(trained(request)).toBe(false);
    // With the place where it lies now.
    const { schemaVersion, ...recorded } = JSON.parse(before) as Record<string, unknown>;
    expect(document).toEqual({ schemaVersion, ...recorded, run: dir });
    expect(text(out, '1cycle-seed0', 'result.json')).toBe(before);
    expect(foldersIn(out)).toEqual(['1cycle-seed0']);

    const anew = await requestIn(out, { again: true });
    expect((await train(anew)).run).toBe(`${dir}-2`);
    expect(anew.notes()).toEqual([]);
    expect(text(out, '1cycle-seed0-2', 'steps.jsonl')).toBe(text('whole', '1cycle-seed0', 'steps.jsonl'));
  });

  test('goes on where it was interrupted, to the bits of the run that never was', async () => {
    const out = placeWith(stopped);
    const request = await requestIn(out);
    const document = await train(request);
    const dir = join(tiny.home, out, '1cycle-seed0');
    expect(request.notes()).toEqual([
      `1cycle-seed0 was interrupted, and goes on in ${dir}. --again trains it anew.`,
    ]);
    expect(request.events.find(({ type }) => type === 'run')).toMatchObject({ fromStep: 3 });
    expect(document).toMatchObject({ status: 'completed', run: dir, epochs: { length: 2 } });
    expect(text(out, '1cycle-seed0', 'steps.jsonl')).toBe(text('whole', '1cycle-seed0', 'steps.jsonl'));
    expect(foldersIn(out)).toEqual(['1cycle-seed0']);
  });

  test('goes on where it was killed, and prefers the copy that has ended', async () => {
    const out = placeWith(stopped);
    rmSync(join(tiny.home, out, '1cycle-seed0', 'result.json'));
    cpSync(whole, join(tiny.home, out, 'z'), { recursive: true });
    expect((await train(await requestIn(out))).run).toBe(join(tiny.home, out, 'z'));
    rmSync(join(tiny.home, out, 'z'), { recursive: true });
    expect((await train(await requestIn(out))).run).toBe(join(tiny.home, out, '1cycle-seed0'));
  });

  test('is left to the process that is at it', async () => {
    const out = placeWith(stopped);
    const dir = join(tiny.home, out, '1cycle-seed0');
    const lock = await lockRun(dir);
    const request = await requestIn(out);
    const refusal = await train(request).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(InUseError);
    expect((refusal as Error).message).toMatch(
      new RegExp(
        `^1cycle-seed0 is being trained already: ${dir} is in use by process ${process.pid} on .* --again trains another copy beside it\\.$`,
      ),
    );
    expect(trained(request)).toBe(false);
    expect(foldersIn(out)).toEqual(['1cycle-seed0']);
    await lock.release();
  });

  test.each<[string, GivenSettings]>([
    ['another seed', { seed: 1 }],
    ['another rate', { lr: 0.02 }],
    ['more epochs', { epochs: 3 }],
    ['another arm', { arm: 'mine' }],
  ])('is another training with %s', async (_, given) => {
    const out = placeWith(whole);
    const request = await requestIn(out, given);
    await train(request);
    expect(trained(request)).toBe(true);
    expect(request.notes()).toEqual([]);
    expect(foldersIn(out)).toHaveLength(2);
  });

  test('is another training with other images, however they are called', async () => {
    const out = placeWith(whole);
    const data = join(tiny.home, 'other');
    cpSync(tiny.data, data, { recursive: true });
    const same = await requestIn(out, { data });
    await train(same);
    expect(trained(same)).toBe(false);
    cpSync(join(data, 'train/bees/0.png'), join(data, 'train/ants/0.png'));
    const other = await requestIn(out, { data });
    await train(other);
    expect(trained(other)).toBe(true);
    expect(other.notes().join()).not.toContain('was interrupted');

    const begun = placeWith(stopped);
    const beside = await requestIn(begun, { data });
    const { run } = await train(beside);
    expect(run).toBe(join(tiny.home, begun, '1cycle-seed0-2'));
    expect(beside.notes().join()).toMatch(
      /1cycle-seed0 was interrupted with the same settings, but on other images/u,
    );
  });

  test('passes over a run that is damaged, and says so', async () => {
    const out = placeWith(whole);
    writeFileSync(join(tiny.home, out, '1cycle-seed0', 'steps.jsonl'), '');
    const request = await requestIn(out);
    const { run } = await train(request);
    expect(run).toBe(join(tiny.home, out, '1cycle-seed0-2'));
    expect(request.notes()).toEqual([
      expect.stringMatching(/1cycle-seed0 is passed over: .* steps\.jsonl holds 0 steps/),
    ]);
  });

  test.runIf(process.platform === 'linux')('is not held up by a pipe beside it', async () => {
    const out = placeWith(whole);
    for (const name of ['config.json', 'result.json', 'steps.jsonl', 'suggestion.json']) {
      const neighbour = join(tiny.home, out, `a-${name}`);
      cpSync(whole, neighbour, { recursive: true });
      rmSync(join(neighbour, name), { force: true });
      execFileSync('mkfifo', [join(neighbour, name)]);
    }
    const request = await requestIn(out);
    expect((await train(request)).run).toBe(join(tiny.home, out, '1cycle-seed0'));
    expect(trained(request)).toBe(false);
  });
});

describe('the same range test again', () => {
  const test3 = { minLr: 1e-4, maxLr: 1, steps: 6, seeds: 1 };

  test('is taken where it has ended, and made anew with --again', async () => {
    const out = placeWith();
    const first = await runFinder((await requestIn(out, test3)).settings, await requestIn(out));
    const request = await requestIn(out, test3);
    const second = await runFinder(request.settings, request);
    expect(second).toEqual(JSON.parse(JSON.stringify(first)));
    expect(request.notes()).toEqual([
      `The range test was made already, and is taken from ${first.run}. --again makes it anew.`,
    ]);
    expect(request.events.some(({ type }) => type === 'sweep')).toBe(false);
    const anew = await requestIn(out, { ...test3, again: true });
    expect((await runFinder(anew.settings, anew)).run).toBe(`${first.run}-2`);
    expect(existsSync(`${first.run}-2`)).toBe(true);
    const other = await requestIn(out, { ...test3, maxLr: 2 });
    expect((await runFinder(other.settings, other)).run).toBe(`${first.run}-3`);
  });
});

test('a damaged checkpoint is told, with the way out', async () => {
  const out = placeWith(stopped);
  for (const name of ['last', 'previous']) {
    writeFileSync(join(tiny.home, out, '1cycle-seed0', 'checkpoints', `${name}.ckpt`), 'x');
  }
  await expect(train(await requestIn(out))).rejects.toThrow(UsageError);
  await expect(train(await requestIn(out))).rejects.toThrow(
    /No checkpoint of .* With --again it is trained anew/s,
  );
});
