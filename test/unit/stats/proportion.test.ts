import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wilson } from '../../../src/stats/intervals.js';

describe('wilson', () => {
  // scipy.stats.binomtest(k, n).proportion_ci(.95, 'wilson'), SciPy 1.17.1
  it.each([
    [144, 153, 0.8919944328901532, 0.968747369788028],
    [147, 153, 0.9170917348166653, 0.9819052590916574],
    [0, 10, 0, 0.27753279986288926],
    [10, 10, 0.7224672001371109, 1],
    [1, 7, 0.02567962434474358, 0.5131278292743189],
  ])('of %i in %i agrees with SciPy', (k, n, low, high) => {
    expect(wilson(k, n).low).toBeCloseTo(low, 12);
    expect(wilson(k, n).high).toBeCloseTo(high, 12);
  });

  it('mirrors, holds the proportion and stays within 0 to 1', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, share) => {
          const k = Math.round(share * n);
          const { low, high } = wilson(k, n);
          expect(wilson(n - k, n).low).toBeCloseTo(1 - high, 12);
          expect(low).toBeGreaterThanOrEqual(0);
          expect(low).toBeLessThanOrEqual(k / n);
          expect(high).toBeGreaterThanOrEqual(k / n);
          expect(high).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it('knows nothing of no images, and refuses impossible counts', () => {
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
    for (const [k, n] of [
      [3, 2],
      [-1, 2],
      [0.5, 2],
      [NaN, 2],
    ] as const)
      expect(() => wilson(k, n)).toThrow(RangeError);
  });
});
