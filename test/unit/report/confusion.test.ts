import { expect, test } from 'vitest';
import { commonMistakes } from '../../../src/report/pages/html/classes.js';
import { classAccuracy, confusionOf } from '../../../src/stats/classes.js';

const JUDGED = [
  [0, 0],
  [0, 1],
  [0, 1],
  [2, 1],
  [2, 2],
].map(([label, predicted]) => ({ label: label!, predicted: predicted! }));

test('rows are true classes, columns predictions', () => {
  expect(confusionOf(JUDGED, 3)).toEqual([
    [1, 2, 0],
    [0, 0, 0],
    [0, 1, 1],
  ]);
});

test('classes that are not there are left out', () => {
  const strange = [
    { label: 3, predicted: 0 },
    { label: 0, predicted: -1 },
    { label: -1, predicted: 0 },
  ];
  expect(confusionOf(strange, 2)).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

test('accuracy of a class; none where it has no images', () => {
  const counts = confusionOf(JUDGED, 3);
  expect([0, 1, 2].map((label) => classAccuracy(counts, label))).toEqual([1 / 3, null, 1 / 2]);
});

test('mistakes: the most frequent first', () => {
  const counts = confusionOf(JUDGED, 3);
  expect(commonMistakes(counts, 9)).toEqual([
    { label: 0, predicted: 1, count: 2 },
    { label: 2, predicted: 1, count: 1 },
  ]);
  expect(commonMistakes(counts, 1)).toHaveLength(1);
});
