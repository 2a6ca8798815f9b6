import { describe, expect, test } from 'vitest';
import { planSchedule } from '../../../src/config/plan-schedule.js';
import { resolveRun, type RunConfig } from '../../../src/config/run-config.js';
import { readDefaults } from '../../../src/config/settings.js';
import { UsageError } from '../../../src/errors.js';
import { oneCycle } from '../../../src/schedule/one-cycle.js';

function config(changes: Partial<RunConfig>): RunConfig {
  const { settings } = readDefaults();
  const run = resolveRun(settings, { imageSize: 96, lr: 1, arm: 'an arm', frozen: true });
  return { ...run, ...changes };
}

function ratesOf(changes: Partial<RunConfig>, stepsPerEpoch: number): number[] {
  const schedule = planSchedule(config(changes), stepsPerEpoch);
  return Array.from(
    { length: schedule.totalSteps },
    (_, step) => schedule.at(schedule.initialState, step).learningRate,
  );
}

/** The steps before which the rate falls. */
function cuts(changes: Partial<RunConfig>, stepsPerEpoch: number): number[] {
  const rates = ratesOf({ policy: 'fixed', ...changes }, stepsPerEpoch);
  return rates.flatMap((rate, step) => (step > 0 && rate < rates[step - 1]! ? [step] : []));
}

describe('epochs become steps', () => {
  test.each([
    [1, 1, 1],
    [5, 32, 160],
    [3, 7, 21],
  ])('%i epochs of %i steps: %i', (epochs, stepsPerEpoch, total) => {
    const run = config({ policy: 'fixed', epochs });
    expect(planSchedule(run, stepsPerEpoch).totalSteps).toBe(total);
  });
});

describe('step decay at shares of the budget', () => {
  test.each<[number, number, number[], number[]]>([
    // 1/3 and 2/3 of 160 are 53.3 and 106.7: rounded.
    [5, 32, [1 / 3, 2 / 3], [53, 107]],
    [3, 10, [1 / 3, 2 / 3], [10, 20]],
    [1, 10, [0.5], [5]],
    // 0.25 x 10 = 2.5 is rounded up.
    [1, 10, [0.25], [3]],
    // Shares that round to one step cut twice there.
    [1, 10, [0.5, 0.52], [5]],
    // A cut before the first step would only be another first rate: the first cut comes after it.
    [1, 10, [0.01], [1]],
    // A run that is too short for its cuts has none.
    [1, 1, [1 / 3, 2 / 3], []],
    [1, 2, [1 / 3, 2 / 3], [1]],
    // A share near 1 rounds to the end, which never comes.
    [1, 10, [0.99], []],
  ])('%i epochs of %i steps, at %j: before the steps %j', (epochs, stepsPerEpoch, decayAt, expected) => {
    expect(cuts({ epochs, decayAt }, stepsPerEpoch)).toEqual(expected);
  });

  test('by the factor each time', () => {
    const rates = ratesOf({ policy: 'fixed', lr: 0.5, epochs: 3, decayFactor: 0.1 }, 2);
    [0.5, 0.5, 0.05, 0.05, 0.005, 0.005].forEach((rate, step) => expect(rates[step]).toBeCloseTo(rate, 12));
  });

  test('twice where two shares round to one step, as MultiStepLR does', () => {
    const rates = ratesOf({ policy: 'fixed', lr: 0.5, epochs: 1, decayAt: [0.5, 0.52] }, 10);
    expect(rates.slice(3, 7)).toEqual([0.5, 0.5, 0.005, 0.005].map((rate) => expect.closeTo(rate, 12)));
  });
});

describe('step decay every so many epochs', () => {
  test.each<[number, number, number[]]>([
    [5, 1, [10, 20, 30, 40]],
    [5, 2, [20, 40]],
    [4, 2, [20]],
    [5, 3, [30]],
    [5, 5, []],
    [5, 9, []],
    [1, 1, []],
  ])('%i epochs of 10 steps, every %i: before the steps %j', (epochs, decayEvery, expected) => {
    expect(cuts({ epochs, decayEvery }, 10)).toEqual(expected);
  });

  test('wins over the shares', () => {
    expect(cuts({ epochs: 4, decayEvery: 3, decayAt: [0.1] }, 10)).toEqual([30]);
  });
});

describe('the other policies', () => {
  test("1cycle is the library's, with every option handed on", () => {
    const options = {
      pctStart: 0.4,
      divFactor: 10,
      finalDivFactor: 100,
      anneal: 'linear',
      threePhase: true,
    } as const;
    const run = config({ policy: '1cycle', epochs: 3, lr: 0.2, momentumRange: [0.9, 0.7], ...options });
    const planned = planSchedule(run, 10);
    const expected = oneCycle({
      totalSteps: 30,
      maxLr: 0.2,
      maxMomentum: 0.9,
      baseMomentum: 0.7,
      ...options,
    });
    for (let step = 0; step < 30; step++)
      expect(planned.at(planned.initialState, step)).toEqual(expected.at(null, step));
  });

  test.each<[RunConfig['decay'], number[]]>([
    ['none', [1, 1, 1, 1]],
    ['exponential', [1, 1, 0.5, 0.5]],
    // Half a wave over two epochs: cos(0) and cos(pi / 2).
    ['cosine', [1, 1, 0.5, 0.5]],
    ['plateau', [1, 1, 1, 1]],
  ])('%s decay over 2 epochs of 2 steps', (decay, expected) => {
    const rates = ratesOf({ policy: 'fixed', decay, decayFactor: 0.5, epochs: 2 }, 2);
    expected.forEach((rate, step) => expect(rates[step]).toBeCloseTo(rate, 12));
  });

  test('plateau has its patience and its factor', () => {
    const run = config({ policy: 'fixed', decay: 'plateau', patience: 1, decayFactor: 0.5, epochs: 9 });
    const schedule = planSchedule(run, 1);
    let state = schedule.initialState;
    const rates = [3, 3, 3, 3, 3].map((validLoss, i) => {
      state = schedule.observe(state, { epoch: i + 1, validLoss, validAccuracy: 0 });
      return schedule.at(state, i + 1).learningRate;
    });
    // Epoch 1 is the best; 2 is patience; 3 cuts; 4 is patience again; 5 cuts.
    expect(rates).toEqual([1, 1, 0.5, 0.5, 0.25]);
  });

  test('the fixed policy keeps its momentum', () => {
    const schedule = planSchedule(config({ policy: 'fixed', momentum: 0.7 }), 3);
    expect(schedule.at(schedule.initialState, 14).momentum).toBe(0.7);
  });
});

describe('a schedule that cannot be made is refused with the names of flags', () => {
  test.each<[Partial<RunConfig>, RegExp]>([
    [
      { pctStart: 0.01 },
      /^--pct-start: .* --pct-start x steps = 0\.01 x 50 = 0\.5; .* raise --pct-start above 0\.02\.$/,
    ],
    [{ pctStart: 0.6, threePhase: true }, /^--pct-start: .* never anneals, .* Lower --pct-start below 0\.5/],
    [
      { divFactor: 1, finalDivFactor: 0.5 },
      /^--final-div-factor: expected at least 1 \/ --div-factor \(1\), .* above --lr, but received 0\.5\.$/,
    ],
    [{ momentumRange: [0.8, 0.9] }, /^--momentum-range: expected at most --momentum-range \(0\.8\)/],
    [{ lr: NaN }, /^--lr: expected a finite learning rate above 0, but received NaN\.$/],
    [{ policy: 'fixed', lr: -1 }, /^--lr: expected .* received -1\.$/],
    [{ policy: 'fixed', decayFactor: 2 }, /^--decay-factor: expected at most 1/],
    [{ earlyStop: 0 }, /^--early-stop: expected a whole number of at least 1/],
    [
      { replans: [{ step: 3, fromEpochs: 1, toEpochs: 5 }], pctStart: 0.05 },
      /^--pct-start: .*0\.05 x 10 = 0\.5/,
    ],
  ])('%j', (changes, message) => {
    const plan = () => planSchedule(config({ policy: '1cycle', ...changes }), 10);
    expect(plan).toThrow(message);
    expect(plan).toThrow(UsageError);
  });
});

describe('a resolved run', () => {
  const { settings } = readDefaults();
  const resolved = { imageSize: 96, lr: 1, arm: 'a' };

  test('is frozen, and plain JSON', () => {
    const run = resolveRun(settings, { ...resolved, frozen: true });
    expect(Object.isFrozen(run)).toBe(true);
    expect(JSON.parse(JSON.stringify(run))).toEqual(run);
    expect(run).not.toHaveProperty('frozen');
  });

  test.each([
    ['crop-flip', true, 8],
    ['none', true, 1],
    ['crop-flip', false, null],
  ] as const)('augmentation %s, a frozen part %s: %s views', (augment, frozen, views) => {
    expect(resolveRun({ ...settings, augment }, { ...resolved, frozen }).views).toBe(views);
  });
});
