import { expect, test } from 'vitest';
import { seedCurve } from '../../../src/report/charts/compare-charts.js';
import type { CompareView } from '../../../src/report/compare-view.js';
import { compareReport } from '../../../src/report/pages/compare.js';
import { sampleComparison } from './sample-runs.js';

const layout = { width: 100, colour: false };
const accuracies = (values: readonly number[]) =>
  values.map((validAccuracy, index) => ({
    epoch: index + 1,
    trainLoss: 1,
    validLoss: 1,
    validAccuracy,
    correct: Math.round(validAccuracy * 100),
    total: 100,
    seconds: 10,
  }));

test('an arm is its mean with the lowest and highest seed, over the seeds that reached the epoch', () => {
  const runs = [accuracies([0.5, 0.7]), accuracies([0.6])].map((epochs, seed) => ({
    seed,
    epochs,
    steps: [],
  }));
  const curve = seedCurve({ policy: 'fixed', runs }, ({ validAccuracy }) => validAccuracy, true);
  expect(curve).toEqual({
    name: 'fixed',
    x: [1, 2],
    values: [0.55, 0.7],
    band: { low: [0.5, 0.7], high: [0.6, 0.7] },
  });
  expect(
    seedCurve({ policy: 'fixed', runs: runs.slice(0, 1) }, ({ validAccuracy }) => validAccuracy, true),
  ).not.toHaveProperty('band');
});

test('the verdict is the last thing said', () => {
  const view = sampleComparison();
  expect(
    compareReport(view, { ...layout, width: 200 })
      .split('\n')
      .at(-1),
  ).toBe(view.verdict.sentence);
});

test('every run shows its counts, also those that failed', () => {
  const view = sampleComparison();
  const arms = view.arms.map((arm, index) =>
    index === 1 ? { ...arm, failed: [{ run: 'runs/b', seed: 7, reason: 'diverged at step 12' }] } : arm,
  );
  const text = compareReport({ ...view, arms }, layout);
  for (const { final } of view.arms.flatMap(({ runs }) => runs))
    expect(text).toContain(`(${final.correct}/400)`);
  expect(text).toMatch(/1cycle +7 +failed$/mu);
  expect(text).toContain('! 1cycle with seed 7 (runs/b): diverged at step 12');
  expect(text).toContain('3 (1 failed)');
});

test('no accuracy is said to lie beyond 0 and 1, however few seeds there are', () => {
  const view = sampleComparison();
  const wide = { mean: 0.84, sd: 0.02, low: -0.2, high: 1.003 };
  const text = compareReport(
    { ...view, arms: view.arms.map((arm) => ({ ...arm, finalAccuracy: wide })) },
    layout,
  );
  expect(text).toMatch(/95% interval +\[0\.000, 1\.000\]/u);
});

test('narrow terminals get the arms as columns, uncut', () => {
  const narrow = compareReport(sampleComparison(), { ...layout, width: 60 });
  expect(narrow).toMatch(/^final accuracy +0\.717 ± 0\.008 +0\.738 ± 0\.009$/mu);
  expect(narrow).not.toContain('…');
});

test('an adjusted p-value is shown where it differs', () => {
  const view = sampleComparison();
  expect(compareReport(view, layout)).not.toContain('adjusted');
  const differences = view.differences.map((difference) => ({ ...difference, adjustedPValue: 0.166 }));
  expect(compareReport({ ...view, differences }, layout)).toMatch(/0\.083 +0\.166/u);
});

test('an arm in which nothing finished leaves gaps and no NaN', () => {
  const view = sampleComparison();
  const nothing = { mean: null, sd: null, low: null, high: null };
  const never = { ...nothing, median: null, reached: 0, n: 2 };
  const empty: CompareView = {
    ...view,
    arms: view.arms.map((arm, index) =>
      index === 0
        ? {
            ...arm,
            runs: [],
            failed: [],
            bestAccuracy: nothing,
            finalAccuracy: nothing,
            validLoss: nothing,
            stepsToTarget: never,
            secondsToTarget: never,
          }
        : arm,
    ),
    curves: view.curves.map((arm, index) => (index === 0 ? { ...arm, runs: [] } : arm)),
    differences: [],
    difference: null,
    superConvergence: null,
  };
  const text = compareReport(empty, layout);
  expect(text).not.toMatch(/NaN|Infinity|undefined|null/u);
  expect(text).toContain('never');
  expect(text).toContain('Super-convergence factor: none');
});
