import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compareRecorded } from '../../../src/compare/outcome.js';
import { readRuns, runFoldersAt } from '../../../src/compare/read.js';
import { readDefaults } from '../../../src/config/settings.js';
import { UsageError } from '../../../src/errors.js';
import { lockRun } from '../../../src/runs/lock.js';
import { freshFolder } from '../runs/fresh-folder.js';
import { makeRun } from './recorded-runs.js';

async function refused(dirs: readonly string[], message: RegExp): Promise<void> {
  await expect(readRuns(dirs)).rejects.toThrow(message);
  await expect(readRuns(dirs)).rejects.toThrow(UsageError);
}

test('a run: its arm, seed and pair, the best and the last epoch, the steps of an epoch', async () => {
  const out = freshFolder();
  const dir = await makeRun(out, {
    ...{ arm: 'a', seed: 7, config: { pair: 3 } },
    right: [
      [true, true, true, false],
      [true, true, false, false],
    ],
  });
  const { finished, failed, notes } = await readRuns([dir]);
  expect([failed, notes]).toEqual([[], []]);
  expect(finished).toMatchObject([
    {
      ...{ arm: 'a', seed: 7, pair: 3, stepsPerEpoch: 3 },
      best: { epoch: 1, correct: 3, validAccuracy: 0.75 },
      final: { epoch: 2, correct: 2, validAccuracy: 0.5 },
    },
  ]);
});

test('a folder that is given twice, by its name or through a link', async () => {
  const out = freshFolder();
  const dir = await makeRun(out);
  await refused([dir, dir], /is given twice\. Name each run once/);
  const link = join(out, 'link');
  symlinkSync(dir, link);
  await refused([dir, link], /are the same folder/);
});

test('folders that cannot be compared are all named', async () => {
  const out = freshFolder();
  const [one, two, three] = [
    await makeRun(out, { seed: 1 }),
    await makeRun(out, { seed: 2 }),
    await makeRun(out, { seed: 3, config: { policy: null } }),
  ];
  rmSync(join(one, 'dataset.json'));
  writeFileSync(join(two, 'epochs.jsonl'), '');
  await refused(
    [one, two, three],
    /^3 of the 3 folders cannot be compared:\n.*lacks dataset\.json.*\n.*steps\.jsonl holds 6 steps, and the 0 epochs of epochs\.jsonl have 0.*\n.*names no policy and seed/,
  );
  await refused([two], /^\S+ is damaged, for its files contradict each other: steps\.jsonl holds 6 steps/);
});

describe('what stands for run folders', () => {
  test('a folder of runs, and patterns that no shell has expanded', async () => {
    const home = freshFolder();
    const out = join(home, 'runs');
    const runs = [
      await makeRun(out, { arm: '1cycle' }),
      ...[await makeRun(out, { seed: 2 }), await makeRun(out, { seed: 10 })],
    ];
    mkdirSync(join(out, 'notes'));
    mkdirSync(join(out, '.hidden'));
    for (const places of [[out], [join(out, '*')], [join(home, 'ru?s', '*')], [`${out}/`]]) {
      expect(await runFoldersAt(places)).toEqual(runs);
    }
    expect(await runFoldersAt([join(out, 'fixed-*'), join(out, '1cycle-seed0')])).toEqual([
      ...runs.slice(1),
      ...runs.slice(0, 1),
    ]);
    expect(await runFoldersAt([join(out, '*seed?0')])).toEqual(runs.slice(2));
    const { finished } = await readRuns(await runFoldersAt([out]));
    expect(finished).toHaveLength(3);
    await expect(runFoldersAt([join(out, 'nothing*')])).rejects.toThrow(
      `No run folder matches ${join(out, 'nothing*')}. Name run folders, or the folder that holds them.`,
    );
    await expect(runFoldersAt([join(out, 'note*')])).rejects.toThrow(UsageError);
  });

  test('a folder whose name has a star is itself', async () => {
    const out = freshFolder();
    const dir = join(out, 'a*');
    renameSync(await makeRun(out), dir);
    await makeRun(out, { arm: 'ab' });
    expect(await runFoldersAt([dir])).toEqual([dir]);
    // What is none is told by whoever reads it.
    expect(await runFoldersAt([join(out, 'none')])).toEqual([join(out, 'none')]);
  });
});

test('a range test is left out with a note, and alone it is no comparison', async () => {
  const out = freshFolder();
  const test = join(out, 'find-lr-seed0');
  mkdirSync(test);
  writeFileSync(join(test, 'config.json'), '{"command":"find-lr"}');
  const { finished, notes } = await readRuns([test, await makeRun(out)]);
  expect(finished).toHaveLength(1);
  expect(notes).toEqual([`${test} is a range test, not a training run: it is left out.`]);
  await expect(compareRecorded([test], readDefaults().settings)).rejects.toThrow(
    'None of the folders holds a training run',
  );
});

test('the same run in two folders counts once, the finished one where the other is not', async () => {
  const [here, there] = [freshFolder(), freshFolder()];
  const killed = await makeRun(here, { status: null });
  const whole = join(there, 'copy');
  cpSync(await makeRun(there), whole, { recursive: true });
  const { finished, failed, notes } = await readRuns([killed, whole]);
  expect([finished.map(({ record }) => record.dir), failed]).toEqual([[whole], []]);
  expect(notes).toEqual([`${killed} did not finish, but ${whole} is the same run and did: that one counts.`]);
});

test('runs of other classes, and two runs of one arm that leave open which is meant', async () => {
  const out = freshFolder();
  const dir = await makeRun(out);
  await refused(
    [dir, await makeRun(out, { arm: '1cycle', dataset: { classes: ['cats', 'dogs'] } })],
    /different data sets: the classes are ants, bees and cats, dogs/,
  );
  await refused(
    [dir, await makeRun(out, { config: { lr: 0.5 } })],
    /are both fixed with seed 0 but differ in lr: a comparison takes one run an arm and seed/,
  );
  await refused(
    [dir, await makeRun(out, { seed: 4, config: { pair: 0 } })],
    /are both fixed in pair 0 but differ in seed, pair/,
  );
  // One training that would count in two pairs.
  await refused(
    [dir, await makeRun(out, { config: { pair: 9 } })],
    /both fixed with seed 0 but differ in pair/,
  );
});

test.each([
  ['interrupted', {}, /^it was interrupted after 2 of 2 epochs \(6 steps\)$/],
  ['failed', { failure: { message: 'The run diverged.' } }, /^The run diverged\.$/],
  [null, {}, /^unfinished: it has no result\.json after 2 of 2 epochs \(6 steps\); it was killed$/],
] as const)('a run that is %s says why it counts for nothing', async (status, result, reason) => {
  const dir = await makeRun(freshFolder(), { status, result });
  const { finished, failed } = await readRuns([dir]);
  expect(finished).toEqual([]);
  expect(failed).toMatchObject([
    { run: dir, arm: 'fixed', seed: 0, pair: 0, reason: expect.stringMatching(reason) },
  ]);
});

test('a run that is being trained was not killed', async () => {
  const dir = await makeRun(freshFolder(), { status: null });
  const lock = await lockRun(dir);
  const { failed } = await readRuns([dir]);
  expect(failed[0]!.reason).toContain(`is in use by process ${process.pid}`);
  await lock.release();
});

test('the arms come in the order of --policies, variants after their policy, others as they were given', async () => {
  const out = freshFolder();
  const dirs: string[] = [];
  for (const arm of ['mine', '1cycle:linear', 'fixed:cosine', '1cycle', 'fixed'])
    dirs.push(await makeRun(out, { arm }));
  const { comparison } = await compareRecorded(dirs, readDefaults().settings);
  expect(comparison.arms.map(({ policy }) => policy)).toEqual([
    'fixed',
    'fixed:cosine',
    '1cycle',
    '1cycle:linear',
    'mine',
  ]);
});

test('fewer than two finished seeds of several are a failure, one on purpose is not', async () => {
  const out = freshFolder();
  const [f0, c0] = [await makeRun(out), await makeRun(out, { arm: '1cycle' })];
  const { settings } = readDefaults();
  expect((await compareRecorded([f0, c0], settings)).status).toBe('completed');
  const lost = await makeRun(out, { arm: '1cycle', seed: 1, status: null });
  const f1 = await makeRun(out, { seed: 1 });
  expect((await compareRecorded([f0, f1, c0, lost], settings)).status).toBe('failed');
  // Three arms, of which one has no pair at all: half a comparison.
  const other = await makeRun(out, { arm: 'other', seed: 9 });
  expect((await compareRecorded([f0, c0, other], settings)).status).toBe('failed');
});
