import { expect, test } from 'vitest';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { displayWidth } from '../../src/report/text/width.js';
import type { CompareDryRun, FinderDryRun, TrainDryRun, TrainingCost } from '../../src/runs/documents.js';
import { runCli, scratchFolder } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const SMALL = [
  '--data',
  'data',
  '--image-size',
  '32',
  '--trainable',
  'head',
  '--batch-size',
  '8',
  '--epochs',
  '4',
];

async function dryRun<Document>(command: string, ...more: string[]) {
  const cwd = await scratchFolder();
  await tinyImages(join(cwd, 'data'));
  const args = [command, ...SMALL, ...more, '--dry-run'];
  const shown = await runCli(args, { cwd });
  expect(shown.code, shown.stderr).toBe(0);
  for (const line of shown.stdout.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(80);
  const { stdout } = await runCli([...args, '--json'], { cwd });
  expect(readdirSync(cwd)).toEqual(['data']);
  return { text: shown.stdout.replaceAll(/\s+/g, ' '), document: JSON.parse(stdout) as Document };
}

function expectCost(text: string, cost: TrainingCost, runs: number): void {
  expect(text).toMatch(
    /Time: about \S+ \S+ a run.* a step .*measured on 2 steps with \d+ threads? here\. Memory: about \d+ MB/,
  );
  const { firstRun, seconds, secondsPerStep, memory } = cost;
  expect(cost.runs).toBe(runs);
  expect(secondsPerStep.later).toBeGreaterThan(0);
  expect(secondsPerStep.later).toBeLessThanOrEqual(secondsPerStep.first);
  expect(firstRun).toBeGreaterThan(3 * secondsPerStep.first);
  expect(seconds).toBeGreaterThanOrEqual(firstRun);
  // More than Node alone takes, and less than any machine of today has.
  expect(memory).toBeGreaterThan(40e6);
  expect(memory).toBeLessThan(20e9);
}

// 24 training images in batches of 8: 3 steps an epoch.
test('train --dry-run shows the schedule, its rates, and what it takes', async () => {
  const { text, document } = await dryRun<TrainDryRun>('train', '--lr', '0.01');
  expect(text).toMatch(
    /^1cycle: 4 epochs of 3 steps with batches of 8, 12 steps in all\. Nothing was trained\. learning rate/,
  );
  expect(text).toContain('The rate starts at 4e-4, is highest at step 3 with ');
  expect(text).toContain('and ends at 4e-8.');
  expect(document.steps).toHaveLength(12);
  expectCost(text, document.cost, 1);
});

test('compare --dry-run shows the schedules of all arms', async () => {
  const { text, document } = await dryRun<CompareDryRun>(
    'compare',
    '--lr',
    '0.01',
    '--seeds',
    '3',
    '--policies',
    'fixed,1cycle,fixed:cosine',
    '--rates',
    '2',
  );
  expect(text).toContain('fixed: 4 epochs of 3 steps with batches of 8, 12 steps in all.');
  expect(text).toContain('27 runs, 3 seeds an arm at 3 rates each. Nothing was trained.');
  expect(text).toContain(
    'The rate of fixed starts at 1e-2, is highest at step 0 with 1e-2, and ends at 1e-4.',
  );
  expect(text).toContain('The rate of fixed:cosine starts at 1e-2');
  expect(document.arms.map(({ config, steps }) => [config.arm, config.seed, steps.length])).toEqual([
    ['fixed', 0, 12],
    ['1cycle', 0, 12],
    ['fixed:cosine', 0, 12],
  ]);
  expectCost(text, document.cost, 27);
});

test('find-lr --dry-run shows the sweep', async () => {
  const { text, document } = await dryRun<FinderDryRun>(
    'find-lr',
    '--steps',
    '10',
    '--seeds',
    '2',
    '--max-lr',
    '1',
  );
  expect(text).toContain(
    'A range test over 2 seeds: 10 steps each with batches of 8, the rate multiplied at every step.',
  );
  expect(text).toContain('The rate starts at 1e-7, is highest at step 9 with 1, and ends at 1.');
  expect(document.steps.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expectCost(text, document.cost, 2);
});
