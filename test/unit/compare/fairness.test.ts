import { expect, test } from 'vitest';
import { fairnessWarnings } from '../../../src/compare/fairness.js';
import type { RecordedRun } from '../../../src/compare/read.js';
import type { JsonObject } from '../../../src/runs/json.js';
import { recordedRun } from './recorded-run.js';

const ANSWERS = Array.from({ length: 10 }, (_, i) => i < 7);

const runs = ['a', 'b']
  .flatMap((arm) => [0, 1].map((seed) => recordedRun(arm, seed, ANSWERS)))
  .map((run) =>
    changed(run, {
      config: {
        policy: run.arm === 'a' ? 'fixed' : '1cycle',
        lr: run.arm === 'a' ? 1e-3 : 5e-3,
        batchSize: 32,
      },
      environment: { backend: 'wasm', onecycle: '0.1.0', sliceSize: 8, cpu: 'one', jobs: 2 },
      dataset: {
        weightsSha256: 'a'.repeat(64),
        files: { train: [{ path: 't', sha256: '1' }], valid: [{ path: 'v', sha256: '2' }] },
      },
    }),
  );

type Documents = Partial<Record<'config' | 'environment' | 'dataset', JsonObject>>;

function changed(run: RecordedRun, more: Documents): RecordedRun {
  const { config, environment, dataset } = run.record;
  const record = {
    ...run.record,
    config: { ...config, ...more.config },
    environment: { ...environment, ...more.environment },
    dataset: { ...dataset, ...more.dataset },
  };
  return { ...run, record };
}

/** What is said when arm b differs so. */
function whenBDiffers(more: Documents): string[] {
  return fairnessWarnings(runs.map((run) => (run.arm === 'b' ? changed(run, more) : run)));
}

test('arms that differ in their policy alone are fair', () => {
  expect(fairnessWarnings(runs)).toEqual([]);
  expect(fairnessWarnings([])).toEqual([]);
});

test.each<[string, JsonObject]>([
  ['batch size: 32 (a), 64 (b)', { batchSize: 64 }],
  ['number of epochs: 5 (a), 7 (b)', { epochs: 7 }],
  ['weight decay: not recorded (a), 0.1 (b)', { weightDecay: 0.1 }],
  ['label smoothing: not recorded (a), 0 (b)', { labelSmoothing: 0 }],
  ['class weights: none (a), balanced (b)', { classWeights: 'balanced' }],
  ['augmentation: not recorded (a), flip (b)', { augment: 'flip' }],
  ['views kept of each image: not recorded (a), none (b)', { views: null }],
  ['image size in pixels: not recorded (a), 96 (b)', { imageSize: 96 }],
  ['trained part: not recorded (a), head (b)', { trainable: 'head' }],
  ["head's rate over the backbone's: not recorded (a), 10 (b)", { headLrMultiplier: 10 }],
  ['patience of early stopping: not recorded (a), 3 (b)', { earlyStop: 3 }],
  ['some new setting: not recorded (a), on (b)', { someNewSetting: true }],
])('a difference in %s', (words, config) => {
  expect(whenBDiffers({ config })).toEqual([`The runs differ in ${words}.`]);
});

test.each<[string, JsonObject]>([
  ['backend: wasm (a), webgpu (b)', { backend: 'webgpu' }],
  ['version of onecycle: 0.1.0 (a), 0.2.0 (b)', { onecycle: '0.2.0' }],
  ['images a gradient is computed on at once: 8 (a), 4 (b)', { sliceSize: 4 }],
])('a difference in %s', (words, environment) => {
  expect(whenBDiffers({ environment })).toEqual([`The runs differ in ${words}.`]);
});

test('batch norm is no part of a policy, unless it is all that differs', () => {
  const inB = (config: JsonObject) => whenBDiffers({ config });
  expect(inB({ batchNorm: 'fold', stemStride: 2 })).toEqual([]);
  const own =
    "The runs differ in batch norm: fold (a), train (b). A difference may be batch norm's, not the policy's.";
  expect(inB({ batchNorm: 'train', bnMomentum: 0.99 })).toEqual([own]);
  // Another rate is no other policy: each mode has its own.
  expect(inB({ batchNorm: 'train', policy: 'fixed' })).toEqual([
    'The arms have one policy and differ in batch norm, fold (a), train (b): what is compared is batch norm.',
  ]);
  const trained = runs.map((run) => changed(run, { config: { batchNorm: 'train', bnMomentum: 0.9 } }));
  expect(fairnessWarnings(trained)).toEqual([]);
  const other = trained.map((run) =>
    run.arm === 'b' ? changed(run, { config: { bnMomentum: 0.99 } }) : run,
  );
  expect(fairnessWarnings(other)).toEqual([
    'The runs differ in share of the running statistics of batch norm that a step keeps: 0.9 (a), 0.99 (b).',
  ]);
});

test('other weights, other training images, other validation images', () => {
  const [weights] = whenBDiffers({ dataset: { weightsSha256: 'b'.repeat(64) } });
  expect(weights).toMatch(
    /^The runs did not start from the same weights: .*aaaaaaaa… \(a\), .*bbbbbbbb… \(b\)\.$/u,
  );
  const files = runs[0]!.record.dataset['files'] as JsonObject;
  expect(whenBDiffers({ dataset: { files: { ...files, train: [] } } })).toEqual([
    'The runs were not trained on the same images: set A of 1 (a), set B of 0 (b). A difference may be the images, not the policy.',
  ]);
  expect(whenBDiffers({ dataset: { files: { ...files, valid: [{ path: 'v', sha256: '3' }] } } })).toEqual([
    'The runs were not judged on the same validation images: set A of 1 (a), set B of 1 (b), so their accuracies do not compare.',
  ]);
});

test('places, seeds and the way files were chosen are no differences', () => {
  const config = {
    data: '/elsewhere',
    weights: './w',
    seed: 7,
    valSplit: 0.5,
    splitSeed: 3,
    followLinks: true,
  };
  expect(whenBDiffers({ config })).toEqual([]);
});

test("runs of one arm that differ in the policy's own settings, by seed", () => {
  const odd = runs.map((run) =>
    run.arm === 'b' && run.seed === 1 ? changed(run, { config: { lr: 0.1 } }) : run,
  );
  expect(fairnessWarnings(odd)).toEqual([
    'The runs of b differ among themselves in learning rate: 0.005 (b with seed 0), 0.1 (b with seed 1).',
  ]);
});

test('other budgets, another level of momentum, and what changed a run on its way', () => {
  const longer = runs.map((run) => {
    if (run.arm === 'a') return run;
    const steps = [...run.record.steps, run.record.steps[0]!].map((step) => ({
      ...step,
      momentum: 0.512345,
    }));
    const text = 'extended from 5 to 6 epochs';
    return {
      ...run,
      record: { ...run.record, steps, events: [{ type: 'extended' as const, step: 9, epoch: 1, text }] },
    };
  });
  expect(fairnessWarnings(longer)).toEqual([
    'The runs were trained for different numbers of steps: 160 (a), 161 (b).',
    "The arms differ in the level of momentum: a 0.9, b 0.512. A difference may be the momentum's, not the schedule's.",
    'b with seed 0: extended from 5 to 6 epochs',
    'b with seed 1: extended from 5 to 6 epochs',
  ]);
});

test('a cycle of momentum around the fixed one is the policy', () => {
  const cycled = runs.map((run) => {
    const steps = run.record.steps.map((step, i) => ({ ...step, momentum: i % 2 === 0 ? 0.85 : 0.95 }));
    return run.arm === 'a' ? run : { ...run, record: { ...run.record, steps } };
  });
  expect(fairnessWarnings(cycled)).toEqual([]);
});

test('other machines concern the seconds alone, other numbers of threads nothing', () => {
  expect(whenBDiffers({ environment: { cpu: 'another' } })).toEqual([
    'The runs were timed on different machines, so their seconds do not compare. Steps and accuracies do.',
  ]);
  expect(whenBDiffers({ environment: { jobs: 1, workers: 7 } })).toEqual([]);
});
