import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compare } from '../../../src/compare/compare.js';
import { compareRecorded } from '../../../src/compare/outcome.js';
import { planComparison } from '../../../src/compare/plan.js';
import { checkSettings, readFlag } from '../../../src/config/check-settings.js';
import { readDefaults } from '../../../src/config/settings.js';
import { train } from '../../../src/train/train.js';
import { type TinyHome, tinyHome, tinyRequest } from './tiny-comparison.js';

let tiny: TinyHome;
beforeAll(async () => {
  tiny = await tinyHome({ train: 16, valid: 4 });
});
afterAll(() => tiny.remove());

/** The settings that `onecycle train` would read out of a planned line; flags without a value are true. */
function settingsOf(command: string) {
  const words = command.split(' ').slice(2);
  const flags = words.flatMap((word, i): [string, unknown][] => {
    if (!word.startsWith('--')) return [];
    const name = word.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    const value = words[i + 1];
    return [[name, value === undefined || value.startsWith('--') ? true : readFlag(name, value)]];
  });
  return { ...readDefaults().settings, ...checkSettings(Object.fromEntries(flags)) };
}

test('the time is measured with --workers, whatever --jobs says', async () => {
  const timed = async (given: object) => {
    const { plan } = await planComparison(await tinyRequest(tiny, { batchSize: 16, epochs: 3, ...given }));
    return plan.time;
  };
  expect(await timed({ workers: 1, jobs: 2 })).toMatchObject({ from: 'steps', workers: 1, missing: 4 });
  expect(await timed({ workers: 2, jobs: 1 })).toMatchObject({ from: 'steps', workers: 2, missing: 4 });
  expect(existsSync(join(tiny.home, 'runs'))).toBe(false);
});

test('a planned line trains the run that compare would train, in its pair', async () => {
  const out = join(tiny.home, 'planned');
  const given = { out, policies: ['1cycle', '1cycle@100'], jobs: 1 };
  const request = await tinyRequest(tiny, given);
  const { plan } = await planComparison(request);
  expect(plan.runs.map(({ arm, seed, recorded }) => [arm, seed, recorded])).toEqual([
    ['1cycle', 0, null],
    ['1cycle@100', 100, null],
    ['1cycle', 1, null],
    ['1cycle@100', 101, null],
  ]);
  const dirs: string[] = [];
  for (const { command } of plan.runs) {
    expect(command).toMatch(/ --pair [01]\b/);
    const document = await train({ ...request, settings: settingsOf(command) });
    expect(document.status).toBe('completed');
    dirs.push(document.run);
  }
  const read = await compareRecorded(dirs, request.settings);
  expect(read.comparison.difference?.perSeed.map(({ seed }) => seed)).toEqual([0, 1]);
  const again = await tinyRequest(tiny, given);
  expect((await compare(again)).comparison.differences).toEqual(read.comparison.differences);
  expect(again.notes().every((text) => text.includes('is taken from'))).toBe(true);

  rmSync(dirs[3]!, { recursive: true });
  const rest = await planComparison(await tinyRequest(tiny, given));
  expect(rest.plan.runs.map(({ recorded }) => recorded)).toEqual([...dirs.slice(0, 3), null]);
  expect(rest.plan.time).toMatchObject({ from: 'runs', count: 3, missing: 1, workers: null });
  expect(rest.plan.time.totalSeconds).toBe(rest.plan.time.secondsPerRun);
});

test('an arm with @ is refused where no pair says what it means', async () => {
  const request = await tinyRequest(tiny, { arm: 'v2@224' });
  await expect(train(request)).rejects.toThrow(
    /^Expected a name without @ for --arm but received "v2@224".*--pair N/,
  );
  const { config } = await train(
    await tinyRequest(tiny, { arm: 'v2@224', pair: 5, out: join(tiny.home, 'named') }),
  );
  expect(config).toMatchObject({ arm: 'v2@224', pair: 5, seed: 0 });
  const plain = await train(await tinyRequest(tiny, { out: join(tiny.home, 'plain') }));
  expect(plain.config).not.toHaveProperty('pair');
});

test('the power is that of the spread seen so far, once there are two pairs', async () => {
  const out = join(tiny.home, 'power');
  const { plan } = await planComparison(await tinyRequest(tiny, { out }));
  expect(plan.power).toMatchObject({ pairs: 0, seeds: 2, spread: { sd: 0.02, images: 8 } });
  expect(plan.compare).toBe(`onecycle compare ${out}/*`);
  const one = await planComparison(
    await tinyRequest(tiny, { out, seeds: 1, policies: ['1cycle', 'fixed'], target: 0.5 }),
  );
  expect(one.plan.power.chance).toBeNull();
  expect(one.plan.compare).toBe(`onecycle compare --policies 1cycle,fixed --target 0.5 ${out}/*`);
});
