import { expect, it } from 'vitest';
import { twoDigits } from '../../../src/stats/describe.js';

it.each([
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
