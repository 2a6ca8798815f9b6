import { expect, test } from 'vitest';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GivenSettings } from '../../../src/config/check-settings.js';
import { readDefaults } from '../../../src/config/settings.js';
import { RunError, UsageError } from '../../../src/errors.js';
import { WITHOUT_RECORD } from '../../../src/runs/documents.js';
import type { JsonObject } from '../../../src/runs/json.js';
import { type Measure, resolveRate } from '../../../src/train/train.js';
import { freshFolder } from '../runs/fresh-folder.js';

const { settings, rates } = readDefaults();
const FOUND = {
  recommended: { learningRate: 0.3, fixedLearningRate: 0.2 },
  reason: 'It fell.',
  run: 'runs/test',
};

/** As dataset.json has them. */
const DATASET = {
  classes: ['ants', 'bees'],
  weightsSha256: 'w',
  files: {
    train: [
      { path: 'train/a.png', label: 0, sha256: 'a' },
      { path: 'train/b.png', label: 1, sha256: 'b' },
    ],
    valid: [{ path: 'val/c.png', label: 0, sha256: 'c' }],
  },
};

/** The rate of an arm under these settings, and what the user was told. */
async function resolved(
  given: GivenSettings,
  {
    arm = '1cycle',
    imageSize = 96,
    found = FOUND as object,
    dataset = DATASET as JsonObject,
    measure = 'never' as Measure,
  } = {},
) {
  const notes: string[] = [];
  const rate = await resolveRate({ ...settings, ...given }, rates, arm, {
    measure,
    imageSize,
    network: { ...WITHOUT_RECORD, ...(given.batchNorm && { batchNorm: given.batchNorm }) },
    frozen: true,
    dataset: async () => dataset,
    find: async () => found as typeof FOUND,
    note: (text) => void notes.push(text),
    warn: (text) => void notes.push(text),
  });
  return { rate, notes };
}

const STATED = { lrSource: 'stated' };
const BUILT_IN = { lrSource: 'built-in' };
const TESTED = { lrFrom: 'runs/test', lrSource: 'range-test' };

test.each<[GivenSettings, string, object]>([
  [{ lr: 0.5 }, '1cycle', { lr: 0.5, ...STATED }],
  [{ lr: { '1cycle': 0.1, 'my arm': 0.7 } }, 'my arm', { lr: 0.7, ...STATED }],
  [{ lr: { '1cycle': 0.1 } }, 'my arm', { lr: 0.1, ...STATED }],
  [{ lr: { fixed: 0.1 } }, 'my arm', { lr: 5e-4, ...BUILT_IN }],
  [{}, '1cycle', { lr: 5e-4, ...BUILT_IN }],
  [{ policy: 'fixed' }, 'fixed', { lr: 3e-4, ...BUILT_IN }],
  [{ trainable: 'head' }, '1cycle', { lr: 1e-2, ...BUILT_IN }],
  [{ trainable: 'all', policy: 'fixed' }, 'fixed', { lr: 2e-4, ...BUILT_IN }],
  [{ lr: 'auto' }, '1cycle', { lr: 0.3, ...TESTED }],
  [{ lr: 'auto', policy: 'fixed' }, 'fixed', { lr: 0.2, ...TESTED }],
  [{ lr: { fixed: 'auto' }, policy: 'fixed' }, 'fixed', { lr: 0.2, ...TESTED }],
])('with %j %s has the rate %j', async (given, arm, rate) => {
  expect(await resolved(given, { arm })).toEqual({ rate, notes: [] });
});

test('a range test that refuses ends the run, with its reason', async () => {
  const refusal = resolved({ lr: 'auto' }, { found: { ...FOUND, recommended: null, reason: 'Too flat.' } });
  await expect(refusal).rejects.toThrow('--lr auto: the range test gives no rate. Too flat.');
  await expect(refusal).rejects.toThrow(RunError);
});

test.each<[GivenSettings, number, string]>([
  [{ data: '/tmp' }, 96, '--data /tmp'],
  [{ weights: '/tmp/model.json' }, 96, '--weights /tmp/model.json'],
  [{}, 224, '--image-size 224'],
  [{ trainable: 'last:2' }, 96, '--trainable last:2'],
  [{ batchSize: 8 }, 128, '--image-size 128, --batch-size 8'],
])('a built-in rate says what it was not measured on: %j at %d pixels', async (given, imageSize, others) => {
  if (given.weights !== undefined) writeFileSync(given.weights, '{}');
  const known =
    'The built-in learning rates were measured on the bundled thumbnails with mobilenet_v2_0.35_224 at 96 pixels and batches of 32';
  expect(await resolved(given, { imageSize })).toEqual({
    rate: { lr: 5e-4, lrSource: 'built-in-elsewhere' },
    notes: [`${known}, not with ${others}: --lr auto measures one that fits.`],
  });
  // A comparison measures them itself, and its dry run says that it will.
  expect(await resolved(given, { imageSize, measure: 'later' })).toEqual({
    rate: { lr: 5e-4, lrSource: 'built-in-elsewhere' },
    notes: [`${known}, not with ${others}: the comparison itself will find rates that fit by a range test.`],
  });
  expect(await resolved(given, { imageSize, measure: 'now' })).toEqual({
    rate: { lr: 0.3, ...TESTED },
    notes: [`${known}, not with ${others}: a range test finds rates that fit.`],
  });
  const refused = await resolved(given, {
    ...{ imageSize, measure: 'now' },
    found: { ...FOUND, recommended: null, reason: 'Too flat.' },
  });
  expect(refused.rate).toEqual({ lr: 5e-4, lrSource: 'built-in-elsewhere' });
  expect(refused.notes[1]).toBe('The range test gives no rate, and the built-in ones are used. Too flat.');
  // A rate that was stated is the user's own.
  expect((await resolved({ ...given, lr: 0.1 }, { imageSize })).notes).toEqual([]);
});

test('the bundled data and weights are the same by any name', async () => {
  const root = new URL('../../../data/', import.meta.url).pathname;
  const given = { data: join(root, 'cifar10-mini'), weights: join(root, 'weights/mobilenet_v2_0.35_224') };
  expect((await resolved(given)).notes).toEqual([]);
});

const BOUND = [
  'trainable',
  'headLrMultiplier',
  'epochs',
  'weightDecay',
  'labelSmoothing',
  'augment',
] as const;

/** A range test with the default settings at 96 pixels, that found these rates. */
function rangeTest(suggestion: string | object, config: object = {}, dataset: object = {}): string {
  const dir = join(freshFolder(), 'find-lr-seed0');
  mkdirSync(dir);
  const write = (name: string, content: string | object) =>
    writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
  const { data, weights, batchSize, momentum, views } = settings;
  write('config.json', {
    ...{ command: 'find-lr', data, weights, batchSize, accumulate: 1, momentum, views, imageSize: 96 },
    ...Object.fromEntries(BOUND.map((name) => [name, settings[name]])),
    ...config,
  });
  write('environment.json', { schemaVersion: 1 });
  write('dataset.json', { ...DATASET, ...dataset });
  write('suggestion.json', suggestion);
  return dir;
}

test('from: takes the rate of an earlier range test and names it, with a word where that was another', async () => {
  const dir = rangeTest(FOUND);
  expect(await resolved({ lr: `from:${dir}` })).toEqual({
    rate: { lr: 0.3, lrFrom: dir, lrSource: 'range-test' },
    notes: [],
  });
  const other = rangeTest(FOUND, { trainable: 'head', epochs: 9 });
  expect(await resolved({ lr: `from:${other}`, policy: 'fixed' })).toEqual({
    // It was not measured on what is trained here.
    rate: { lr: 0.2, lrFrom: other, lrSource: 'stated' },
    notes: [
      `--lr from:${other}: that range test was made with --trainable head, --epochs 9; its rate may not fit here.`,
    ],
  });
});

const [ANT, BEE] = DATASET.files.train;

test.each<[object, object, string]>([
  [{ accumulate: 4 }, {}, '128 images a step (--batch-size 32 --accumulate 4)'],
  [{ batchSize: 8 }, {}, '8 images a step (--batch-size 8 --accumulate 1)'],
  [{ imageSize: 224 }, {}, '--image-size 224'],
  [{ weightDecay: 0.01 }, {}, '--weight-decay 0.01'],
  [{ labelSmoothing: 0 }, {}, '--label-smoothing 0'],
  [{ augment: 'none', views: 1 }, {}, '--augment none, --views 1'],
  [{ momentum: 0.5 }, {}, '--momentum 0.5'],
  [{ headLrMultiplier: 1 }, {}, '--head-lr-multiplier 1'],
  [{ data: 'photos' }, { files: { train: [ANT] } }, 'other training images (--data photos)'],
  [
    { data: 'photos' },
    { files: { train: [ANT, { ...BEE, sha256: 'x' }] } },
    'other training images (--data photos)',
  ],
  [
    { data: 'photos' },
    { files: { train: [ANT, { ...BEE, label: 0 }] } },
    'other training images (--data photos)',
  ],
  [{ weights: 'mine' }, { weightsSha256: 'v' }, 'other weights (--weights mine)'],
])('from: a range test with %j and %j differs', async (config, dataset, others) => {
  const dir = rangeTest(FOUND, config, dataset);
  expect((await resolved({ lr: `from:${dir}` })).notes).toEqual([
    `--lr from:${dir}: that range test was made with ${others}; its rate may not fit here.`,
  ]);
});

test.each<[object, object, GivenSettings]>([
  // Images and weights are what they hold, wherever they lie and in whatever order they are listed.
  [
    { data: '../photos', weights: '/w/model.json' },
    { files: { train: [BEE, { ...ANT, path: 'x.png' }] } },
    {},
  ],
  // As large a step, in other pieces.
  [{ batchSize: 8, accumulate: 4 }, {}, {}],
  [{ batchSize: 4, accumulate: 4, epochs: 9 }, {}, { batchSize: 16, epochs: 9 }],
  // Without augmentation there is one view, whatever was asked for.
  [{ augment: 'none', views: 1 }, {}, { augment: 'none', views: 8 }],
])('from: a range test with %j and %j is as the training', async (config, dataset, given) => {
  const dir = rangeTest(FOUND, config, dataset);
  expect((await resolved({ ...given, lr: `from:${dir}` })).notes).toEqual([]);
});

test.each<[string, object, RegExp]>([
  ['config.json', { config: { command: 'find-lr' } }, /config\.json is not that of result\.json/],
  [
    'suggestion.json',
    { recommended: { learningRate: 0.4, fixedLearningRate: 0.2 } },
    /suggestion\.json recommends other rates than that of result\.json/,
  ],
  [
    'curve.jsonl',
    { curves: [{ seed: 0, points: [{ step: 0, learningRate: 1, loss: 2, smoothedLoss: null }] }] },
    /curve\.jsonl holds other points than those of result\.json/,
  ],
])('from: refuses a range test whose %s contradicts its result', async (_, result, message) => {
  const dir = rangeTest(FOUND);
  writeFileSync(
    join(dir, 'curve.jsonl'),
    '{"seed":0,"step":0,"learningRate":1,"loss":1,"smoothedLoss":null}\n',
  );
  writeFileSync(join(dir, 'result.json'), JSON.stringify({ ...result, status: 'completed' }));
  await expect(resolved({ lr: `from:${dir}` })).rejects.toThrow(UsageError);
  await expect(resolved({ lr: `from:${dir}` })).rejects.toThrow(message);
});

test.each<[string, string | object, RegExp]>([
  ['half a file', '{"recommended": {"learn', /suggestion\.json is damaged: /],
  ['a list', '[]', /is damaged/],
  ['no rates', {}, /holds no recommended rates/],
  [
    'rates that are none',
    { recommended: { learningRate: -1, fixedLearningRate: 1 } },
    /holds no recommended rates/,
  ],
  ['a refusal', { recommended: null, reason: 'Too flat.' }, /that range test gave no rate\. Too flat\.$/],
])('from: refuses %s', async (_, suggestion, message) => {
  const dir = rangeTest(suggestion);
  await expect(resolved({ lr: `from:${dir}` })).rejects.toThrow(UsageError);
  await expect(resolved({ lr: `from:${dir}` })).rejects.toThrow(`--lr from:${dir}: `);
  await expect(resolved({ lr: `from:${dir}` })).rejects.toThrow(message);
});
