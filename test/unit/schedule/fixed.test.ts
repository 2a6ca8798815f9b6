import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { UsageError } from '../../../src/errors.js';
import { type Decay, fixed, type FixedState } from '../../../src/schedule/fixed.js';

const policies = (
  JSON.parse(readFileSync(new URL('../../golden/oracles/one-cycle.json', import.meta.url), 'utf8')) as {
    fixed_policies_lr_per_epoch: {
      'step_author(step=5,gamma=.1,50 epochs)': number[];
      'step(step=7,gamma=.1,25) pytorch tutorial': number[];
      'exponential(gamma=.9,10)': number[];
      'multistep([3,6],.1,10)': number[];
      'cosine(T_max=10,eta_min=0,11)': number[];
      'plateau(factor=.1,patience=2,rel 1e-4,min)': { metric: number[]; lr: number[] };
    };
  }
).fixed_policies_lr_per_epoch;

const stepsPerEpoch = 8;
const everyEpochs = (epochs: number, total: number) =>
  Array.from({ length: Math.ceil(total / epochs) - 1 }, (_, i) => (i + 1) * epochs * stepsPerEpoch);

/** The rate of the first and of the last step of each epoch, with the validation losses observed in between. */
function perEpoch(learningRate: number, epochs: number, decay: Decay, validLosses: readonly number[] = []) {
  const schedule = fixed({ totalSteps: epochs * stepsPerEpoch, learningRate, momentum: 0.9, decay });
  let state: FixedState = schedule.initialState;
  const first: number[] = [];
  const last: number[] = [];
  for (let epoch = 1; epoch <= epochs; epoch++) {
    first.push(schedule.at(state, (epoch - 1) * stepsPerEpoch).learningRate);
    last.push(schedule.at(state, epoch * stepsPerEpoch - 1).learningRate);
    // A checkpoint holds the state as JSON.
    const held = JSON.parse(JSON.stringify(state)) as FixedState;
    state = schedule.observe(held, { epoch, validLoss: validLosses[epoch - 1] ?? 1, validAccuracy: 0.5 });
  }
  return { first, last };
}

function expectRelative(actual: readonly number[], expected: readonly number[]) {
  expect(actual.length).toBe(expected.length);
  actual.forEach((a, i) => expect(Math.abs(a - expected[i]!)).toBeLessThanOrEqual(1e-9 * expected[i]!));
}

describe('fixed against torch', () => {
  it.each<[string, number, Decay, number[]]>([
    [
      'StepLR(5), as the post has it',
      0.007,
      { kind: 'step', at: everyEpochs(5, 50), factor: 0.1 },
      policies['step_author(step=5,gamma=.1,50 epochs)'],
    ],
    [
      'StepLR(7)',
      0.001,
      { kind: 'step', at: everyEpochs(7, 25), factor: 0.1 },
      policies['step(step=7,gamma=.1,25) pytorch tutorial'],
    ],
    [
      'MultiStepLR([3, 6])',
      0.007,
      { kind: 'step', at: [3 * stepsPerEpoch, 6 * stepsPerEpoch], factor: 0.1 },
      policies['multistep([3,6],.1,10)'],
    ],
    [
      'ExponentialLR(0.9)',
      0.007,
      { kind: 'exponential', factor: 0.9, stepsPerEpoch },
      policies['exponential(gamma=.9,10)'],
    ],
    [
      // The oracle's eleventh epoch has rate 0 and lies beyond the budget of ten.
      'CosineAnnealingLR(T_max = epochs)',
      0.007,
      { kind: 'cosine', stepsPerEpoch },
      policies['cosine(T_max=10,eta_min=0,11)'].slice(0, 10),
    ],
  ])('%s', (_name, learningRate, decay, expected) => {
    const { first, last } = perEpoch(learningRate, expected.length, decay);
    expectRelative(first, expected);
    expectRelative(last, expected);
  });

  it('ReduceLROnPlateau(0.1, patience 2)', () => {
    // Epoch 5 is the third without improvement on 0.9, so epoch 6 is the first with a tenth of the rate.
    const { metric, lr } = policies['plateau(factor=.1,patience=2,rel 1e-4,min)'];
    const { first, last } = perEpoch(0.007, 12, { kind: 'plateau', factor: 0.1, patience: 2 }, metric);
    expectRelative(first, lr);
    expectRelative(last, lr);
  });
});

describe('plateau decay', () => {
  const decay = { kind: 'plateau', factor: 0.5, patience: 0 } as const;

  it('counts an improvement of more than 1e-4 of the best loss alone', () => {
    // 1 -> 0.9999 improves by 1e-4 exactly, no improvement; 0.99989 improves by 1.1e-4.
    expect(perEpoch(1, 3, decay, [1, 0.9999]).first).toEqual([1, 1, 0.5]);
    expect(perEpoch(1, 3, decay, [1, 0.99989]).first).toEqual([1, 1, 1]);
  });

  it('takes NaN and Infinity for epochs without improvement, and can still improve after them', () => {
    expect(perEpoch(1, 5, decay, [NaN, Infinity, 3, 2]).first).toEqual([1, 0.5, 0.25, 0.25, 0.25]);
  });

  it('reduces rates below 1e-8 too', () => {
    expect(perEpoch(1e-9, 3, decay, [1, 1]).first).toEqual([1e-9, 1e-9, 5e-10]);
  });
});

describe('fixed refuses', () => {
  const sound = { totalSteps: 20, learningRate: 0.01, momentum: 0.9 };
  it.each<[object, string, string]>([
    [{ totalSteps: -1 }, 'totalSteps', '-1'],
    [{ learningRate: 0 }, 'learningRate', '0'],
    [{ learningRate: Infinity }, 'learningRate', 'Infinity'],
    [{ momentum: 1 }, 'momentum', '1'],
    [{ momentum: NaN }, 'momentum', 'NaN'],
    [{ decay: { kind: 'step', at: [5], factor: 0 } }, 'decayFactor', '0'],
    [{ decay: { kind: 'step', at: [5], factor: 10 } }, 'decayFactor', '10'],
    [{ decay: { kind: 'step', at: [0], factor: 0.1 } }, 'decayAt', '0'],
    [{ decay: { kind: 'step', at: [7.5], factor: 0.1 } }, 'decayAt', '7.5'],
    [{ decay: { kind: 'step', at: [8, 4], factor: 0.1 } }, 'decayAt', '4'],
    [{ decay: { kind: 'exponential', factor: 0.9, stepsPerEpoch: 0 } }, 'stepsPerEpoch', '0'],
    [{ decay: { kind: 'cosine', stepsPerEpoch: 2.5 } }, 'stepsPerEpoch', '2.5'],
    [{ decay: { kind: 'plateau', factor: -1, patience: 2 } }, 'decayFactor', '-1'],
    [{ decay: { kind: 'plateau', factor: 0.1, patience: -1 } }, 'patience', '-1'],
  ])('%o, naming option and value', (wrong, option, value) => {
    const make = () => fixed({ ...sound, ...wrong });
    expect(make).toThrow(UsageError);
    expect(make).toThrow(new RegExp(`^${option}: expected .*but received ${value.replace('.', '\\.')}\\.$`));
  });

  it.each([-1, 20, 0.5])('step %s of 20 with a RangeError', (step) => {
    expect(() => fixed(sound).at(null, step)).toThrow(RangeError);
  });
});
