import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runCli, startCli, type CliResult } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

// Bright classes on a small network: a descent that 40 steps show clearly, in half a second.
const SWEEP = [
  '--image-size',
  '32',
  '--batch-size',
  '8',
  '--trainable',
  'last:3',
  '--workers',
  '1',
  '--quiet',
];
const FINDER = ['--steps', '40', '--seeds', '2', '--min-lr', '1e-5', '--max-lr', '1'];
const FILES = [
  'config.json',
  'curve.jsonl',
  'curve.png',
  'curve.svg',
  'dataset.json',
  'environment.json',
  'result.json',
  'suggestion.json',
];

interface Point {
  readonly step: number;
  readonly learningRate: number;
  readonly loss: number | null;
  readonly smoothedLoss: number | null;
}
interface Finder {
  readonly status: string;
  readonly run: string;
  readonly config: Record<string, unknown>;
  readonly curves: { seed: number; points: Point[]; divergedAt: number | null; stop: string }[];
  readonly suggestions: Record<string, { median: number | null; low: number | null; high: number | null }>;
  readonly recommended: { learningRate: number; fixedLearningRate: number } | null;
  readonly reason: string;
  readonly agreement: object;
}

let data: string;
let out: string;
beforeAll(async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'onecycle-find-lr-'));
  data = join(scratch, 'data');
  out = join(scratch, 'runs');
  await tinyImages(data, { train: 24, valid: 8 });
  return () => rm(scratch, { recursive: true, force: true });
});

const run = (command: string, ...args: string[]): Promise<CliResult> =>
  runCli([command, '--data', data, '--out', out, ...SWEEP, ...args]);
const parsed = ({ stdout }: CliResult): Finder => JSON.parse(stdout) as Finder;
const json = async (...path: string[]): Promise<unknown> => JSON.parse(await readFile(join(...path), 'utf8'));

async function found(...args: string[]): Promise<Finder> {
  const result = await run('find-lr', ...FINDER, '--json', ...args);
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return parsed(result);
}

describe('find-lr', () => {
  it('prints one document, and leaves it in a folder with curve, suggestion and charts', async () => {
    const document = await found('--seed', '3');
    expect(document).toMatchObject({
      schemaVersion: 1,
      command: 'find-lr',
      status: 'completed',
      dataset: { classes: ['ants', 'bees'], train: 48, valid: 16 },
      environment: { backend: 'wasm', workers: expect.any(Number) as number },
      seconds: expect.any(Number) as number,
      reason: expect.any(String) as string,
    });
    expect(Object.keys(document.suggestions)).toEqual(['steepest', 'valley', 'slide', 'minimum']);
    expect(document.curves.map(({ seed }) => seed)).toEqual([3, 4]);
    expect(document.recommended!.learningRate).toBeGreaterThanOrEqual(
      document.recommended!.fixedLearningRate,
    );

    expect((await readdir(document.run)).sort()).toEqual(FILES);
    expect(await json(document.run, 'result.json')).toEqual(document);
    const { suggestions, recommended, reason, agreement } = document;
    expect(await json(document.run, 'suggestion.json')).toEqual({
      suggestions,
      recommended,
      reason,
      agreement,
    });
    const lines = (await readFile(join(document.run, 'curve.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as object)).toEqual(
      document.curves.flatMap(({ seed, points }) => points.map((point) => ({ seed, ...point }))),
    );
    expect(await json(document.run, 'config.json')).toEqual(document.config);
    expect(document.config).toMatchObject({
      command: 'find-lr',
      steps: 40,
      seeds: 2,
      imageSize: 32,
      views: 8,
    });
    expect(document.config).not.toHaveProperty('policy');

    expect(await readFile(join(document.run, 'curve.svg'), 'utf8')).toMatch(
      /^<svg[^]*recommended[^]*<\/svg>\s*$/,
    );
    const png = await readFile(join(document.run, 'curve.png'));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
  });

  it('draws the curve, says how the seeds ended and what to do next', async () => {
    const { code, stdout } = await run('find-lr', ...FINDER);
    expect(code).toBe(0);
    expect(stdout).toContain('learning rate, logarithmic');
    expect(stdout).toMatch(/seed 0: (diverged|collapsed|reached)/);
    expect(stdout).toMatch(/Recommended: maximum rate \S+ for 1cycle/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('refuses without failing where the curve shows nothing, and train --lr auto then fails', async () => {
    const flat = ['--min-lr', '1e-9', '--max-lr', '1e-8'];
    const document = await found(...flat);
    expect(document.recommended).toBeNull();
    expect(document.reason).toMatch(/Raise --max-lr/);
    const fromIt = await run('train', '--lr', `from:${document.run}`);
    expect(fromIt).toMatchObject({ code: 2, stdout: '' });
    expect(fromIt.stderr).toContain(`--lr from:${document.run}: that range test gave no rate.`);

    // The range of a finder that runs first stands in the configuration file.
    const config = join(data, '..', 'flat.json');
    await writeFile(config, JSON.stringify({ minLr: 1e-9, maxLr: 1e-8, steps: 12, seeds: 1 }));
    const auto = await run('train', '--lr', 'auto', '--config', config);
    expect(auto).toMatchObject({ code: 1, stdout: '' });
    expect(auto.stderr).toMatch(/--lr auto: the range test gives no rate\..*Raise --max-lr/s);
  });

  it('keeps what was measured when interrupted, and recommends nothing', async () => {
    const child = startCli([
      'find-lr',
      ...['--data', data, '--out', out, '--image-size', '32', '--batch-size', '8', '--json'],
      // Too slow to end by itself: the rate never grows enough to diverge.
      ...['--steps', '20000', '--min-lr', '1e-9', '--max-lr', '1e-8', '--seed', '77'],
    ]);
    const folder = join(out, 'find-lr-seed77');
    const lines = async () =>
      (await readFile(join(folder, 'curve.jsonl'), 'utf8').catch(() => '')).split('\n');
    while ((await lines()).length < 5) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await child;
    expect(exitCode).toBe(130);
    expect(String(stderr)).toContain('SIGINT');
    const document = JSON.parse(String(stdout)) as Finder;
    expect(document).toMatchObject({ status: 'interrupted', recommended: null });
    expect(document.reason).toMatch(/interrupted after \d+ of 60000 steps/);
    expect(document.curves).toHaveLength(1);
    expect(document.curves[0]!.points.length).toBe((await lines()).length - 1);
    expect(await json(folder, 'result.json')).toEqual(document);
    expect((await readdir(folder)).sort()).toEqual(FILES);
  });
});

describe('the options of find-lr', () => {
  it('--sweep linear adds to the rate at every step; --steps and one seed', async () => {
    const { curves } = await found('--sweep', 'linear', '--seeds', '1', '--steps', '11', '--max-lr', '1e-3');
    const rates = curves[0]!.points.map(({ learningRate }) => learningRate);
    rates.forEach((rate, i) => expect(rate).toBeCloseTo(1e-5 + (i * (1e-3 - 1e-5)) / 10, 12));
  });

  it('--loss, --smoothing, --stop-at, --accumulate, --momentum and the head multiplier change what they should', async () => {
    const short = ['--seeds', '1', '--steps', '12', '--max-lr', '1e-2'];
    const plain = (await found(...short)).curves[0]!.points;
    const first = async (...args: string[]) => (await found(...short, ...args)).curves[0]!.points;

    // The validation loss is taken after the step, so even the first differs.
    expect((await first('--loss', 'valid'))[0]!.loss).not.toBe(plain[0]!.loss);
    // Without smoothing the smoothed loss is the loss; the raw losses stay.
    const raw = await first('--smoothing', '0');
    expect(raw.map(({ smoothedLoss }) => smoothedLoss)).toEqual(raw.map(({ loss }) => loss));
    expect(raw.map(({ loss }) => loss)).toEqual(plain.map(({ loss }) => loss));
    // Twice as many images a step: another first loss; the same rates.
    const doubled = await first('--accumulate', '2');
    expect(doubled[0]!.loss).not.toBe(plain[0]!.loss);
    expect(doubled.map(({ learningRate }) => learningRate)).toEqual(
      plain.map(({ learningRate }) => learningRate),
    );
    // The first loss comes before any update: only the later ones know optimizer and head.
    for (const args of [
      ['--momentum', '0'],
      ['--head-lr-multiplier', '1'],
    ]) {
      const other = await first(...args);
      expect(other[0]!.loss).toBe(plain[0]!.loss);
      expect(other.at(-1)!.loss).not.toBe(plain.at(-1)!.loss);
    }
    const stopped = await found('--seeds', '1', '--stop-at', '1.02', '--smoothing', '0');
    expect(stopped.curves[0]).toMatchObject({ stop: 'diverged' });
    expect(stopped.curves[0]!.points.length).toBeLessThan(40);
  });

  it('--trim leaves out what it says', async () => {
    // Of 40 points none but the last five remain, where the loss is highest: no descent left.
    const { suggestions, curves } = await found('--seeds', '1');
    const late = await found('--seeds', '1', '--trim', '0.99,0');
    expect(suggestions['steepest']!.median).not.toBeNull();
    expect(late.suggestions['steepest']!.median).toBeNull();
    expect(late.curves[0]!.points).toEqual(curves[0]!.points);
  });

  it.each([
    [
      ['--min-lr', '0.1', '--max-lr', '0.01'],
      /--min-lr below --max-lr but received --min-lr 0.1 and --max-lr 0.01/,
    ],
    [['--steps', '1'], /whole number (of at least|from) 2.* for --steps/],
    [['--trim', '1,5'], /share below 1 .* for --trim/],
    [['--accumulate', '7'], /Expected at most 48 images.*--accumulate 7 but received 56/],
  ])('%j is an error that says what was expected', async (args, message) => {
    const result = await run('find-lr', ...args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(message);
  });

  it('too few steps to judge are a refusal that says so', async () => {
    const { recommended, reason } = await found('--seeds', '1', '--steps', '5', '--max-lr', '1e-3');
    expect(recommended).toBeNull();
    expect(reason).toMatch(/only 5 steps.*Raise --steps/);
  });
});
