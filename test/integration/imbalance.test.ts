import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompareDocument, FinderDocument, TrainDocument } from '../../src/runs/documents.js';
import { interruptAfter, lines, outcome, SMALL_RUN } from './interrupted-run.js';
import { runCli } from './run-cli.js';
import { recordedPredictions } from './small-run.js';
import { tinyImages } from './tiny-images.js';

let root: string;
/** 24 ants, of which 8 for validation; 6 bees, of which 2 for validation. */
let data: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-imbalance-'));
  data = join(root, 'data');
  await tinyImages(data, { classes: ['ants', 'bees'], train: 16, valid: 8 });
  for (const [part, left] of [
    ['train', 4],
    ['val', 2],
  ] as const) {
    const files = Array.from({ length: 16 }, (_, i) => join(data, part, 'bees', `${i}.png`));
    await Promise.all(files.slice(left).map((file) => rm(file, { force: true })));
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

const given = (command: string, out: string, ...more: string[]) => [
  ...[command, '--data', data, '--out', join(root, out), '--quiet', '--lr', '0.01'],
  ...SMALL_RUN,
  ...more,
];

async function json<Document>(args: readonly string[]): Promise<Document> {
  const { code, stdout, stderr } = await runCli([...args, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Document;
}

let weighted: TrainDocument;
beforeAll(async () => {
  weighted = await json(given('train', 'runs', '--class-weights', 'balanced', '--arm', 'weighted'));
  await json(given('train', 'runs', '--arm', 'plain'));
});

describe('train with class weights', () => {
  it('records them, and trains otherwise than without', () => {
    expect(weighted.config.classWeights).toBe('balanced');
    const steps = ['weighted', 'plain'].map((arm) =>
      lines(join(root, 'runs', `${arm}-seed0`, 'steps.jsonl')),
    );
    expect(steps[0]).toHaveLength(20);
    expect(steps[0]).not.toEqual(steps[1]);
  });

  it('records what its predictions come to, class by class', () => {
    const judged = recordedPredictions(weighted.run);
    const recalls = [0, 1].map((label) => {
      const own = judged.filter((line) => line.label === label);
      return own.filter(({ final }) => final.predicted === label).length / own.length;
    });
    expect(weighted.final!.balancedAccuracy).toBeCloseTo((recalls[0]! + recalls[1]!) / 2, 12);
    expect(weighted.perClass).toMatchObject([
      { class: 'ants', images: 8, recall: recalls[0] },
      { class: 'bees', images: 2, recall: recalls[1] },
    ]);
    expect(
      weighted.epochs.every(({ balancedAccuracy, macroF1 }) => balancedAccuracy! >= 0 && macroF1! >= 0),
    ).toBe(true);
  });

  it('goes on after an interruption to the same bits', async () => {
    const args = given('train', 'parts', '--class-weights', 'balanced', '--arm', 'weighted');
    const dir = join(root, 'parts', 'weighted-seed0');
    expect((await interruptAfter(args, dir, 7)).code).toBe(130);
    const other = await runCli(['train', '--resume', dir, '--class-weights', 'none', '--quiet']);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('--class-weights: balanced in the run, none given');
    const { code, stderr } = await runCli(['train', '--resume', dir, '--quiet']);
    expect(code, stderr).toBe(0);
    expect(outcome(dir)).toEqual(outcome(weighted.run));
  });

  it('is refused where it would have no effect', async () => {
    const { code, stderr } = await runCli(
      given('train', 'one', '--class-weights', 'balanced', '--batch-size', '1'),
    );
    expect(code).toBe(2);
    expect(stderr).toContain('--class-weights balanced has no effect with --batch-size 1');
  });
});

it('find-lr weighs accumulated batches, and its test is none of a training without weights', async () => {
  const options = '--image-size 32 --trainable head --batch-size 4 --accumulate 2 --seeds 1 --steps 8';
  const test = ['find-lr', '--data', data, '--out', join(root, 'tests'), ...options.split(' ')];
  const own = await json<FinderDocument>([...test, '--class-weights', 'balanced', '--quiet']);
  const plain = await json<FinderDocument>([...test, '--quiet']);
  expect([own.config.classWeights, plain.config.classWeights]).toEqual(['balanced', 'none']);
  expect(own.run).not.toBe(plain.run);
  expect(own.curves[0]!.points[0]!.loss).not.toBe(plain.curves[0]!.points[0]!.loss);
  // 16 ants and 4 bees: 20 / (2 x 16) and 20 / (2 x 4).
  const told = await runCli([...test, '--class-weights', 'balanced', '--again']);
  expect(told.stderr.replace(/\s+/gu, ' ')).toContain(
    'counts from 0.625 ("ants") to 2.50 ("bees") in the loss',
  );
});

describe('compare', () => {
  const runs = () => ['plain', 'weighted'].map((arm) => join(root, 'runs', `${arm}-seed0`));

  it('is about what --metric names, and says which arms are weighted', async () => {
    const balanced = await json<CompareDocument>(['compare', ...runs(), '--metric', 'balanced-accuracy']);
    expect(balanced.difference!.metric).toBe('balancedAccuracy');
    expect(balanced.config.metric).toBe('balanced-accuracy');
    const [plain, own] = balanced.arms.map(({ balancedAccuracy }) => balancedAccuracy.mean!);
    expect(balanced.difference!.mean).toBeCloseTo(own! - plain!, 12);
    expect(balanced.warnings.join()).toContain('differ in class weights: none (plain), balanced (weighted)');
    const { stdout } = await runCli(['compare', ...runs(), '--metric', 'balanced-accuracy']);
    expect(stdout).toContain('Difference of the final balanced accuracy');
    expect(stdout).not.toContain('--metric');
  });

  it('names the option where classes are uneven and it was not given', async () => {
    const { stdout } = await runCli(['compare', ...runs()]);
    const text = stdout.replace(/\s+/gu, ' ');
    expect(text).toContain('The validation classes are uneven (2 of bees, 8 of ants)');
    expect(text).toContain('--metric balanced-accuracy compares the same runs');
    // One of the arms is weighted.
    expect(text).not.toContain('The training classes are uneven');
    expect(text).toMatch(/balanced accuracy.*macro F1/u);
  });

  it('reads records of versions that told nothing of it', async () => {
    const older = runs().map((run, i) => {
      const copy = join(root, 'older', `run${i}`);
      cpSync(run, copy, { recursive: true });
      rewrite(join(copy, 'config.json'), (config) => without(config, 'classWeights'));
      rewrite(join(copy, 'result.json'), (result) => ({
        ...without(result, 'perClass'),
        config: without(result['config'], 'classWeights'),
        epochs: (result['epochs'] as object[]).map((epoch) => without(epoch, ...BY_CLASS)),
        best: without(result['best'], ...BY_CLASS),
        final: without(result['final'], ...BY_CLASS),
      }));
      const epochs = lines(join(copy, 'epochs.jsonl')).map((line) =>
        JSON.stringify(without(JSON.parse(line), ...BY_CLASS)),
      );
      writeFileSync(join(copy, 'epochs.jsonl'), `${epochs.join('\n')}\n`);
      return copy;
    });
    await Promise.all(older.map((run) => rm(join(run, 'checkpoints'), { recursive: true })));
    const found = await json<CompareDocument>(['compare', ...older, '--metric', 'balanced-accuracy']);
    const now = await json<CompareDocument>(['compare', ...runs(), '--metric', 'balanced-accuracy']);
    expect(found.difference!.mean).toBe(now.difference!.mean);
    expect(found.arms.map(({ macroF1 }) => macroF1)).toEqual(now.arms.map(({ macroF1 }) => macroF1));
    expect(found.warnings.join()).toContain('told the balanced accuracy of no epoch');
    const { stdout } = await runCli(['show', older[1]!]);
    expect(stdout).toContain('macro F1');
  });
});

const BY_CLASS = ['balancedAccuracy', 'macroF1'];

function without(value: unknown, ...names: readonly string[]): object {
  return Object.fromEntries(Object.entries(value as object).filter(([name]) => !names.includes(name)));
}

function rewrite(path: string, change: (document: Record<string, unknown>) => object): void {
  const document = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify(change(document)));
}
