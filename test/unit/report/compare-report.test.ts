import { describe, expect, test } from 'vitest';
import { epochCharts, overSeeds } from '../../../src/report/charts/training.js';
import { compareReport } from '../../../src/report/pages/compare.js';
import type { CompareDocument, Metric } from '../../../src/runs/documents.js';
import { sampleComparison, sampleCurves } from './sample-runs.js';

const layout = { width: 100, colour: false };
const report = (document: CompareDocument, columns = layout.width) =>
  compareReport(document, sampleCurves(), { ...layout, width: columns });
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

test('an arm is its mean while all seeds train, with the lowest and highest of those that reached the epoch', () => {
  const runs = [accuracies([0.5, 0.7]), accuracies([0.6])].map((epochs, seed) => ({
    seed,
    epochs,
    steps: [],
  }));
  const accuracy = (epoch: { readonly validAccuracy: number }) => epoch.validAccuracy;
  expect(overSeeds({ policy: 'fixed', runs }, accuracy)).toEqual({
    name: 'fixed',
    points: [{ x: 1, y: 0.55 }],
    band: [
      { x: 1, low: 0.5, high: 0.6 },
      { x: 2, low: 0.7, high: 0.7 },
    ],
    strands: [
      [
        { x: 1, y: 0.5 },
        { x: 2, y: 0.7 },
      ],
      [{ x: 1, y: 0.6 }],
    ],
  });
  const one = overSeeds({ policy: 'fixed', runs: runs.slice(0, 1) }, accuracy);
  expect(Object.keys(one)).toEqual(['name', 'points']);
});

test('the curves are of what the arms are compared by', () => {
  // The second record is of a version that did not tell.
  const epochs = accuracies([0.5, 0.7]).map((epoch, i) =>
    i > 0 ? epoch : { ...epoch, balancedAccuracy: 0.4 },
  );
  const arms = [{ policy: 'fixed', runs: [{ seed: 0, epochs, steps: [] }] }];
  const titleAndPoints = (metric?: Metric) => {
    const { title, series } = epochCharts(arms, metric).accuracy;
    return [title, series.map(({ points }) => points.map(({ y }) => y))];
  };
  expect(titleAndPoints()).toEqual(['validation accuracy', [[0.5, 0.7]]]);
  expect(titleAndPoints('balanced-accuracy')).toEqual(['balanced validation accuracy', [[0.4]]]);
});

test('the verdict is the last thing said', () => {
  const document = sampleComparison();
  expect(report(document, 200).split('\n').at(-1)).toBe(document.verdict.sentence);
});

test('every run shows its counts, also those that failed', () => {
  const document = sampleComparison();
  const arms = document.arms.map((arm, index) =>
    index === 1 ? { ...arm, failed: [{ run: 'runs/b', seed: 7, reason: 'diverged at step 12' }] } : arm,
  );
  const text = report({ ...document, arms });
  for (const { final } of document.arms.flatMap(({ runs }) => runs))
    expect(text).toContain(`(${final.correct}/400)`);
  expect(text).toMatch(/1cycle +7 +failed$/mu);
  expect(text).toContain('! 1cycle with seed 7 (runs/b): diverged at step 12');
  expect(text).toContain('3 (1 failed)');
});

test('an arm at several rates: the range of those that were chosen, and by which rule', () => {
  const document = sampleComparison();
  const arms = document.arms.map((arm) => ({
    ...arm,
    rates: arm.rates.flatMap((rate) => [
      { ...rate, chosen: 2 },
      { ...rate, learningRate: 1e-3, factor: 2, chosen: 1 },
    ]),
  }));
  const text = report({ ...document, arms }).replace(/\s+/gu, ' ');
  expect(text).toContain('5e-4 to 1e-3 (chosen of 2)');
  expect(text).toContain("the rate nearest to the arm's own that is no more than one standard error worse");
});

test('an arm whose runs had several rates says the range', () => {
  const document = sampleComparison();
  const arms = document.arms.map((arm) => ({
    ...arm,
    rates: arm.rates.map((rate) => ({ ...rate, source: 'stated' as const, highestRate: 2e-3 })),
  }));
  expect(report({ ...document, arms })).toMatch(/learning rate +5e-4 to 2e-3 \(stated\)/u);
});

test('losses of a diverged arm are short', () => {
  const document = sampleComparison();
  const validLoss = { mean: 57024565477376, sd: 6089112598387.161, low: 0, high: 0, n: 3 };
  const arms = document.arms.map((arm) => ({ ...arm, validLoss }));
  expect(report({ ...document, arms })).toMatch(/valid loss +5\.7e13 ± 6\.09e12/u);
});

test('narrow terminals get the arms as columns, uncut', () => {
  const narrow = report(sampleComparison(), 60);
  expect(narrow).toMatch(/^final accuracy +0\.718 ± 0\.008 +0\.738 ± 0\.009$/mu);
  expect(narrow).not.toContain('…');
});

const LONG = ['fixed', '1cycle', 'cosine-three-phase', '1cycle-without-momentum'];

test.each([
  [60, ['fixed', '1cycle', 'step']],
  [60, LONG],
  [80, LONG],
  [120, LONG],
  [200, LONG],
])('at %i columns no heading and no value of %j is cut', (width, policies) => {
  const document = sampleComparison(policies);
  const text = compareReport(document, sampleCurves(policies), { width, colour: false });
  expect(text).not.toContain('…');
  const words = text.replace(/\s+/gu, ' ');
  for (const heading of ['final accuracy', '95% interval', 'time per run', 'steps to 0.700', 'variance']) {
    expect(words).toContain(heading);
  }
  for (const policy of policies) expect(words).toContain(policy);
  for (const { final } of document.arms.flatMap(({ runs }) => runs)) {
    expect(words).toContain(`(${final.correct}/400)`);
  }
});

test('where three arms fit neither way round, each is a block of its own', () => {
  const policies = ['fixed', '1cycle', 'step'];
  const text = compareReport(sampleComparison(policies), sampleCurves(policies), {
    ...layout,
    width: 60,
  });
  expect(text).toContain(
    '\n1cycle\n  seeds: 3\n  learning rate: 5e-4 (built in)\n  final accuracy: 0.738 ± 0.009\n  95% interval: [0.717, 0.760]\n',
  );
});

test('an adjusted p-value is shown where it differs', () => {
  const document = sampleComparison();
  expect(report(document)).not.toContain('adjusted');
  const differences = document.differences.map((difference) => ({ ...difference, adjustedPValue: 0.166 }));
  expect(report({ ...document, differences })).toMatch(/0\.083 +0\.166/u);
});

test('an arm in which nothing finished leaves gaps and no NaN', () => {
  const document = sampleComparison();
  const nothing = { mean: null, sd: null, low: null, high: null };
  const never = { ...nothing, median: null, fastest: null, slowest: null, reached: 0, n: 2 };
  const empty: CompareDocument = {
    ...document,
    arms: document.arms.map((arm, index) =>
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
    differences: [],
    difference: null,
    superConvergence: null,
  };
  const curves = sampleCurves().map((arm, index) => (index === 0 ? { ...arm, runs: [] } : arm));
  const text = compareReport(empty, curves, layout);
  expect(text).not.toMatch(/NaN|Infinity|undefined|null/u);
  expect(text).toContain('never');
  expect(text).toContain('Super-convergence factor: none');
});

test('what was shared by the runs is said with their times', () => {
  const text = report({ ...sampleComparison(), jobs: 2, sharedFeatures: true }, 400);
  expect(text).toContain('with up to 2 runs side by side, which slow each other down');
  expect(text).toContain('Frozen features are cached and shared by all runs');
  expect(report(sampleComparison(), 400)).not.toMatch(/side by side|cached/u);
});

describe('uneven classes', () => {
  const sample = sampleComparison();
  const counts = (ants: readonly [number, number], bees: readonly [number, number]) => [
    { class: 'ants', train: ants[0], valid: ants[1] },
    { class: 'bees', train: bees[0], valid: bees[1] },
  ];
  const scores = (ants: number, bees: number) => [
    { class: 'ants', images: 300, recall: ants, precision: 0.5, f1: 0.5 },
    { class: 'bees', images: 100, recall: bees, precision: 0.5, f1: 0.5 },
  ];
  const arms = sample.arms.map((arm, i) => ({
    ...arm,
    balancedAccuracy: { mean: 0.6 + i / 10, sd: 0.01, low: 0.5, high: 0.7, n: 3 },
    macroF1: { mean: 0.5, sd: 0.02, low: 0.4, high: 0.6, n: 3 },
    perClass: i === 0 ? scores(0.91, 0.11) : scores(0.82, 0.42),
  }));
  const made = (dataset: ReturnType<typeof counts>, config: Partial<CompareDocument['config']> = {}) =>
    ({
      ...sample,
      arms,
      dataset: { ...sample.dataset, counts: dataset },
      config: { ...sample.config, ...config },
    }) as CompareDocument;
  const UNEVEN = counts([600, 300], [600, 100]);

  test('stand class by class, and the verdict names the metric', () => {
    const text = report(made(UNEVEN));
    expect(text).toMatch(/final accuracy .*balanced accuracy .*macro F1/su);
    expect(text).toMatch(/ants +300 +0\.910 +0\.820/u);
    expect(text).toMatch(/bees +100 +0\.110 +0\.420/u);
    expect(text.replace(/\s+/gu, ' ')).toMatch(
      /The validation classes are uneven \(100 of bees, 300 of ants\), and accuracy over all images is mostly about the large ones: --metric balanced-accuracy compares the same runs with all classes alike\.$/u,
    );
  });

  test('are what is compared where that was asked', () => {
    const text = report(made(UNEVEN, { metric: 'balanced-accuracy' }));
    expect(text).toMatch(
      /balanced accuracy +0\.600 ± 0\.010 +0\.700 ± 0\.010\n *95% interval +\[0\.500, 0\.700\]/u,
    );
    expect(text).toContain('Difference of the final balanced accuracy in percentage points');
    expect(text).toMatch(/up to a balanced\s+accuracy of 0\.700/u);
    expect(text).not.toContain('--metric');
  });

  test('of training images alone call for weights, unless an arm has them', () => {
    const skewed = counts([900, 200], [300, 200]);
    const note = 'The training classes are uneven (300 of bees, 900 of ants): --class-weights balanced';
    const plain = (document: CompareDocument) => report(document).replace(/\s+/gu, ' ');
    expect(plain(made(skewed))).toContain(note);
    expect(plain(made(skewed))).not.toContain('--metric');
    expect(plain(made(skewed, { classWeights: 'balanced' }))).not.toContain(note);
    const perArm = { fixed: { classWeights: 'none' }, '1cycle': { classWeights: 'balanced' } };
    expect(plain(made(skewed, { perArm }))).not.toContain(note);
  });

  test('of even sizes change nothing', () => {
    const even = counts([600, 200], [500, 200]);
    expect(report(made(even))).toBe(report({ ...made(even), dataset: sample.dataset }));
  });
});
