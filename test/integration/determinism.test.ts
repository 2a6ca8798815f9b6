import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-determinism-'));
  await tinyImages(join(root, 'data'), { train: 15 });
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** What a run leaves that must not depend on when, where and with how many threads it was made. */
interface Trace {
  readonly steps: string;
  readonly predictions: string;
  readonly weights: string;
}

let runs = 0;

/** 30 images in batches of 20: slices of 8, 8 and 4, then of 8 and 2. */
async function trace(...options: string[]): Promise<Trace> {
  const out = join(root, String(runs++));
  const common = [
    '--data',
    join(root, 'data'),
    '--out',
    out,
    '--image-size',
    '32',
    '--batch-size',
    '20',
    '--quiet',
  ];
  const { code, stdout, stderr } = await runCli(['train', ...common, '--epochs', '2', '--json', ...options]);
  expect(code, stderr).toBe(0);
  const { run } = JSON.parse(stdout) as { run: string };
  const read = (name: string) => readFile(join(run, name), 'base64');
  return {
    steps: await readFile(join(run, 'steps.jsonl'), 'utf8'),
    predictions: await read('predictions.jsonl'),
    weights: await read('model/weights.bin'),
  };
}

const FROZEN = ['--trainable', 'last:4', '--views', '2'];

/** The run that the others are held against, on one thread. */
let reference: Trace;
beforeAll(async () => {
  reference = await trace(...FROZEN, '--workers', '1');
});

const stepsOf = ({ steps }: Trace) =>
  steps
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);

test.each(['1', '2'])('the same seed gives the same bytes again, with %s threads', async (workers) => {
  expect(stepsOf(reference)).toHaveLength(4);
  expect(await trace(...FROZEN, '--workers', workers)).toEqual(reference);
});

test('also where nothing is frozen', async () => {
  const [alone, together] = [
    await trace('--trainable', 'all', '--workers', '1'),
    await trace('--trainable', 'all', '--workers', '2'),
  ];
  expect(together).toEqual(alone);
  expect(alone.weights).not.toBe(reference.weights);
});

test('another seed gives other losses and weights at the same rates', async () => {
  const other = await trace(...FROZEN, '--workers', '1', '--seed', '1');
  expect(other.weights).not.toBe(reference.weights);
  for (const [i, step] of stepsOf(reference).entries()) {
    const { loss, learningRate, momentum } = stepsOf(other)[i]!;
    expect(loss).not.toBe(step['loss']);
    expect({ learningRate, momentum }).toEqual({
      learningRate: step['learningRate'],
      momentum: step['momentum'],
    });
  }
});

test('both policies start from the same network, order and augmentations', async () => {
  const fixed = await trace(...FROZEN, '--workers', '1', '--policy', 'fixed');
  expect(stepsOf(fixed)[0]!['loss']).toBe(stepsOf(reference)[0]!['loss']);
  expect(stepsOf(fixed)[1]!['loss']).not.toBe(stepsOf(reference)[1]!['loss']);
});
