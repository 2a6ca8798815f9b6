import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { permutationTest } from '../../../src/stats/tests.js';

describe('permutationTest', () => {
  it('counts sign patterns as worked by hand', () => {
    // Of +-1 +-2 +-3, only 6 and -6 are as far from 0 as 6: 2 of 8.
    expect(permutationTest([1, 2, 3])).toEqual({ pValue: 0.25, exact: true });
    // 1 + 1 - 1 = 1: no pattern lies nearer to 0.
    expect(permutationTest([1, 1, -1]).pValue).toBe(1);
    expect(permutationTest([0, 0]).pValue).toBe(1);
    expect(permutationTest([5]).pValue).toBe(1);
  });

  it('agrees with SciPy', () => {
    // scipy.stats.permutation_test((d,), np.sum, permutation_type='samples', n_resamples=np.inf), 1.17.1
    const sleep = [1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4];
    expect(permutationTest(sleep).pValue).toBe(0.00390625);
    expect(permutationTest([2.3, -0.4, 1.1, 3.2, 0.6, -1.7, 2.5]).pValue).toBe(0.15625);
  });

  it('counts ties that rounding would miss', () => {
    // Every |sum| equal to 0.3 on paper: 0.1 + 0.2 is 0.30000000000000004 in binary, -0.3 + 0 is not.
    expect(permutationTest([0.1, 0.2, 0.3, -0.3]).pValue).toBe(permutationTest([1, 2, 3, -3]).pValue);
  });

  it('samples the patterns of more than 16, by seed', () => {
    // 20 equal differences: 2 / 2^20 is beyond sampling, and p is never 0.
    const equal = permutationTest(Array.from({ length: 20 }, () => 1));
    expect(equal.exact).toBe(false);
    expect(equal.pValue).toBeGreaterThan(0);
    expect(equal.pValue).toBeLessThan(1e-3);
    // 17 differences of +-1 that sum to 5: 2 P(Binomial(17, 1/2) >= 11) = 0.3323 (SciPy binom.sf).
    const mixed = Array.from({ length: 17 }, (_, i) => (i < 11 ? 1 : -1));
    expect(permutationTest(mixed, 1).pValue).toBeCloseTo(0.3323, 2);
    expect(permutationTest(mixed, 1)).toEqual(permutationTest(mixed, 1));
  });

  it('does not depend on unit, sign or order', () => {
    const differences = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(differences, (d) => {
        const { pValue } = permutationTest(d);
        expect(permutationTest(d.map((x) => -x / 153)).pValue).toBe(pValue);
        expect(permutationTest(d.toReversed()).pValue).toBe(pValue);
      }),
    );
  });

  it('refuses nothing and NaN', () => {
    expect(() => permutationTest([])).toThrow(RangeError);
    expect(() => permutationTest([1, NaN])).toThrow(RangeError);
  });
});
