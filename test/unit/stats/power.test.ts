import { describe, expect, it } from 'vitest';
import { pairedPower, seedsNeeded } from '../../../src/stats/power.js';

describe('pairedPower', () => {
  // SciPy 1.17.1: nct.sf(c, n - 1, d sqrt(n)) + nct.cdf(-c, n - 1, d sqrt(n)), c = t.ppf(.975, n - 1)
  it.each([
    [1, 3, 0.1792553937765518],
    [5, 3, 0.9754622687331689],
    [5, 2, 0.4209614091495039],
    [0.5, 34, 0.8077775012792738],
    [1, 10, 0.8030968566327219],
    [0.2, 200, 0.8036666605857853],
    [2, 5, 0.9088848681009404],
    [0, 5, 0.05],
  ])('of %f sd with %i seeds agrees with the noncentral t', (delta, n, power) => {
    expect(pairedPower(delta, 1, n)).toBeCloseTo(power, 5);
    expect(pairedPower(-delta * 0.03, 0.03, n)).toBeCloseTo(power, 5);
  });

  it('refuses one seed and no spread', () => {
    expect(() => pairedPower(1, 1, 1)).toThrow(RangeError);
    expect(() => pairedPower(1, 0, 3)).toThrow(RangeError);
  });
});

describe('seedsNeeded', () => {
  // The least n with the power above, counted up from 2 in SciPy; 10, 34 and 199 are in Cohen's tables too.
  it.each([
    [5, 0.8, 3],
    [2, 0.8, 5],
    [1, 0.8, 10],
    [0.5, 0.8, 34],
    [0.5, 0.9, 44],
    [0.2, 0.8, 199],
    [0.1, 0.8, 787],
  ])('of %f sd at power %f are as in SciPy', (delta, power, n) => {
    expect(seedsNeeded(delta, 1, power)).toBe(n);
  });

  it('knows no number for a difference of nothing', () => {
    expect(seedsNeeded(0, 1)).toBeNull();
    expect(seedsNeeded(0.001, 1)).toBeNull();
    expect(() => seedsNeeded(1, 1, 1)).toThrow(RangeError);
  });
});
