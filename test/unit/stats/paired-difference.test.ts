import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pairedDifference } from '../../../src/stats/difference.js';

// Extra hours of sleep under two drugs: the data of Student's paper (1908), R's `sleep`.
const DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2];
const DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];

describe('pairedDifference', () => {
  it("agrees with R on Student's own data", () => {
    // R: t.test(Pair(extra.1, extra.2) ~ 1): p = 0.002833, interval -2.4598858 to -0.7001142, mean -1.58
    const result = pairedDifference(DRUG_1, DRUG_2);
    expect(result.mean).toBeCloseTo(-1.58, 12);
    expect(result.low).toBeCloseTo(-2.4598858, 7);
    expect(result.high).toBeCloseTo(-0.7001142, 7);
    expect(result.pValue).toBeCloseTo(0.002832890197384273, 12);
    expect(result).toMatchObject({ method: 'paired t', n: 10 });
  });

  it('agrees with SciPy on three seeds', () => {
    // scipy.stats.ttest_rel([.9, .95, .97], [.88, .94, .92]), SciPy 1.17.1
    const result = pairedDifference([0.9, 0.95, 0.97], [0.88, 0.94, 0.92]);
    expect(result.pValue).toBeCloseTo(0.15672595728843178, 10);
    expect(result.low).toBeCloseTo(-0.025044783458755864, 10);
    expect(result.high).toBeCloseTo(0.07837811679208917, 10);
  });

  it('knows neither interval nor p from one pair', () => {
    expect(pairedDifference([0.96], [0.94])).toMatchObject({ low: null, high: null, pValue: null, n: 1 });
  });

  it('does not divide by a spread of zero', () => {
    // 0.3 - 0.2 and 0.2 - 0.1 differ in the last bits: t would be about 1e16.
    const two = pairedDifference([0.3, 0.2], [0.2, 0.1]);
    expect(two).toMatchObject({ sd: 0, low: null, high: null, pValue: 0.5, method: 'sign flip' });
    expect(pairedDifference([1, 1, 1], [1, 1, 1])).toMatchObject({ mean: 0, low: null, pValue: 1 });
    // Six equal differences: 2 / 2^6.
    const six = pairedDifference([2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6]);
    expect(six).toMatchObject({ mean: 1, low: 1, high: 1, pValue: 2 / 64 });
    // scipy.stats.permutation_test(([-0.02] * 20,), np.sum, permutation_type='samples', n_resamples=np.inf)
    const twenty = pairedDifference(Array<number>(20).fill(0.7), Array<number>(20).fill(0.72));
    expect(twenty).toMatchObject({ sd: 0, pValue: 2 / 2 ** 20, method: 'sign flip' });
  });

  it('refuses what is not paired or not finite', () => {
    expect(() => pairedDifference([1, 2], [1])).toThrow('2 and 1');
    expect(() => pairedDifference([], [])).toThrow(RangeError);
    expect(() => pairedDifference([1, NaN], [1, 1])).toThrow(RangeError);
  });

  const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 153 }), fc.integer({ min: 0, max: 153 })), {
    minLength: 2,
    maxLength: 8,
  });

  it('turns its sign with its arms, and its interval excludes 0 exactly where p is below 0.05', () => {
    fc.assert(
      fc.property(pairs, (counts) => {
        const a = counts.map(([k]) => k / 153);
        const b = counts.map(([, k]) => k / 153);
        const there = pairedDifference(a, b);
        const back = pairedDifference(b, a);
        expect(back.mean).toBeCloseTo(-there.mean, 12);
        expect(back.pValue).toBeCloseTo(there.pValue!, 12);
        if (there.low === null || there.high === null) {
          expect(there.pValue).toBeGreaterThan(0.05);
          return;
        }
        expect(back.low).toBeCloseTo(-there.high, 12);
        expect(there.low > 0 || there.high < 0).toBe(there.pValue! < 0.05);
      }),
    );
  });
});
