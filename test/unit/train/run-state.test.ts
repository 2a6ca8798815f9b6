import { expect, test } from 'vitest';
import type { EpochRecord } from '../../../src/runs/documents.js';
import { isBetter } from '../../../src/runs/check-run.js';

const epoch = (number: number, correct: number, validLoss: number): EpochRecord => ({
  epoch: number,
  trainLoss: 1,
  validLoss,
  validAccuracy: correct / 10,
  correct,
  total: 10,
  seconds: 1,
});

test.each([
  ['the first', epoch(1, 0, 9), null, true],
  ['more right', epoch(2, 6, 9), epoch(1, 5, 1), true],
  ['fewer right at a lower loss', epoch(2, 4, 0.1), epoch(1, 5, 1), false],
  ['as many right at a lower loss', epoch(2, 5, 0.9), epoch(1, 5, 1), true],
  ['as many right at a higher loss', epoch(2, 5, 1.1), epoch(1, 5, 1), false],
  ['all alike: the earliest stays', epoch(2, 5, 1), epoch(1, 5, 1), false],
])('%s', (_, record, best, expected) => {
  expect(isBetter(record, best)).toBe(expected);
});
