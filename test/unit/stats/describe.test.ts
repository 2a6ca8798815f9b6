import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mean, standardDeviation } from '../../../src/stats/describe.js';

const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 30 });

describe('mean and standardDeviation', () => {
  it('agree with numbers worked by hand', () => {
    // Deviations from 5: -3, -1, -1, -1, 0, 0, 2, 4; their squares sum to 32; 32 / 7.
    expect(mean([2, 4, 4, 4, 5, 5, 7, 9])).toBe(5);
    expect(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(Math.sqrt(32 / 7), 14);
    expect(standardDeviation(Float64Array.of(1, 3))).toBeCloseTo(Math.SQRT2, 14);
  });

  it('have no spread for a single value and no mean for none', () => {
    expect(mean([7])).toBe(7);
    expect(standardDeviation([7])).toBeNull();
    expect(() => mean([])).toThrow(RangeError);
    expect(() => mean([1, NaN])).toThrow('number 1 is NaN');
    expect(() => standardDeviation([1, Infinity])).toThrow(RangeError);
  });

  it('see no spread in values that differ by rounding alone', () => {
    const [a, b] = [0.3 - 0.2, 0.2 - 0.1];
    expect(a).not.toBe(b);
    expect(standardDeviation([a, b], 0.3)).toBe(0);
    // One image of a million is no rounding.
    expect(standardDeviation([0.5, 0.500001])).toBeGreaterThan(0);
  });

  it('shift and scale with the values', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: -50, max: 50 }), fc.integer({ min: -9, max: 9 }), (xs, c, k) => {
        const moved = xs.map((x) => k * x + c);
        expect(mean(moved)).toBeCloseTo(k * mean(xs) + c, 8);
        expect(standardDeviation(moved)).toBeCloseTo(Math.abs(k) * standardDeviation(xs)!, 8);
      }),
    );
  });
});
