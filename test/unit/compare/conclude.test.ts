import { describe, expect, it, test } from 'vitest';
import { compareRuns } from '../../../src/compare/conclude.js';
import { readRuns, type RecordedRun } from '../../../src/compare/read.js';
import { bestAndFinalByClass } from '../../../src/runs/check-run.js';
import { freshFolder } from '../runs/fresh-folder.js';
import { recordedRun } from './recorded-run.js';
import { makeRun } from './recorded-runs.js';

const right = (text: string) => [...text].map((letter) => letter === '1');
/** What a run gets right after each of its two epochs, a digit an image. */
const answers = (first: string, last: string) => [right(first), right(last)] as const;

/** Two arms, two pairs: accuracies of fixed 2/4 and 3/4, of 1cycle 3/4 and 3/4. */
async function fourRuns() {
  const out = freshFolder();
  const dirs = [
    await makeRun(out, { arm: 'fixed', seed: 0, right: answers('1000', '1100') }),
    await makeRun(out, { arm: 'fixed', seed: 1, right: answers('1110', '1110') }),
    await makeRun(out, { arm: '1cycle', seed: 0, right: answers('1111', '0111') }),
    await makeRun(out, { arm: '1cycle', seed: 1, right: answers('0000', '1101') }),
  ];
  return { out, dirs, ...(await readRuns(dirs)) };
}

test('means, deviations, best and final of each arm, by hand', async () => {
  const { dirs, finished } = await fourRuns();
  const { arms } = compareRuns(['fixed', '1cycle'], finished, [], undefined);
  expect(arms.map(({ policy }) => policy)).toEqual(['fixed', '1cycle']);
  const [fixed, cycle] = arms;
  expect(fixed!.runs.map(({ run, seed }) => [run, seed])).toEqual([
    [dirs[0], 0],
    [dirs[1], 1],
  ]);
  // (1/2 + 3/4) / 2 and sqrt(2 x (1/8)^2).
  expect(fixed!.finalAccuracy.mean).toBe(0.625);
  expect(fixed!.finalAccuracy.sd).toBeCloseTo(0.1767766952966369, 15);
  expect(cycle!.finalAccuracy).toMatchObject({ mean: 0.75, sd: 0 });
  expect(cycle!.bestAccuracy.mean).toBe((1 + 0.75) / 2);
  expect(cycle!.runs[0]).toMatchObject({
    best: { epoch: 1, correct: 4 },
    final: { epoch: 2, correct: 3, total: 4 },
  });
  // 1 - correct / 8.
  expect(fixed!.validLoss.mean).toBe((0.75 + 0.625) / 2);
});

test('runs that diverged and stayed finite count, with a warning', () => {
  const runs = ['fixed', '1cycle'].flatMap((arm) =>
    [0, 1].map((seed) => recordedRun(arm, seed, right('110'))),
  );
  const found = (compared: readonly RecordedRun[]) =>
    compareRuns(['fixed', '1cycle'], compared, [], undefined);
  const wild = runs.map((run, i) => {
    const epochs = run.record.epochs.map((epoch) => ({ ...epoch, validLoss: 5.7e13 }));
    return i === 3 ? { ...run, record: { ...run.record, epochs } } : run;
  });
  expect(found(runs).warnings).toEqual([]);
  expect(found(wild)).toMatchObject({
    arms: [{}, { runs: [{ seed: 0 }, { seed: 1 }] }],
    warnings: [
      '1cycle ends with 1 of 2 seeds at a loss far above 0.69, which guessing among 2 classes gives: up to 5.7e13. Such a run diverged, or is sure of wrong answers, and counts as it is. Lower --lr, or let find-lr choose it.',
    ],
  });
});

test('the difference is paired, and each pair says which images one alone got right', async () => {
  const { finished } = await fourRuns();
  const { difference, differences, superConvergence } = compareRuns(
    ['fixed', '1cycle'],
    finished,
    [],
    undefined,
  );
  expect(differences).toEqual([difference]);
  // (+1/4 + 0) / 2.
  expect(difference).toMatchObject({
    arm: '1cycle',
    baseline: 'fixed',
    metric: 'finalAccuracy',
    mean: 0.125,
  });
  // 0111 against 1100: two images for 1cycle alone, one for fixed alone; 1101 against 1110: one each.
  expect(difference!.perSeed).toMatchObject([
    { seed: 0, difference: 0.25, onlyArm: 2, onlyBaseline: 1, pValue: 1 },
    { seed: 1, difference: 0, onlyArm: 1, onlyBaseline: 1, pValue: 1 },
  ]);
  expect(difference!.overImages).toMatchObject({ n: 4 });
  expect(superConvergence!.target).toBe(0.625);
});

test('steps and seconds to a target count whole epochs; a run that never reaches it is no number', async () => {
  const { finished } = await fourRuns();
  const { arms } = compareRuns(['fixed', '1cycle'], finished, [], 0.75);
  // fixed: never, after epoch 1 of 3 steps and 2 seconds; 1cycle: after epoch 1, after epoch 2.
  expect(arms[0]!.stepsToTarget).toMatchObject({ reached: 1, n: 2, mean: null });
  expect(arms[1]!.stepsToTarget).toMatchObject({ reached: 2, n: 2, mean: 4.5 });
  expect(arms[1]!.secondsToTarget).toMatchObject({ reached: 2, mean: 3 });
});

test('the order of the arms is the given one, and the first is the baseline', async () => {
  const { finished } = await fourRuns();
  const { difference } = compareRuns(['1cycle', 'fixed'], finished.toReversed(), [], undefined);
  expect(difference).toMatchObject({ arm: 'fixed', baseline: '1cycle', mean: -0.125 });
  expect(difference!.perSeed.map(({ seed }) => seed)).toEqual([0, 1]);
});

test('three arms: each against the first, p corrected for two comparisons', async () => {
  const { out, dirs } = await fourRuns();
  const third = [
    await makeRun(out, { arm: 'fixed:cosine', seed: 0, right: answers('0000', '0000') }),
    await makeRun(out, { arm: 'fixed:cosine', seed: 1, right: answers('0000', '1000') }),
  ];
  const { finished } = await readRuns([...dirs, ...third]);
  const { differences, difference } = compareRuns(
    ['fixed', 'fixed:cosine', '1cycle'],
    finished,
    [],
    undefined,
  );
  expect(differences.map(({ arm, mean }) => [arm, mean])).toEqual([
    ['fixed:cosine', -0.5],
    ['1cycle', 0.125],
  ]);
  expect(difference).toEqual(differences[1]);
  for (const { pValue, adjustedPValue } of differences)
    expect(adjustedPValue).toBeGreaterThanOrEqual(pValue!);
});

test('runs that failed or have no partner are told, and flatter nobody in silence', async () => {
  const { out, dirs } = await fourRuns();
  const killed = await makeRun(out, { arm: '1cycle', seed: 2, status: null });
  const alone = await makeRun(out, { arm: 'fixed', seed: 2 });
  const { finished, failed } = await readRuns([...dirs, killed, alone]);
  const { arms, warnings, difference } = compareRuns(['fixed', '1cycle'], finished, failed, undefined);
  expect(arms[1]!.failed).toEqual([
    {
      run: killed,
      seed: 2,
      reason: 'unfinished: it has no result.json after 2 of 2 epochs (6 steps); it was killed',
    },
  ]);
  expect(warnings).toEqual([
    '1cycle did not finish with 1 of 3 seeds. Its means are over those that finished, which flatters it.',
    '1 run of fixed has no partner with the same seed and counts in no difference.',
  ]);
  expect(difference!.mean).toBe(0.125);
});

test('one arm has nothing to be compared with; none is no comparison', async () => {
  const { finished } = await fourRuns();
  const alone = compareRuns(['fixed'], finished, [], undefined);
  expect(alone).toMatchObject({
    differences: [],
    difference: null,
    superConvergence: null,
    verdict: { claim: 'none' },
  });
  expect(() => compareRuns([], finished, [], undefined)).toThrow('compare needs at least one arm');
});

test('arms that were judged on other images are compared in the mean, but not image by image', async () => {
  const { out, dirs } = await fourRuns();
  const other = await makeRun(out, { arm: 'other', seed: 0, right: answers('111', '111') });
  const { finished } = await readRuns([...dirs.slice(0, 1), other]);
  const { difference } = compareRuns(['fixed', 'other'], finished, [], undefined);
  expect(difference).toMatchObject({ mean: 0.5, overImages: null, perSeed: [] });
});

describe('balanced accuracy', () => {
  const LABELS = [...Array<number>(8).fill(0), ...Array<number>(2).fill(1)];
  /** A run on eight images of class 0 and two of class 1, with so many right of each. */
  const uneven = (arm: string, seed: number, [ofEight, ofTwo]: readonly [number, number]): RecordedRun => {
    const right = LABELS.map((label, i) => (label === 0 ? i < ofEight : i < 8 + ofTwo));
    const run = recordedRun(arm, seed, right);
    const predictions = LABELS.map((label, i) => {
      const answer = { predicted: right[i] ? label : 1 - label, probability: 0.9 };
      return { image: `val/${i}.png`, label, final: answer, best: answer };
    });
    const record = { ...run.record, predictions, result: {} };
    const { best, final } = bestAndFinalByClass(record);
    const epochs = record.epochs.map((epoch) => ({ ...epoch, balancedAccuracy: epoch.validAccuracy / 2 }));
    return { ...run, best: best!, final: final!, record: { ...record, epochs } };
  };
  // By accuracy a is better with each seed, by balanced accuracy b.
  const runs = [0, 1, 2].flatMap((seed) => [
    uneven('a', seed, [8, 0]),
    uneven('b', seed, seed === 0 ? [5, 2] : [6, 1]),
  ]);

  it('turns the difference round where it is the metric', () => {
    const plain = compareRuns(['a', 'b'], runs, [], undefined).difference!;
    expect(plain.metric).toBe('finalAccuracy');
    expect(plain.mean).toBeCloseTo(-0.1, 12);
    const { difference, verdict, arms } = compareRuns(['a', 'b'], runs, [], 0.3, 'balanced-accuracy');
    // a: (1 + 0)/2; b: (5/8 + 1)/2 once, (6/8 + 1/2)/2 twice.
    expect(arms.map(({ balancedAccuracy }) => balancedAccuracy.mean)).toEqual([
      0.5,
      expect.closeTo((0.8125 + 2 * 0.625) / 3, 12),
    ]);
    expect(difference).toMatchObject({ metric: 'balancedAccuracy', method: 'crossed' });
    expect(difference!.mean).toBeCloseTo((0.3125 + 2 * 0.125) / 3, 12);
    expect(difference!.perSeed.map((seed) => seed.difference)).toEqual([0.3125, 0.125, 0.125]);
    expect(difference!.perSeed[0]).toMatchObject({ onlyArm: 2, onlyBaseline: 3 });
    expect(difference!.overImages!.mean).toBeCloseTo(difference!.mean!, 12);
    expect(verdict.sentence).toContain('in balanced accuracy b ends 18.8 points above a on average');
    expect(arms[1]!.perClass).toMatchObject([
      { class: 'no', images: 8, recall: 17 / 24 },
      { class: 'yes', images: 2, recall: 4 / 6 },
    ]);
    // Epochs climb by a fifth of half the accuracy: a stands at 0.3 after the fourth, b after none but its first seeds' last.
    expect(arms[0]!.stepsToTarget).toMatchObject({ median: 4 * 32, reached: 3 });
  });

  it('chooses rates by it', () => {
    const at = (lrFactor: number, run: RecordedRun): RecordedRun => ({ ...run, lrFactor });
    const many = runs
      .filter(({ arm }) => arm === 'b')
      .flatMap((run) => [run, at(2, uneven('b', run.seed, [8, 0]))]);
    const rates = (metric: 'accuracy' | 'balanced-accuracy') =>
      compareRuns(['b'], many, [], undefined, metric).arms[0]!.rates.map(({ factor, chosen }) => [
        factor,
        chosen,
      ]);
    expect(rates('accuracy')).toEqual([
      [1, 0],
      [2, 3],
    ]);
    expect(rates('balanced-accuracy')).toEqual([
      [1, 3],
      [2, 0],
    ]);
  });

  it('is taken from the predictions where epochs do not tell, without steps to a target', () => {
    const older = runs.map((run) => ({
      ...run,
      record: {
        ...run.record,
        epochs: run.record.epochs.map(({ balancedAccuracy: _, ...epoch }) => epoch),
      },
    }));
    const { difference, arms, warnings, superConvergence } = compareRuns(
      ['a', 'b'],
      older,
      [],
      0.3,
      'balanced-accuracy',
    );
    expect(difference!.mean).toBeCloseTo((0.3125 + 2 * 0.125) / 3, 12);
    expect([arms[0]!.stepsToTarget, superConvergence]).toEqual([null, null]);
    expect(warnings.join()).toContain(
      '6 runs were recorded by a version that told the balanced accuracy of no epoch',
    );
  });

  it('needs predictions', () => {
    const without = runs.map((run) => recordedRun(run.arm, run.seed, [true, false]));
    expect(() => compareRuns(['a', 'b'], without, [], undefined, 'balanced-accuracy')).toThrow(
      '--metric balanced-accuracy needs the predictions of every run',
    );
  });
});
