import { describe, expect, test } from 'vitest';
import { trainReport } from '../../../src/report/pages/train.js';
import { sampleSteps, sampleTraining } from './sample-runs.js';

const layout = { width: 80, colour: false };
const steps = sampleSteps('1cycle', 0);

test('best and final stand with their counts and Wilson intervals', () => {
  const text = trainReport(
    sampleTraining({
      best: { epoch: 4, validAccuracy: 0.735, correct: 294, total: 400, validLoss: 0.9 },
      final: { epoch: 5, validAccuracy: 0.5, correct: 5, total: 10, validLoss: 1 },
    }),
    steps,
    layout,
  );
  // Wilson by hand, z = 1.96: 5 of 10 gives (5 + 1.921) / 13.841 -+ 1.96 / 13.841 sqrt(2.5 + 0.960) = 0.5 -+ 0.2634;
  // 294 of 400: (294 + 1.921) / 403.84 -+ 1.96 / 403.84 sqrt(77.91 + 0.960) = 0.7328 -+ 0.0431.
  expect(text).toMatch(/best +4 +0\.735 \(294\/400\) +\[0\.690, 0\.776\]/u);
  expect(text).toMatch(/final +5 +0\.500 \(5\/10\) +\[0\.237, 0\.763\]/u);
});

test('an interrupted run says so, and shows what there is', () => {
  const text = trainReport(
    sampleTraining({ status: 'interrupted', epochs: [], best: null, final: null }),
    steps,
    layout,
  );
  expect(text).toContain('1cycle, maximum rate 5e-4: interrupted after 0 of 5 epochs, 1 m 23 s');
  expect(text).toContain('no epoch was finished');
  expect(text).toContain('loss: no values to draw');
  expect(text).toContain('learning rate');
});

test('a run that diverged and stayed finite: a warning, and short numbers', () => {
  const epochs = [{ ...sampleTraining().epochs[4]!, trainLoss: 3711429.644, validLoss: 5.7e13 }];
  const far = { epochs, final: epochs[0]!, best: epochs[0]! };
  const text = trainReport(sampleTraining(far), steps, layout);
  expect(text).toContain('! The last epoch has a training loss of 3.71e6 and a validation loss of 5.7e13;');
  expect(text.replace(/\s+/gu, ' ')).toContain(
    'guessing among 2 classes gives 0.69. The run diverged, or is',
  );
  expect(text).toMatch(/final .* 5\.7e13$/mu);
  expect(text).not.toMatch(/\d{5}/u);
  expect(trainReport(sampleTraining(), steps, layout)).not.toContain('! ');
  // A failure says itself what happened.
  const failure = { step: 1, epoch: 1, learningRate: 1, momentum: 0.9, message: 'The loss became NaN.' };
  const failed = trainReport(sampleTraining({ ...far, status: 'failed', failure }), steps, layout);
  expect(failed.match(/^! .*$/gmu)).toEqual(['! The loss became NaN.']);
});

test('a fixed policy has a rate and no maximum', () => {
  expect(trainReport(sampleTraining({ policy: 'fixed' }), steps, layout)).toContain(
    'fixed, rate 5e-4, 5 epochs',
  );
});

describe('uneven classes', () => {
  const counts = (ants: number, bees: number, train = 600) => [
    { class: 'ants', train, valid: ants },
    { class: 'bees', train: 600, valid: bees },
  ];
  const perClass = [
    { class: 'ants', images: 300, recall: 0.9, precision: 0.8, f1: 0.847 },
    { class: 'bees', images: 100, recall: 0.25, precision: null, f1: 0.3 },
  ];
  const sample = sampleTraining({ perClass });
  const textOf = (list: typeof sample.dataset.counts, changes: object = {}) =>
    trainReport({ ...sample, ...changes, dataset: { ...sample.dataset, counts: list } }, steps, layout);
  const last = { epoch: 5, validAccuracy: 0.5, correct: 5, total: 10, validLoss: 1 };

  test('balanced accuracy and macro F1 stand beside the accuracy where validation classes are uneven', () => {
    const scored = { ...last, balancedAccuracy: 0.575, macroF1: 0.574 };
    const text = textOf(counts(300, 100), { final: scored, best: last });
    expect(text).toMatch(/epoch +accuracy +95% interval +balanced +macro F1 +valid loss/u);
    expect(text).toMatch(/final +5 +0\.500 \(5\/10\) +\[0\.237, 0\.763\] +0\.575 +0\.574 +1\.000/u);
    // An older version told neither.
    expect(text).toMatch(/best +5 +0\.500 \(5\/10\) +\[0\.237, 0\.763\] +– +–/u);
    expect(text).toMatch(/ants +600 +300 +0\.900 +0\.800 +0\.847/u);
    expect(text).toMatch(/bees +600 +100 +0\.250 +– +0\.300/u);
  });

  test('classes that are uneven in training alone are told one by one', () => {
    const text = textOf(counts(200, 200, 60));
    expect(text).toContain('recall');
    expect(text).not.toContain('balanced');
  });

  test('even classes change nothing', () => {
    expect(textOf(counts(200, 150))).toBe(trainReport(sampleTraining(), steps, layout));
  });

  test('of many classes the least recognised are shown', () => {
    const many = Array.from({ length: 15 }, (_, i) => ({ ...perClass[0]!, class: `c${i}`, recall: i / 20 }));
    const text = textOf(counts(300, 100), { perClass: many });
    expect(text).toContain('c11 ');
    expect(text).not.toContain('c12 ');
    expect(text).toContain('3 more are on the page');
  });
});
