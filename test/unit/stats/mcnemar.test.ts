import { describe, expect, it } from 'vitest';
import { mcnemar } from '../../../src/stats/difference.js';

describe('mcnemar', () => {
  // scipy.stats.binomtest(onlyA, onlyA + onlyB).pvalue, SciPy 1.17.1
  it.each([
    [4, 1, 0.375],
    [0, 3, 0.25],
    [5, 5, 1],
    [25, 59, 0.00026645108697203506],
    [101, 121, 0.20213432065995843],
  ])('of %i against %i agrees with SciPy, both ways round', (a, b, pValue) => {
    expect(mcnemar(a, b)).toBeCloseTo(pValue, 12);
    expect(mcnemar(b, a)).toBe(mcnemar(a, b));
  });

  it('sees no difference where none disagree, and none in 3 of 153 images', () => {
    expect(mcnemar(0, 0)).toBe(1);
    // 147 against 144 right of 153: at the very best for the claim, 3 images against none.
    expect(mcnemar(3, 0)).toBe(0.25);
  });

  it('reaches 5% at six to none', () => {
    expect(mcnemar(5, 0)).toBe(2 / 32);
    expect(mcnemar(6, 0)).toBe(2 / 64);
  });

  it('refuses what is no count', () => {
    expect(() => mcnemar(-1, 2)).toThrow(RangeError);
    expect(() => mcnemar(1.5, 2)).toThrow(RangeError);
  });
});
