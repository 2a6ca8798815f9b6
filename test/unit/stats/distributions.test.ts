import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { binomialCdf, normalCdf, normalQuantile, tCdf, tQuantile } from '../../../src/stats/distributions.js';

/** Values of SciPy, checked with mpmath; distributions.py beside the file wrote them. */
const oracle = JSON.parse(
  readFileSync(new URL('../../golden/oracles/distributions.json', import.meta.url), 'utf8'),
) as Record<string, number[][]>;

const FUNCTIONS: Record<string, (...args: number[]) => number> = {
  normalCdf: (z = NaN) => normalCdf(z),
  normalQuantile: (p = NaN) => normalQuantile(p),
  tCdf: (t = NaN, df = NaN) => tCdf(t, df),
  tQuantile: (p = NaN, df = NaN) => tQuantile(p, df),
  binomialCdf: (k = NaN, n = NaN) => binomialCdf(k, n),
};

describe('distribution functions against SciPy', () => {
  it.each(Object.entries(FUNCTIONS))('%s agrees to 1e-9, in the tails as well', (name, compute) => {
    const rows = oracle[name] ?? [];
    expect(rows.length).toBeGreaterThan(30);
    const off = rows.filter((row) => {
      const expected = row.at(-1) ?? NaN;
      return !(Math.abs(compute(...row.slice(0, -1)) - expected) <= 1e-9 * Math.abs(expected));
    });
    expect(off).toEqual([]);
  });
});

describe('distribution functions at their ends', () => {
  it('a binomial count lies between 0 and its trials', () => {
    expect(binomialCdf(-1, 5)).toBe(0);
    expect(binomialCdf(5, 5)).toBe(1);
    expect(binomialCdf(0, 0)).toBe(1);
  });

  it("Student's t is symmetric, also where it is computed from the normal distribution", () => {
    for (const df of [0.5, 7.3, 2e5]) {
      expect(tQuantile(0.5, df)).toBe(0);
      expect(tQuantile(0.025, df)).toBeCloseTo(-tQuantile(0.975, df), 12);
      expect(tCdf(-2, df) + tCdf(2, df)).toBe(1);
    }
  });

  it('refuses chances and degrees of freedom that there are not', () => {
    for (const p of [0, 1, 1.5, NaN]) expect(() => tQuantile(p, 3)).toThrow(RangeError);
    for (const p of [0, 1, -0.1]) expect(() => normalQuantile(p)).toThrow(RangeError);
    for (const df of [0, -1, NaN]) {
      expect(() => tQuantile(0.975, df)).toThrow(RangeError);
      expect(() => tCdf(1, df)).toThrow(RangeError);
    }
  });
});
