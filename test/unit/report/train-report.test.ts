import { expect, test } from 'vitest';
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

test('a fixed policy has a rate and no maximum', () => {
  expect(trainReport(sampleTraining({ policy: 'fixed' }), steps, layout)).toContain(
    'fixed, rate 5e-4, 5 epochs',
  );
});
