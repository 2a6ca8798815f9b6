import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { planGrid } from '../../../src/compare/grid.js';
import { UsageError } from '../../../src/errors.js';
import { type TinyHome, tinyHome, tinyRequest } from './tiny-comparison.js';

let tiny: TinyHome;
beforeAll(async () => {
  tiny = await tinyHome({ train: 4, valid: 2 });
});
afterAll(() => tiny.remove());

const armFile = (name: string, content: object): string => {
  const path = join(tiny.home, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
};

test('runs come seed by seed, with the pair beside the shifted seed, and share one bench', async () => {
  const policies = ['fixed', '1cycle@10', '1cycle:linear'];
  const grid = await planGrid(await tinyRequest(tiny, { policies, seeds: 2, seed: 3, batchSize: 2 }));
  expect(grid.arms).toEqual(policies);
  expect(
    grid.runs.map(({ config: { arm, policy, seed, pair, anneal } }) => [arm, policy, seed, pair, anneal]),
  ).toEqual([
    ['fixed', 'fixed', 3, 3, 'cos'],
    ['1cycle@10', '1cycle', 13, 3, 'cos'],
    ['1cycle:linear', '1cycle', 3, 3, 'linear'],
    ['fixed', 'fixed', 4, 4, 'cos'],
    ['1cycle@10', '1cycle', 14, 4, 'cos'],
    ['1cycle:linear', '1cycle', 4, 4, 'linear'],
  ]);
  expect(new Set(grid.runs.map(({ bench }) => bench)).size).toBe(1);
  // The split is one for all seeds.
  expect(new Set(grid.runs.map(({ config }) => config.splitSeed)).size).toBe(1);
  for (const { config, settings } of grid.runs) {
    expect(settings).toMatchObject({ seed: config.seed, pair: config.pair, policy: config.policy });
  }
  grid.close();
});

test('an arm with another image size or another trained part has a bench of its own', async () => {
  const policies = [
    'fixed',
    armFile('large.json', { policy: '1cycle', imageSize: 64 }),
    armFile('last.json', { policy: 'fixed', trainable: 'last:1' }),
    armFile('rate.json', { policy: 'fixed', lr: 0.5, weightDecay: 0 }),
  ];
  const grid = await planGrid(await tinyRequest(tiny, { policies, seeds: 1, batchSize: 2 }));
  const [fixed, large, last, rate] = grid.runs.map(({ bench }) => bench);
  expect(rate).toBe(fixed);
  expect(new Set([fixed, large, last]).size).toBe(3);
  expect(large!.imageSize).toBe(64);
  expect(last!.firstTrained).toBeGreaterThan(0);
  expect(grid.runs.map(({ config }) => config.lr)).toEqual([0.01, 0.01, 0.01, 0.5]);
  grid.close();
});

test('a rate may be given to each arm by its name or by its policy', async () => {
  const lr = { fixed: 0.1, '1cycle': 0.2, 'fixed:cosine': 0.3 };
  const policies = ['fixed', 'fixed:cosine', '1cycle', '1cycle:linear'];
  const grid = await planGrid(await tinyRequest(tiny, { lr, policies, seeds: 1, batchSize: 2 }));
  expect(grid.runs.map(({ config }) => config.lr)).toEqual([0.1, 0.3, 0.2, 0.2]);
  grid.close();
});

test("neighbours of an arm's rate are half, double and a quarter of it, side by side with it", async () => {
  const lr = { fixed: 0.1, '1cycle': 0.2 };
  const grid = await planGrid(await tinyRequest(tiny, { lr, rates: 3, seeds: 2, batchSize: 2 }));
  const rows = grid.runs.map(({ config: { arm, seed, lr: rate, lrFactor } }) => [arm, seed, rate, lrFactor]);
  expect(rows.slice(0, 8)).toEqual([
    ['fixed', 0, 0.1, undefined],
    ['fixed', 0, 0.05, 0.5],
    ['fixed', 0, 0.2, 2],
    ['fixed', 0, 0.025, 0.25],
    ['1cycle', 0, 0.2, undefined],
    ['1cycle', 0, 0.1, 0.5],
    ['1cycle', 0, 0.4, 2],
    ['1cycle', 0, 0.05, 0.25],
  ]);
  expect(rows).toHaveLength(16);
  grid.close();
  const one = planGrid(await tinyRequest(tiny, { lr, rates: 1, seeds: 1, batchSize: 2 }));
  await expect(one).rejects.toThrow(/^Expected at least 2 seeds with --rates/);
});

test.each([
  [
    9007199254740991,
    2,
    ['fixed'],
    /^Expected seeds from 0 to 9007199254740991 but the last of --seeds 2 from --seed 9007199254740991 is larger\. Lower --seed\.$/,
  ],
  [
    9007199254740990,
    1,
    ['fixed', 'fixed@2'],
    /the last of --seeds 1 from --seed 9007199254740990, raised by 2, is larger/,
  ],
])('seeds that JavaScript could not tell apart are refused: %d', async (seed, seeds, policies, message) => {
  const request = await tinyRequest(tiny, { policies, seed, seeds, batchSize: 2 });
  await expect(planGrid(request)).rejects.toThrow(message);
  await expect(planGrid(request)).rejects.toThrow(UsageError);
  const largest = await tinyRequest(tiny, {
    policies: ['fixed'],
    seed: 9007199254740990,
    seeds: 2,
    batchSize: 2,
  });
  const grid = await planGrid(largest);
  expect(grid.runs.map(({ config }) => config.seed)).toEqual([9007199254740990, 9007199254740991]);
  grid.close();
});

test('early stopping that no arm listens to is told before images are decoded', async () => {
  const policies = ['1cycle', '1cycle:linear'];
  const request = await tinyRequest(tiny, { policies, earlyStop: 2, seeds: 1, batchSize: 2 });
  (await planGrid(request)).close();
  expect(request.notes()).toEqual([
    '--early-stop never shortens 1cycle, 1cycle:linear, whose --on-stop is wait: it has no effect here. With --on-stop anneal it ends a cycle too.',
  ]);
  expect(request.events.map(({ type }) => type).indexOf('decode')).toBeGreaterThan(
    request.events.findIndex(({ type }) => type === 'note'),
  );
});
