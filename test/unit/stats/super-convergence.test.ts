import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PairedTimes, superConvergence } from '../../../src/stats/times.js';

/** A pair whose baseline had 1,000 steps and whose arm had 400. */
const pair = (baseline: number | null, arm: number | null): PairedTimes => ({
  baseline,
  arm,
  baselineBudget: 1000,
  armBudget: 400,
});

describe('superConvergence', () => {
  it('is the geometric mean with an interval on logarithms where every run arrived', () => {
    const times = [pair(1500, 600), pair(1600, 800), pair(2400, 800), pair(1800, 1000), pair(2000, 700)];
    // SciPy 1.17.1: exp(mean(log(b / a))), exp(t.interval(.95, 4, mean, sem))
    const result = superConvergence(times, 0.9)!;
    expect(result.factor).toBeCloseTo(2.3848394323235773, 10);
    expect(result.low).toBeCloseTo(1.80961903, 7);
    expect(result.high).toBeCloseTo(3.14290414, 7);
    expect(result).toMatchObject({ target: 0.9, bound: 'none', n: 5, caveat: null });
  });

  it('has no interval from one seed, nor from a few seeds that agree exactly', () => {
    const one = superConvergence([pair(800, 200)], 0.9)!;
    expect(one.factor).toBeCloseTo(4, 12);
    expect(one).toMatchObject({ low: null, high: null, caveat: 'one-seed' });
    const same = superConvergence([pair(800, 200), pair(400, 100), pair(800, 200)], 0.9)!;
    expect(same.factor).toBeCloseTo(4, 12);
    expect(same).toMatchObject({ low: null, high: null });
    expect(same.caveat).toBe('all-equal');
  });

  it('gives the lower bound where the baseline fails', () => {
    // Ratios: 2; at least 1000 / 250 = 4; at least 1000 / 200 = 5. The median is at least 4.
    const result = superConvergence([pair(400, 200), pair(null, 250), pair(null, 200)], 0.9)!;
    expect(result).toMatchObject({ factor: 4, bound: 'at least', low: null, high: null });
    expect(result.censored).toEqual({ arm: 0, baseline: 2, both: 0 });
    expect(result.caveat).toBe('few-seeds');
  });

  it('gives the upper bound where the arm fails', () => {
    // Ratios: at most 200 / 400, at most 100 / 400, and 2: the median is at most 0.5.
    const result = superConvergence([pair(200, null), pair(100, null), pair(400, 200)], 0.9)!;
    expect(result).toMatchObject({ factor: 0.5, bound: 'at most' });
  });

  it('keeps the median itself where the failures lie on its far side', () => {
    const result = superConvergence([pair(400, 200), pair(600, 200), pair(null, 100)], 0.9)!;
    // Ratios 2, 3 and at least 10.
    expect(result).toMatchObject({ factor: 3, bound: 'none' });
  });

  it('takes the interval of the sign test from six seeds on', () => {
    // Nine ratios 1 to 8 and one of at least 10: ranks 2 and 8 of 9 (SciPy quantile_test: order 1 and 7 from 0).
    const arrived = [1, 2, 3, 4, 5, 6, 7, 8].map((ratio) => pair(ratio * 100, 100));
    const nine = superConvergence([...arrived, pair(null, 100)], 0.9)!;
    expect(nine).toMatchObject({ factor: 5, low: 2, high: 8, bound: 'none', caveat: 'bounds' });
    // Of six, the extremes; the highest is open.
    const six = superConvergence([...arrived.slice(0, 5), pair(null, 100)], 0.9)!;
    expect(six).toMatchObject({ factor: 3.5, low: 1, high: null, bound: 'none' });
  });

  it('says nothing where most seeds arrived in neither arm', () => {
    expect(superConvergence([pair(null, null), pair(null, null), pair(400, 200)], 0.9)).toBeNull();
    expect(superConvergence([], 0.9)).toBeNull();
  });

  it('refuses times that are none', () => {
    expect(() => superConvergence([pair(0, 100)], 0.9)).toThrow(RangeError);
    expect(() => superConvergence([pair(100, NaN)], 0.9)).toThrow(RangeError);
  });

  it('inverts when the arms change places', () => {
    const time = fc.integer({ min: 1, max: 1000 });
    fc.assert(
      fc.property(fc.array(fc.tuple(time, time), { minLength: 2, maxLength: 8 }), (times) => {
        const there = superConvergence(
          times.map(([b, a]) => pair(b, a)),
          0.9,
        )!;
        const back = superConvergence(
          times.map(([b, a]) => pair(a, b)),
          0.9,
        )!;
        expect(there.factor * back.factor).toBeCloseTo(1, 9);
        if (there.low !== null) expect(there.low * back.high!).toBeCloseTo(1, 6);
      }),
    );
  });

  it('never says more than it would had every run been given enough time', () => {
    const time = fc.integer({ min: 1, max: 2000 });
    fc.assert(
      fc.property(fc.array(fc.tuple(time, time), { minLength: 1, maxLength: 9 }), (times) => {
        const cut = times.map(([b, a]) => pair(b > 1000 ? null : b, a > 400 ? null : a));
        const result = superConvergence(cut, 0.9);
        if (result === null || result.method !== 'median, order statistics') return;
        const ratios = times.map(([b, a]) => b / a).sort((x, y) => x - y);
        const k = ratios.length;
        const median = (ratios[Math.floor((k - 1) / 2)]! + ratios[Math.ceil((k - 1) / 2)]!) / 2;
        if (result.bound !== 'at most') expect(median).toBeGreaterThanOrEqual(result.factor - 1e-9);
        if (result.bound !== 'at least') expect(median).toBeLessThanOrEqual(result.factor + 1e-9);
      }),
    );
  });
});
