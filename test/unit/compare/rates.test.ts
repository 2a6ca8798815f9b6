import { expect, test } from 'vitest';
import { compareRuns } from '../../../src/compare/conclude.js';
import { chooseRates, ratesBehind } from '../../../src/compare/rates.js';
import type { FailedRun, RecordedRun } from '../../../src/compare/read.js';
import { recordedRun } from './recorded-run.js';

/** Ten images, of which a run gets so many right. */
function run(
  { arm = '1cycle', seed = 0, factor = 1, lrSource = 'range-test' },
  correct: number,
): RecordedRun {
  const made = recordedRun(
    arm,
    seed,
    Array.from({ length: 10 }, (_, i) => i < correct),
  );
  const config = { ...made.record.config, lr: 0.01 * factor, lrSource };
  const record = { ...made.record, dir: `${made.record.dir}-x${factor}`, config };
  return { ...made, lrFactor: factor, key: record.dir, record };
}

/** One arm at half, once and twice its rate: a row a seed, correct answers of ten. */
function grid(rows: readonly (readonly number[])[], arm = '1cycle'): RecordedRun[] {
  const factors = [0.5, 1, 2];
  return rows.flatMap((row, seed) =>
    row.map((correct, i) => run({ arm, seed, factor: factors[i]! }, correct)),
  );
}

const chosen = (runs: readonly RecordedRun[], failed: readonly FailedRun[] = []) =>
  chooseRates(['1cycle'], { finished: runs, failed });
const factorsOf = (runs: readonly RecordedRun[]) => runs.map(({ seed, lrFactor }) => [seed, lrFactor]);

test('each seed is compared at the rate that the other seeds choose', () => {
  const { finished, rates, warnings } = chosen(
    grid([
      [5, 7, 6],
      [5, 6, 8],
      [5, 6, 8],
    ]),
  );
  // Seed 0 alone does best at its own rate, and has no say in its own case: the others lose 2 of 10 there and choose 2. Of the seeds
  // 0 and 2 one loses 2 at the own rate and the other gains 1: 0.5 lost on average with a standard error of 1.5, no reason to leave it.
  expect(factorsOf(finished)).toEqual([
    [0, 2],
    [1, 1],
    [2, 1],
  ]);
  expect(rates.get('1cycle')).toMatchObject([
    { learningRate: 0.005, factor: 0.5, source: 'range-test', runs: 3, failed: 0, chosen: 0 },
    { learningRate: 0.01, factor: 1, finalAccuracy: { mean: 19 / 30, n: 3 }, chosen: 2 },
    { learningRate: 0.02, factor: 2, chosen: 1 },
  ]);
  // The mean of all is highest at the end all the same.
  expect(warnings).toEqual([
    '1cycle does best at the highest of its 3 rates, 2e-2, though not clearly, so that most seeds are compared elsewhere: a better one may lie beyond. Raise --rates, or state another --lr.',
  ]);
});

test('a rate that is better by more than a standard error is chosen, and of equally good ones the nearest to its own', () => {
  const { finished, warnings } = chosen(
    grid([
      [5, 6, 8],
      [5, 7, 8],
      [5, 7, 9],
      [5, 6, 9],
    ]),
  );
  expect(factorsOf(finished).map(([, factor]) => factor)).toEqual([2, 2, 2, 2]);
  expect(warnings).toEqual([
    '1cycle does best at the highest of its 3 rates, 2e-2: the best one may lie beyond. Raise --rates, or state another --lr.',
  ]);
  // Without its own rate: half of it is 2 of 10 worse for the seed that decides, and the double is as far away.
  const without = grid([
    [6, 0, 8],
    [6, 0, 8],
  ]).filter(({ lrFactor }) => lrFactor !== 1);
  expect(factorsOf(chosen(without).finished)).toEqual([
    [0, 2],
    [1, 2],
  ]);
});

test('a run that failed got nothing right, and ties go to the rate nearest to its own', () => {
  const runs = grid([
    [6, 6, 9],
    [6, 6, 9],
  ]);
  const { record, arm, seed, pair, lrFactor, key } = runs.find(
    (made) => made.seed === 1 && made.lrFactor === 2,
  )!;
  const broken: FailedRun = { arm, seed, pair, lrFactor, key, record, run: record.dir, reason: 'diverged' };
  const found = chosen(
    runs.filter(({ record: { dir } }) => dir !== record.dir),
    [broken],
  );
  // Seed 0 would be best at 2, where seed 1 failed; seed 1 is judged at 2, as seed 0 did best there: it failed.
  expect(factorsOf(found.finished)).toEqual([[0, 1]]);
  expect(found.failed).toEqual([broken]);
  expect(found.rates.get('1cycle')![2]).toMatchObject({ factor: 2, runs: 1, failed: 1, chosen: 1 });
});

test('an arm at one rate is compared as it is, and nothing is said of an edge', () => {
  const runs = [run({ seed: 0 }, 5), run({ seed: 1 }, 7)];
  const { finished, rates, warnings } = chosen(runs);
  expect(finished).toEqual(runs);
  expect(rates.get('1cycle')).toMatchObject([{ factor: 1, chosen: 2, finalAccuracy: { mean: 0.6 } }]);
  expect(warnings).toEqual([]);
});

test('runs of an arm at rates of their own: the lowest and the highest, and an origin only where it is one', () => {
  const at = (seed: number, lr: number, lrSource: string): RecordedRun => {
    const made = run({ seed, lrSource }, 5);
    return { ...made, record: { ...made.record, config: { ...made.record.config, lr } } };
  };
  const rateOf = (runs: readonly RecordedRun[]) => chosen(runs).rates.get('1cycle');
  expect(rateOf([at(0, 2e-3, 'stated'), at(1, 1e-3, 'stated')])).toMatchObject([
    { learningRate: 1e-3, highestRate: 2e-3, source: 'stated', runs: 2 },
  ]);
  expect(rateOf([at(0, 1e-3, 'stated'), at(1, 1e-3, 'range-test')])).toMatchObject([{ source: null }]);
  expect(rateOf([at(0, 1e-3, 'stated'), at(1, 1e-3, 'stated')])![0]).not.toHaveProperty('highestRate');
});

test.each([
  ['a best mean between the ends', [5, 7, 6]],
  ['equal means', [6, 6, 6]],
])('%s is no warning', (_, row) => {
  expect(chosen(grid([row, row])).warnings).toEqual([]);
});

test('a comparison at several rates is about the chosen ones alone', () => {
  const cycle = grid([
    [3, 5, 7],
    [3, 5, 7],
    [3, 5, 7],
  ]);
  const fixed = grid(
    [
      [8, 6, 1],
      [8, 6, 1],
      [8, 6, 1],
    ],
    'fixed',
  );
  const { arms, difference, verdict, warnings } = compareRuns(
    ['fixed', '1cycle'],
    [...cycle, ...fixed],
    [],
    0.5,
  );
  expect(arms.map(({ finalAccuracy: { mean } }) => Math.round(1000 * mean!))).toEqual([800, 700]);
  expect(difference!.mean).toBeCloseTo(-0.1, 12);
  expect(verdict.rates).toBe('tuned');
  // The rates of an arm differ by design: no warning but those of the edges.
  expect(warnings).toEqual([
    'fixed does best at the lowest of its 3 rates, 5e-3: the best one may lie beyond. Raise --rates, or state another --lr.',
    '1cycle does best at the highest of its 3 rates, 2e-2: the best one may lie beyond. Raise --rates, or state another --lr.',
  ]);
});

test.each([
  ['range-test', 'measured'],
  ['built-in', 'measured'],
  ['built-in-elsewhere', 'unmeasured'],
  ['stated', 'unmeasured'],
  ['none', 'unmeasured'],
])('with a rate of the origin %s the rates are %s', (lrSource, behind) => {
  const { rates } = chooseRates(['fixed', '1cycle'], {
    finished: [run({ arm: 'fixed' }, 5), run({ lrSource }, 5)],
    failed: [],
  });
  expect(ratesBehind([...rates.values()])).toBe(behind);
});
