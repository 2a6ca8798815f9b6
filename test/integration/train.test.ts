import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli, type CliResult } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const EPOCHS = 3;
/** 24 training images in batches of 16: the second and last batch of an epoch is smaller. */
const STEPS = EPOCHS * 2;

type Json = Record<string, unknown>;

let root: string;
let out: string;
let finished: CliResult;
let document: Json & { run: string };

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-train-'));
  const data = join(root, 'data');
  out = join(root, 'runs');
  await tinyImages(data);
  const options = [
    '--image-size',
    '32',
    '--batch-size',
    '16',
    '--epochs',
    String(EPOCHS),
    '--trainable',
    'last:2',
  ];
  finished = await runCli(['train', '--data', data, '--out', out, '--json', ...options]);
  expect(finished.code, finished.stderr).toBe(0);
  document = JSON.parse(finished.stdout) as typeof document;
});
afterAll(() => rm(root, { recursive: true, force: true }));

const read = (name: string) => readFile(join(document.run, name), 'utf8');
const readJson = async (name: string) => JSON.parse(await read(name)) as Json;
const readLines = async (name: string) =>
  (await read(name))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Json);

const BEST = ['epoch', 'validAccuracy', 'correct', 'total', 'validLoss', 'balancedAccuracy', 'macroF1'];

describe('train --json', () => {
  test('prints exactly one document, with these fields', async () => {
    expect(finished.stdout.startsWith('{')).toBe(true);
    expect(Object.keys(document).sort()).toEqual(
      [
        ...['schemaVersion', 'command', 'status', 'config', 'environment', 'dataset', 'seconds'],
        ...['run', 'policy', 'epochs', 'best', 'final'],
        ...['failure', 'stoppedEarly', 'events', 'perClass', 'modelSha256'],
      ].sort(),
    );
    expect(document).toMatchObject({
      schemaVersion: 1,
      command: 'train',
      status: 'completed',
      policy: '1cycle',
      failure: null,
      run: join(out, '1cycle-seed0'),
    });
    expect(document['seconds']).toBeGreaterThan(0);
    const weights = await readFile(join(out, '1cycle-seed0', 'model', 'weights.bin'));
    expect(document['modelSha256']).toBe(createHash('sha256').update(weights).digest('hex'));
  });

  test('its configuration is resolved: every number that was used', () => {
    const config = document['config'] as Json;
    expect(config).toMatchObject({ imageSize: 32, batchSize: 16, epochs: EPOCHS, seed: 0, policy: '1cycle' });
    expect(config['lr']).toBeGreaterThan(0);
    expect(Object.values(config)).not.toContain(undefined);
  });

  test('its environment says what computed', () => {
    expect(document['environment']).toMatchObject({ node: process.version, backend: 'wasm', sliceSize: 8 });
    for (const name of ['versions', 'device', 'cores', 'workers'])
      expect(document['environment']).toHaveProperty(name);
  });

  test('its data set has classes and counts', () => {
    expect(document['dataset']).toEqual({
      classes: ['ants', 'bees'],
      train: 24,
      valid: 12,
      counts: [
        { class: 'ants', train: 12, valid: 6 },
        { class: 'bees', train: 12, valid: 6 },
      ],
      skipped: [],
    });
  });

  test('its epochs count from 1; best and final are two of them', () => {
    const epochs = document['epochs'] as Json[];
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    for (const epoch of epochs) {
      const fields = [...BEST, 'trainLoss', 'seconds'];
      expect(Object.keys(epoch).sort()).toEqual(fields.sort());
      expect(epoch['total']).toBe(12);
      expect(epoch['validAccuracy']).toBe((epoch['correct'] as number) / 12);
    }
    for (const name of ['best', 'final']) {
      const chosen = document[name] as Json;
      expect(Object.keys(chosen).sort()).toEqual([...BEST].sort());
      expect(epochs[(chosen['epoch'] as number) - 1]).toMatchObject(chosen);
    }
    expect((document['final'] as Json)['epoch']).toBe(EPOCHS);
    const accuracies = epochs.map(({ validAccuracy }) => validAccuracy as number);
    expect((document['best'] as Json)['validAccuracy']).toBe(Math.max(...accuracies));
  });
});

describe('the streams', () => {
  test('progress is on stderr: off a terminal a line per epoch', () => {
    const lines = finished.stderr.split('\n').filter((line) => /epoch \d: train loss/.test(line));
    expect(lines).toHaveLength(EPOCHS);
    expect(finished.stdout).not.toMatch(/epoch 1: train loss/);
  });

  test('without --json the report is on stdout; with --quiet stderr is empty', async () => {
    const args = [
      '--image-size',
      '32',
      '--batch-size',
      '12',
      '--epochs',
      '2',
      '--trainable',
      'head',
      '--lr',
      '0.01',
      '--quiet',
    ];
    const data = join(root, 'data');
    const { code, stdout, stderr } = await runCli([
      'train',
      '--data',
      data,
      '--out',
      join(root, 'q'),
      ...args,
    ]);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^1cycle, maximum rate/);
    expect(stdout).toMatch(/learning rate/);
    // No colours off a terminal.
    expect(stdout).not.toContain('\u001b');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe("the run's folder", () => {
  test('holds what a run leaves, and nothing else', async () => {
    expect(await readdir(out)).toEqual(['1cycle-seed0']);
    expect((await readdir(document.run, { recursive: true })).sort()).toEqual([
      'checkpoints',
      'checkpoints/best.ckpt',
      'checkpoints/last.ckpt',
      'checkpoints/previous.ckpt',
      'config.json',
      'dataset.json',
      'environment.json',
      'epochs.jsonl',
      'model',
      'model/index.html',
      'model/labels.txt',
      'model/model.json',
      'model/preprocessing.json',
      'model/tfjs',
      'model/tfjs/LICENSE',
      'model/tfjs/tf-backend-wasm.es2017.min.js',
      'model/tfjs/tf-core.es2017.min.js',
      'model/tfjs/tf-layers.es2017.min.js',
      'model/tfjs/tfjs-backend-wasm-simd.wasm',
      'model/tfjs/tfjs-backend-wasm.wasm',
      'model/weights.bin',
      'predictions.jsonl',
      'result.json',
      'steps.jsonl',
    ]);
  });

  test('result.json is the document that was printed', async () => {
    expect(await readJson('result.json')).toEqual(document);
    expect(await readLines('epochs.jsonl')).toEqual(document['epochs']);
  });

  test('config.json and environment.json are those of the document', async () => {
    expect(await readJson('config.json')).toMatchObject(document['config'] as Json);
    expect(await readJson('environment.json')).toMatchObject(document['environment'] as Json);
  });

  test('dataset.json lists every file with its hash', async () => {
    const { files } = (await readJson('dataset.json')) as { files: Record<'train' | 'valid', Json[]> };
    expect([files.train.length, files.valid.length]).toEqual([24, 12]);
    for (const { path, label, sha256 } of files.train) {
      expect(path).toMatch(label === 0 ? /^train\/ants\/\d+\.png$/ : /^train\/bees\/\d+\.png$/);
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  test('steps.jsonl has one line a step, with the rates of the cycle', async () => {
    const steps = await readLines('steps.jsonl');
    expect(steps.map(({ step }) => step)).toEqual([...Array(STEPS).keys()]);
    expect(steps.map(({ epoch }) => epoch)).toEqual([1, 1, 2, 2, 3, 3]);
    for (const step of steps)
      expect(Object.keys(step)).toEqual(['step', 'epoch', 'learningRate', 'momentum', 'loss']);
    const lr = (document['config'] as Json)['lr'] as number;
    // 1cycle's defaults: from a 25th of the maximum to a 10,000th of that; momentum 0.95 at both ends.
    expect(steps[0]).toMatchObject({ learningRate: lr / 25, momentum: 0.95 });
    expect(steps.at(-1)!['learningRate']).toBeCloseTo(lr / 25 / 1e4, 12);
    expect(steps.at(-1)!['momentum']).toBeCloseTo(0.95, 12);
    const at = (name: string, choose: (...values: number[]) => number) =>
      steps.findIndex((step) => step[name] === choose(...steps.map((other) => other[name] as number)));
    expect(at('learningRate', Math.max)).toBe(at('momentum', Math.min));
  });

  test("an epoch's training loss is the mean over its images, not over its batches", async () => {
    const steps = await readLines('steps.jsonl');
    const [first] = document['epochs'] as Json[];
    const [a, b] = steps.map(({ loss }) => loss as number);
    // Batches of 16 and 8.
    expect(first!['trainLoss']).toBeCloseTo((16 * a! + 8 * b!) / 24, 10);
  });

  test('predictions.jsonl agrees with the accuracies', async () => {
    const predictions = await readLines('predictions.jsonl');
    expect(predictions).toHaveLength(12);
    for (const which of ['final', 'best']) {
      const right = predictions.filter((line) => (line[which] as Json)['predicted'] === line['label']);
      expect(right.length).toBe((document[which] as Json)['correct']);
      for (const line of predictions) {
        expect(Object.keys(line)).toEqual(['image', 'label', 'final', 'best']);
        // Of two classes the predicted one has at least half.
        expect((line[which] as Json)['probability']).toBeGreaterThanOrEqual(0.5);
      }
    }
    expect(predictions[0]).toMatchObject({ image: 'val/ants/0.png', label: 0 });
  });

  test('the model names its classes', async () => {
    expect((await read('model/labels.txt')).trimEnd().split('\n')).toEqual(['ants', 'bees']);
    expect(await readJson('model/model.json')).toHaveProperty('weightsManifest');
  });
});
