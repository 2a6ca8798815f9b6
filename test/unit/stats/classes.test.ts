import { expect, test } from 'vitest';
import {
  areUneven,
  classAverages,
  classScores,
  confusionOf,
  isFarAboveGuessing,
} from '../../../src/stats/classes.js';

// Ten images of class 0, of which 8 are right and 2 taken for 1; four of class 1, of which 1 is right and 3 are taken for 0.
const JUDGED = [
  ...Array<object>(8).fill({ label: 0, predicted: 0 }),
  ...Array<object>(2).fill({ label: 0, predicted: 1 }),
  { label: 1, predicted: 1 },
  ...Array<object>(3).fill({ label: 1, predicted: 0 }),
] as { label: number; predicted: number }[];

test('balanced accuracy and macro F1 by hand', () => {
  const { balancedAccuracy, macroF1 } = classAverages(confusionOf(JUDGED, 2));
  // Recalls 8/10 and 1/4. F1 16 / (10 + 11) and 2 / (4 + 3).
  expect(balancedAccuracy).toBeCloseTo((0.8 + 0.25) / 2, 12);
  expect(macroF1).toBeCloseTo((16 / 21 + 2 / 7) / 2, 12);
});

test('a class without images has no recall, and counts in F1 only where it was an answer', () => {
  expect(classAverages(confusionOf(JUDGED, 4))).toEqual(classAverages(confusionOf(JUDGED, 2)));
  const answered = classAverages(confusionOf([...JUDGED, { label: 0, predicted: 2 }], 3));
  expect(answered.balancedAccuracy).toBeCloseTo((8 / 11 + 1 / 4) / 2, 12);
  expect(answered.macroF1).toBeCloseTo((16 / 22 + 2 / 7 + 0) / 3, 12);
});

test('class by class', () => {
  expect(classScores(confusionOf(JUDGED, 3), ['a', 'b', 'c'])).toEqual([
    { class: 'a', images: 10, recall: 0.8, precision: 8 / 11, f1: 16 / 21 },
    { class: 'b', images: 4, recall: 0.25, precision: 1 / 3, f1: 2 / 7 },
    { class: 'c', images: 0, recall: null, precision: null, f1: null },
  ]);
});

test.each<[readonly number[], boolean]>([
  [[10, 10], false],
  [[14, 10], false],
  [[15, 10], true],
  [[10, 0, 12], false],
  [[7], false],
  [[], false],
])('classes of %j are uneven: %s', (counts, expected) => {
  expect(areUneven(counts)).toBe(expected);
});

test.each([
  ['training loss', { trainLoss: 7, validLoss: 1 }, 10, true],
  ['validation loss', { trainLoss: 1, validLoss: 2.1 }, 2, true],
  ['a loss of guessing', { trainLoss: Math.log(10), validLoss: Math.log(10) }, 10, false],
  ['an overfitted network', { trainLoss: 0.1, validLoss: 1.9 }, 2, false],
  ['a single class', { trainLoss: 0.1, validLoss: 0.1 }, 1, false],
])('far above guessing: %s', (_, losses, classes, far) => {
  // 3 ln(10) is 6.91, 3 ln(2) 2.08.
  expect(isFarAboveGuessing(losses, classes)).toBe(far);
});
