import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GivenSettings } from '../../../src/config/check-settings.js';
import { resolveRun } from '../../../src/config/run-config.js';
import { readDefaults } from '../../../src/config/settings.js';
import { UsageError } from '../../../src/errors.js';
import type { JsonObject } from '../../../src/runs/json.js';
import { extendedConfig, recordedRunConfig, refuseContradictions } from '../../../src/train/resume.js';

const { settings } = readDefaults();
const config = resolveRun(settings, { imageSize: 96, lr: 0.01, arm: '1cycle', frozen: true });
const TRAINED_NORM = resolveRun(settings, {
  ...{ imageSize: 96, lr: 0.01, arm: '1cycle', frozen: true },
  network: { batchNorm: 'train', bnMomentum: 0.99, stemStride: 2, alpha: null },
});
const json = (value: object) => JSON.parse(JSON.stringify(value)) as JsonObject;
const read = (document: object) => recordedRunConfig(json(document), 'RUN/config.json');
const contradict = (given: GivenSettings) => () => refuseContradictions('RUN', config, given);

describe('the configuration of a recorded run', () => {
  it.each([
    ['as it was resolved', config],
    ['without a frozen part', resolveRun(settings, { imageSize: 96, lr: 0.01, arm: 'a', frozen: false })],
    ['extended twice', extendedConfig(extendedConfig(config, 6, 3), 7, 9)],
    ['with early stopping', { ...config, earlyStop: 2, decayEvery: 3 }],
    ['with batch norm in training mode', TRAINED_NORM],
    ['with class weights', { ...config, classWeights: 'balanced' }],
    ['with a table of labels', { ...config, labels: 'labels.csv', classDepth: 1 }],
    ['with classes of two folders', { ...config, classDepth: 2 }],
    ['with random weights', { ...TRAINED_NORM, weights: 'none', alpha: 0.5, stemStride: 1 }],
  ])('comes back %s', (_, written) => expect(read(written)).toEqual(written));

  it.each([
    [
      'an unknown key',
      { momentunm: 1 },
      /Unknown key "momentunm" in RUN\/config.json. Did you mean "momentum"/,
    ],
    ['a mistyped value', { batchSize: '4' }, /Expected a whole number .* for "batchSize"/],
    ['no rate', { lr: 'auto' }, /Expected numbers for "imageSize" and "lr"/],
    ['no policy', { policy: undefined }, /names no policy/],
    ['a bad replan', { replans: [{ step: -1, fromEpochs: 1, toEpochs: 2 }] }, /"replans"/],
    ['replans that are no list', { replans: {} }, /"replans"/],
    ['a lack', { seed: undefined }, /lacks seed: another onecycle wrote it/],
  ])('is refused with %s', (_, change, message) => {
    expect(() => read({ ...config, ...change })).toThrow(UsageError);
    expect(() => read({ ...config, ...change })).toThrow(message);
  });

  it('changes no prototype', () => {
    const text = JSON.stringify(config).replace('{', '{"__proto__":{"polluted":1},');
    expect(() => recordedRunConfig(JSON.parse(text) as JsonObject, 'RUN/config.json')).toThrow(UsageError);
    expect({}).not.toHaveProperty('polluted');
  });
});

describe('what is given on resume', () => {
  it.each<GivenSettings>([
    {},
    { batchSize: 32, seed: 0, momentumRange: [0.95, 0.85], decayAt: [1 / 3, 2 / 3] },
    { data: 'elsewhere', weights: 'other', workers: 7, quiet: true, backend: 'cpu', out: 'x' },
    { lr: 0.01 },
    { lr: 'auto' },
    { lr: 'from:there' },
    { lr: { fixed: 5, '1cycle': 0.01 } },
    { lr: { fixed: 5 } },
    { views: 8 },
  ])('passes: %j', (given) => expect(contradict(given)).not.toThrow());

  it.each<[GivenSettings, RegExp]>([
    [{ batchSize: 16 }, /\n {2}--batch-size: 32 in the run, 16 given\n/],
    [{ lr: 0.02 }, /--lr: 0.01 in the run, 0.02 given/],
    [{ lr: { '1cycle': 0.02 } }, /--lr: 0.01 in the run, 0.02 given/],
    [{ policy: 'fixed' }, /--policy: 1cycle in the run, fixed given/],
    [{ earlyStop: 3 }, /--early-stop: none in the run, 3 given/],
    [{ momentumRange: [0.9, 0.8] }, /--momentum-range: \[0.95,0.85\] in the run, \[0.9,0.8\] given/],
    [{ views: 3 }, /--views: 8 in the run, 3 given/],
    [{ epochs: 9 }, /--epochs: 5 in the run, 9 given\n.*--extend-to/],
    [{ splitSeed: 4 }, /--split-seed: 0 in the run, 4 given/],
  ])('is refused: %j', (given, message) => {
    expect(contradict(given)).toThrow(UsageError);
    expect(contradict(given)).toThrow(message);
  });
});

describe('batch norm on resume', () => {
  it.each<[object, GivenSettings, RegExp]>([
    // An older record, which says nothing, was folded.
    [config, { batchNorm: 'train' }, /--batch-norm: fold in the run, train given/],
    [config, { stemStride: 1 }, /--stem-stride: 2 in the run, 1 given/],
    [TRAINED_NORM, { batchNorm: 'fold' }, /--batch-norm: train in the run, fold given/],
    [TRAINED_NORM, { bnMomentum: 0.9 }, /--bn-momentum: 0.99 in the run, 0.9 given/],
  ])('is that of the run', (run, given, message) => {
    const refused = () => refuseContradictions('RUN', run as typeof config, given);
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(message);
  });

  it('may be given again as it is', () => {
    expect(contradict({ batchNorm: 'fold', stemStride: 2 })).not.toThrow();
    expect(() =>
      refuseContradictions('RUN', TRAINED_NORM, { batchNorm: 'train', bnMomentum: 0.99 }),
    ).not.toThrow();
  });
});

describe('an extension', () => {
  it('adds a replan and raises the epochs, whatever was before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 6, max: 99 }), fc.nat(), (epochs, step) => {
        const extended = extendedConfig(config, epochs, step);
        expect(extended).toEqual({ ...config, epochs, replans: [{ step, fromEpochs: 5, toEpochs: epochs }] });
      }),
    );
  });

  it.each([1, 5])('to %d epochs of 5 is refused', (epochs) =>
    expect(() => extendedConfig(config, epochs, 0)).toThrow(UsageError),
  );
});
