import { describe, expect, test } from 'vitest';
import {
  counted,
  formatAccuracy,
  formatCount,
  formatDuration,
  formatFraction,
  formatInterval,
  formatLoss,
  formatMeanSd,
  formatPoints,
  formatPValue,
  formatRate,
  formatShares,
  pointDecimals,
  twoDigits,
} from '../../../src/report/text/numbers.js';

describe('formatRate', () => {
  test.each([
    [5e-4, '5e-4'],
    [1.2e-3, '1.2e-3'],
    [1.2728e-4, '1.27e-4'],
    [0.01, '1e-2'],
    [0.0999, '9.99e-2'],
    [0.35, '0.35'],
    [0.1, '0.1'],
    [10, '10'],
    [1.5, '1.5'],
    [0, '0'],
    [250_000, '2.5e5'],
    [1000, '1e3'],
    [2070, '2.07e3'],
    [999, '999'],
    [2e-9, '2e-9'],
    [-3e-4, '-3e-4'],
    [NaN, '–'],
    [Infinity, '–'],
    [null, '–'],
  ])('%d is %s', (rate, text) => expect(formatRate(rate)).toBe(text));

  test('rounds to the digits asked for', () => expect(formatRate(1.2728e-4, 2)).toBe('1.3e-4'));
});

describe('formatDuration', () => {
  test.each([
    [0, '0 ms'],
    [0.35, '350 ms'],
    [0.9996, '1.0 s'],
    [4.2, '4.2 s'],
    // Rounding must carry over: never «10.0 s», «60 s» or «1 m 60 s».
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1 m 00 s'],
    [83, '1 m 23 s'],
    [119.7, '2 m 00 s'],
    [3599.7, '1 h 00 m'],
    [7_530, '2 h 06 m'],
    [NaN, '–'],
  ])('%d seconds are %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));
});

test('accuracies show their counts', () => {
  expect(formatAccuracy(294, 400)).toBe('0.735 (294/400)');
  // Halves go up in a share as in percent, on whichever side of them their binary numbers lie.
  expect(formatAccuracy(253, 400)).toBe('0.633 (253/400)');
  expect(formatAccuracy(259, 400)).toBe('0.648 (259/400)');
  expect(formatFraction(-0.0625)).toBe('-0.063');
  expect(formatAccuracy(0, 0)).toBe('– (0/0)');
});

test.each([
  [0.0192, '+1.9'],
  [-0.003, '-0.3'],
  [0.0004, '0.0'],
  [-0.0004, '0.0'],
  [null, '–'],
])('a difference of %d is %s points', (difference, text) => expect(formatPoints(difference)).toBe(text));

test.each([
  [1.23456, '1.235'],
  [9999.9994, '9999.999'],
  // Rounding must carry over.
  [9999.9996, '1e4'],
  [57024565477376, '5.7e13'],
  [Infinity, '–'],
])('a loss of %d is %s', (loss, text) => expect(formatLoss(loss)).toBe(text));

test('intervals and deviations leave out what is missing', () => {
  expect(formatInterval(0.68911, 0.77599)).toBe('[0.689, 0.776]');
  expect(formatInterval(null, 0.7)).toBe('–');
  expect(formatInterval(-0.005, 0.0435, formatPoints)).toBe('[-0.5, +4.4]');
  expect(formatMeanSd(0.737, 0.005)).toBe('0.737 ± 0.005');
  expect(formatMeanSd(0.737, null)).toBe('0.737');
  expect(formatMeanSd(null, null)).toBe('–');
  expect(formatFraction(undefined)).toBe('–');
});

test('points that belong together show none as zero that is not', () => {
  expect(pointDecimals(0.019, -0.005, 0.043)).toBe(1);
  expect(pointDecimals(0.0002, -0.0009, 0.0013)).toBe(2);
  expect(pointDecimals(1e-17, null, 0.02)).toBe(1);
  expect(formatPoints(0.0002, 2)).toBe('+0.02');
});

test('shares of a variance add up to what they are shares of', () => {
  expect(formatShares({ seeds: 0.136, images: 0.285, residual: 0.579 })).toBe('14/28/58%');
  expect(formatShares({ seeds: 0, images: 0, residual: 1 })).toBe('0/0/100%');
  expect(formatShares({ seeds: 1 / 3, images: 1 / 3, residual: 1 / 3 })).toBe('34/33/33%');
});

test('counts and p-values', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567');
  expect(formatCount(999)).toBe('999');
  expect(counted(1, 'seed')).toBe('1 seed');
  expect(counted(0, 'seed')).toBe('0 seeds');
  expect(formatPValue(0.0834)).toBe('0.083');
  expect(formatPValue(0.0004)).toBe('< 0.001');
  expect(formatPValue(null)).toBe('–');
});

test.each([
  [0, '0'],
  [0.0123, '0.012'],
  [0.693147, '0.69'],
  [150.4, '150'],
  [0.000234, '2.3e-4'],
  [1e-7, '1e-7'],
  [123456, '1.2e+5'],
  [-0.5, '-0.5'],
  [NaN, 'NaN'],
])('twoDigits(%s) is %s', (value, words) => {
  expect(twoDigits(value)).toBe(words);
});
