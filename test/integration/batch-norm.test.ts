import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeCheckpoint } from '../../src/runs/checkpoint.js';
import type { Preprocessing } from '../../src/runs/documents.js';
import { inputBy } from './input-by.js';
import { interruptAfter, lines, outcome, SMALL_RUN } from './interrupted-run.js';
import { runCli } from './run-cli.js';
import { recordedPredictions } from './small-run.js';
import { tinyImages } from './tiny-images.js';

let root: string;
/** A finished run in training mode, and one of the same settings that was folded. */
let [trained, folded] = ['', ''];

const RUN = '1cycle-seed0';
const at = (...names: string[]) => join(root, ...names);
const train = (out: string, ...more: string[]) => [
  ...['train', '--data', at('data'), '--quiet', '--out', at(out)],
  ...SMALL_RUN,
  ...more,
];
const configOf = (dir: string) =>
  JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as Record<string, unknown>;
const tensorsOf = (dir: string) =>
  decodeCheckpoint(readFileSync(join(dir, 'checkpoints', 'last.ckpt'))).tensors;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-batch-norm-'));
  await tinyImages(at('data'), { train: 14, valid: 4 });
  for (const [out, mode] of [
    ['trained', 'train'],
    ['folded', 'fold'],
  ] as const) {
    const { code, stderr } = await runCli(train(out, '--batch-norm', mode));
    expect(code, stderr).toBe(0);
  }
  [trained, folded] = [at('trained', RUN), at('folded', RUN)];
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('the record', () => {
  test('says how batch norm was trained, and its checkpoints hold the statistics', () => {
    expect(configOf(trained)).toMatchObject({
      batchNorm: 'train',
      bnMomentum: 0.9,
      stemStride: 2,
      alpha: null,
    });
    expect(configOf(folded)).toMatchObject({
      batchNorm: 'fold',
      bnMomentum: null,
      stemStride: 2,
      alpha: null,
    });
    const held = (dir: string, kind: string) =>
      [...tensorsOf(dir).keys()].filter((name) => name.startsWith(kind));
    // Of two inverted residuals and Conv_1, each unit a mean and a variance.
    expect(held(trained, 'statistics/')).toHaveLength(2 * 7);
    expect(held(trained, 'weights/')).toContain('weights/block_16_project/gamma');
    expect(held(folded, 'statistics/')).toEqual([]);
    expect(held(folded, 'weights/')).not.toContain('weights/block_16_project/gamma');
  });

  test('of --bn-momentum moves the statistics otherwise, and what is computed by them alone', async () => {
    const { code, stderr } = await runCli(train('faster', '--batch-norm', 'train', '--bn-momentum', '0.5'));
    expect(code, stderr).toBe(0);
    expect(configOf(at('faster', RUN))).toMatchObject({ bnMomentum: 0.5 });
    const [own, other] = [tensorsOf(trained), tensorsOf(at('faster', RUN))];
    const differing = [...own.keys()].filter((name) => !isSame(own.get(name), other.get(name)));
    expect(differing.filter((name) => name.startsWith('statistics/'))).toHaveLength(14);
    expect(differing.filter((name) => /^(weights|velocities)\//.test(name))).toEqual([]);
  });

  test('is another run than the folded one: neither is taken for the other', async () => {
    const { code, stdout, stderr } = await runCli(
      train('folded', '--batch-norm', 'train', '--json').filter((word) => word !== '--quiet'),
    );
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain('was trained already');
    expect((JSON.parse(stdout) as { run: string }).run).toBe(at('folded', `${RUN}-2`));
    expect(outcome(at('folded', `${RUN}-2`))).toEqual(outcome(trained));
  });
});

describe('a run that was interrupted', () => {
  test('goes on to the same bits', async () => {
    const dir = at('interrupted', RUN);
    mkdirSync(at('interrupted'));
    const { code } = await interruptAfter(train('interrupted', '--batch-norm', 'train'), dir, 9);
    expect(code).toBe(130);
    expect(lines(join(dir, 'steps.jsonl')).length).toBeLessThan(28);
    const resumed = await runCli(['train', '--resume', dir, '--quiet', '--workers', '1']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(outcome(dir)).toEqual(outcome(trained));
  });

  test.each([
    ['train', 'fold', 'train in the run, fold given'],
    ['fold', 'train', 'fold in the run, train given'],
  ])('%sed cannot go on with --batch-norm %s', async (own, given, message) => {
    const dir = own === 'train' ? trained : folded;
    const { code, stderr } = await runCli(['train', '--resume', dir, '--batch-norm', given]);
    expect(code).toBe(2);
    expect(stderr).toContain(`--batch-norm: ${message}`);
  });
});

describe('what was trained', () => {
  test.each(['best', 'final'] as const)('predicts as it was judged: %s', async (which) => {
    const flags = which === 'final' ? ['--final'] : [];
    const args = ['predict', trained, at('data', 'val'), '--json', '--quiet', '--top', '2', ...flags];
    const { code, stdout, stderr } = await runCli(args);
    expect(code, stderr).toBe(0);
    const found = stdout
      .trim()
      .split('\n')
      .map(
        (line) => JSON.parse(line) as { file: string; predictions: { label: string; probability: number }[] },
      );
    const recorded = recordedPredictions(trained);
    expect(found).toHaveLength(recorded.length);
    for (const { image, [which]: judged } of recorded) {
      const { predictions } = found.find(({ file }) => file === at('data', image))!;
      const own = predictions.find(({ label }) => label === ['ants', 'bees'][judged.predicted])!;
      expect(Math.abs(own.probability - judged.probability), image).toBeLessThan(1e-5);
    }
  });

  test('is a layers-model with batch norm in the trained part, which says the same in TensorFlow.js', async () => {
    const read = (name: string) => readFileSync(join(trained, 'model', name));
    const json = JSON.parse(read('model.json').toString()) as tf.io.ModelJSON & {
      modelTopology: { config: { layers: { class_name: string; config: object }[] } };
    };
    const { layers } = json.modelTopology.config;
    const norms = layers.filter(({ class_name: kind }) => kind === 'BatchNormalization');
    expect(norms).toHaveLength(7);
    for (const { config } of norms) expect(config).toMatchObject({ epsilon: 1e-3, momentum: 0.9 });
    const model = await tfl.loadLayersModel(
      tf.io.fromMemory({
        modelTopology: json.modelTopology,
        weightSpecs: json.weightsManifest[0]!.weights,
        weightData: new Uint8Array(read('weights.bin')).buffer,
      }),
    );
    const rules = JSON.parse(read('preprocessing.json').toString()) as Preprocessing;
    for (const { image, best } of recordedPredictions(trained)) {
      const input = await inputBy(rules, at('data', image));
      const found = (model.predict(input) as tf.Tensor).dataSync();
      expect(Math.abs(found[best.predicted]! - best.probability), image).toBeLessThan(1e-4);
    }
  });

  test('serves as weights again, also for batch norm in training mode where it has it', async () => {
    const weights = ['--weights', join(trained, 'model')];
    const again = await runCli(train('again', ...weights, '--batch-norm', 'train', '--trainable', 'last:1'));
    expect(again.code, again.stderr).toBe(0);
    const more = await runCli(train('again', ...weights, '--batch-norm', 'train', '--trainable', 'last:3'));
    expect(more.code).toBe(2);
    expect(more.stderr).toContain('«block_14_expand» has none: it is folded into the convolution already');
  });
});

describe('a network with random weights', () => {
  const fresh = ['--weights', 'none', '--alpha', '0.25', '--stem-stride', '1', '--lr', '0.05'];
  const options = fresh.concat('--image-size 32 --batch-size 4 --epochs 2 --quiet --views 1'.split(' '));
  const begin = (...more: string[]) => [
    'train',
    '--data',
    at('data'),
    '--out',
    at('fresh'),
    ...options,
    ...more,
  ];

  test('is trained as a whole, from weights that its seed draws', async () => {
    for (const seed of ['0', '1']) {
      const { code, stderr } = await runCli(begin('--seed', seed));
      expect(code, stderr).toBe(0);
    }
    const [first, second] = ['0', '1'].map((seed) => at('fresh', `1cycle-seed${seed}`));
    expect(configOf(first!)).toMatchObject({
      ...{ weights: 'none', alpha: 0.25, stemStride: 1, bnMomentum: 0.9 },
      ...{ trainable: 'all', batchNorm: 'train', headLrMultiplier: 1 },
    });
    const hash = (dir: string) =>
      (JSON.parse(readFileSync(join(dir, 'dataset.json'), 'utf8')) as { weightsSha256: string })
        .weightsSha256;
    expect(hash(second!)).toBe(hash(first!));
    const stem = (dir: string) => tensorsOf(dir).get('weights/Conv1/kernel');
    expect(isSame(stem(first!), stem(second!))).toBe(false);
    // Its model has the stem of stride 1, and classifies like every other.
    const { code, stdout, stderr } = await runCli([
      'predict',
      first!,
      at('data', 'val'),
      '--json',
      '--quiet',
    ]);
    expect(code, stderr).toBe(0);
    const [found] = stdout
      .split('\n')
      .map((line) => line && (JSON.parse(line) as { predictions: [{ probability: number }] }));
    const [recorded] = recordedPredictions(first!);
    if (typeof found !== 'object') throw new Error('nothing was predicted');
    expect(found.predictions[0].probability).toBeCloseTo(recorded!.best.probability, 5);
  });

  test('goes on to the same bits after an interruption, and is drawn anew for no resume', async () => {
    const dir = at('fresh-interrupted', RUN);
    const args = begin('--out', at('fresh-interrupted'));
    expect((await interruptAfter(args, dir, 5)).code).toBe(130);
    const resumed = await runCli(['train', '--resume', dir, '--quiet']);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(outcome(dir)).toEqual(outcome(at('fresh', RUN)));
  });
});

describe('refused, before anything is trained', () => {
  test.each([
    [
      '--batch-norm train --trainable head',
      /the new head is all that is trained. Give --trainable last:N or all/,
    ],
    [
      '--batch-norm train --batch-size 9',
      /a batch of 1 image cannot be normalized .* 1 x 1.* Of 28 images in batches of 9 the last has 1. Give --batch-size 8 or --batch-size 10 or --image-size 64/,
    ],
    [
      '--batch-norm train --batch-size 1',
      /in batches of 1 each has 1. Give --batch-size 2 or --image-size 64/,
    ],
    ['--weights none --trainable last:2', /--trainable last:2 would leave some of them as they are/],
    ['--weights none --trainable all --batch-norm fold', /would be a network without batch norm/],
    ['--alpha 0.5', /--alpha 0.5 is the width of a network that begins with random weights/],
    ['--stem-stride 3', /a whole number from 1 to 2 for --stem-stride but received 3/],
    ['--batch-norm yes', /one of fold, train for --batch-norm but received "yes"/],
  ])('%s', async (options, message) => {
    const out = `refused-${options.replaceAll(/\W+/g, '-')}`;
    const { code, stderr } = await runCli(train(out, ...options.split(' ')));
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
    expect(existsSync(at(out))).toBe(false);
  });

  test('a range test of accumulated batches', async () => {
    const options = ['--batch-norm', 'train', '--accumulate', '2', '--out', at('refused')];
    const { code, stderr } = await runCli(['find-lr', '--data', at('data'), ...SMALL_RUN, ...options]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/each would have statistics of its own. Leave it out; --batch-size 8 has as many/);
  });
});

test('--bn-momentum without batch norm in training mode is told to have no effect', async () => {
  const args = train('noted', '--bn-momentum', '0.9').filter((word) => word !== '--quiet');
  const { code, stderr } = await runCli(args);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('--bn-momentum has no effect where batch norm is folded');
  expect(outcome(at('noted', RUN))).toEqual(outcome(folded));
});

test('a run too short for its running statistics is told, with what would do', async () => {
  const options = ['--batch-norm', 'train', '--bn-momentum', '0.99', '--dry-run'];
  const { code, stderr } = await runCli(train('short', ...options).filter((word) => word !== '--quiet'));
  expect(code, stderr).toBe(0);
  // 0.99 to the power of 28 is 0.755, 0.84 to it 0.0076, and 0.85 to it 0.0106.
  expect(stderr.replaceAll(/\s+/g, ' ')).toContain(
    'Batch norm keeps 0.99 of its running statistics at each step: after 28 steps they are still 75% the initial ones, and evaluation goes by them. --bn-momentum 0.84 leaves less than 1%.',
  );
});

test('--lr auto leaves no trace in the running statistics: it is --lr X to the bit', async () => {
  const auto = train('auto', '--batch-norm', 'train', '--lr', 'auto', '--json');
  const { code, stdout, stderr } = await runCli(auto);
  expect(code, stderr).toBe(0);
  const { lr } = (JSON.parse(stdout) as { config: { lr: number } }).config;
  const stated = await runCli(train('stated', '--batch-norm', 'train', '--lr', String(lr)));
  expect(stated.code, stated.stderr).toBe(0);
  expect(outcome(at('auto', RUN))).toEqual(outcome(at('stated', RUN)));
});

test('arms of one policy may be compared in batch norm, which is said', async () => {
  const options = '--policies 1cycle,1cycle:bn-train --seeds 1 --lr 0.01 --json --quiet'.split(' ');
  const { code, stdout, stderr } = await runCli([
    ...['compare', '--data', at('data'), '--out', at('compared')],
    ...SMALL_RUN,
    ...options,
  ]);
  expect(code, stderr).toBe(0);
  const { arms, warnings } = JSON.parse(stdout) as { arms: { policy: string }[]; warnings: string[] };
  expect(arms.map(({ policy }) => policy)).toEqual(['1cycle', '1cycle:bn-train']);
  expect(warnings).toContain(
    'The arms have one policy and differ in batch norm, fold (1cycle), train (1cycle:bn-train): what is compared is batch norm.',
  );
});

test('a plan spells out what its lines need', async () => {
  const file = at('fresh.json');
  writeFileSync(
    file,
    JSON.stringify({ policy: 'fixed', weights: 'none', alpha: 0.25, stemStride: 1, lr: 0.1 }),
  );
  const { code, stdout, stderr } = await runCli([
    ...['compare', '--data', at('data'), '--out', at('planned'), '--plan', '--quiet', '--seeds', '1'],
    ...[
      '--policies',
      `1cycle:bn-train,${file}`,
      '--lr',
      '0.01',
      '--batch-size',
      '8',
      '--image-size',
      '32',
      '--trainable',
      'last:1',
    ],
  ]);
  expect(code, stderr).toBe(0);
  const planned = stdout.split('\n').filter((line) => line.startsWith('onecycle train'));
  expect(planned[0]).toMatch(/--trainable last:1 --batch-norm train /);
  expect(planned[1]).toMatch(
    /--weights none --alpha 0.25 --stem-stride 1 .*--trainable all --batch-norm train /,
  );
});

function isSame(a: Float32Array | undefined, b: Float32Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.from(a.buffer).equals(Buffer.from(b.buffer));
}
