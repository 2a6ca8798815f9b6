import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { summarize, tHalfWidth, within } from '../../../src/stats/intervals.js';

describe('tHalfWidth', () => {
  // The 97.5% points of Student's t as every textbook prints them.
  it.each([
    [2, 12.706],
    [3, 4.303],
    [4, 3.182],
    [5, 2.776],
    [10, 2.262],
    [31, 2.042],
    [121, 1.98],
  ])('of n = %i uses t = %f', (n, t) => {
    expect(tHalfWidth(Math.sqrt(n), n)).toBeCloseTo(t, 3);
  });
});

describe('summarize', () => {
  it('agrees with SciPy', () => {
    // scipy.stats.t.interval(.95, 4, mean(x), sem(x)), SciPy 1.17.1
    const summary = summarize([0.91, 0.93, 0.9, 0.94, 0.95]);
    expect(summary.mean).toBeCloseTo(0.926, 12);
    expect(summary.sd).toBeCloseTo(0.020736441353327688, 12);
    expect(summary.low).toBeCloseTo(0.9002523073207092, 12);
    expect(summary.high).toBeCloseTo(0.9517476926792907, 12);
    expect(summary.n).toBe(5);
  });

  it('leaves open what one value cannot tell', () => {
    expect(summarize([0.9])).toEqual({ mean: 0.9, sd: null, low: null, high: null, n: 1 });
    expect(() => summarize([])).toThrow(RangeError);
  });

  it('holds its mean in the middle, whatever the order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 9 }),
        (xs) => {
          const { mean, low, high } = summarize(xs);
          expect(mean - low!).toBeCloseTo(high! - mean, 9);
          expect(summarize(xs.toReversed()).high).toBeCloseTo(high!, 9);
        },
      ),
    );
  });
});

it('an interval is cut where there are no values beyond', () => {
  const { low, high, mean } = within(0, summarize([0.05, 0.95]), 1);
  expect([low, mean, high]).toEqual([0, 0.5, 1]);
  expect(within(0, summarize([0.7, 0.71, 0.72]), 1)).toEqual(summarize([0.7, 0.71, 0.72]));
  expect(within(0, summarize([0.7]), 1)).toMatchObject({ low: null, high: null });
});
