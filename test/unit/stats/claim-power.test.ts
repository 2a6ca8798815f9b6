import { describe, expect, test } from 'vitest';
import { claimPower, imagesToClaim, seedsToClaim, spreadOf } from '../../../src/stats/claim-power.js';
import { crossedDifference, meanSquares } from '../../../src/stats/crossed.js';
import { mean } from '../../../src/stats/describe.js';
import { simulate } from '../../bench/calibration-runs.js';

const SPREAD = { sd: 0.025, between: 0.03, within: 0.1, images: 400 };

describe('without chance in the images it is the power of the paired t-test', () => {
  const paired = { sd: 0.03, between: 0, within: 0, images: 400 };

  // SciPy 1.17.1: nct.sf(c, n - 1, d sqrt(n)) + nct.cdf(-c, n - 1, d sqrt(n)), c = t.ppf(.975, n - 1)
  test.each([
    [1, 3, 0.1792553937765518],
    [5, 3, 0.9754622687331689],
    [5, 2, 0.4209614091495039],
    [0.5, 34, 0.8077775012792738],
    [1, 10, 0.8030968566327219],
    [0.2, 200, 0.8036666605857853],
    [2, 5, 0.9088848681009404],
    [0, 5, 0.05],
  ])('of %f sd with %i seeds', (delta, seeds, power) => {
    expect(claimPower(delta * paired.sd, paired, seeds)).toBeCloseTo(power, 5);
    expect(claimPower(-delta * paired.sd, paired, seeds)).toBeCloseTo(power, 5);
  });

  // The least n with the power above, counted up from 2 in SciPy; 10, 34 and 199 are in Cohen's tables too.
  test.each([
    [5, 0.8, 3],
    [1, 0.8, 10],
    [0.5, 0.8, 34],
    [0.5, 0.9, 44],
    [0.2, 0.8, 199],
  ])('of %f sd it reaches %f with so many seeds', (delta, power, seeds) => {
    expect(seedsToClaim(delta * paired.sd, paired, power)).toBe(seeds);
  });
});

test.each([
  [3, 400, 0.2, 0],
  [6, 300, 0.4, 2],
  [10, 150, 0, 0],
])(
  'it agrees with simulated comparisons of %i seeds and %i images',
  (seeds, images, seedSpread, imageSpread) => {
    const world = { seeds, images, seedSpread, imageSpread, advantage: 0.4 };
    const found = [...simulate(world, 2000)].map((sums) => ({
      ...crossedDifference(sums),
      squares: meanSquares(sums),
    }));
    const over = (part: 'seeds' | 'images' | 'residual') => mean(found.map(({ squares }) => squares[part]));
    const squares = { seeds: over('seeds'), images: over('images'), residual: over('residual') };
    const delta = mean(found.map((one) => one.mean));
    const claimed = found.filter(({ pValue }) => pValue! <= 0.05).length / found.length;
    // Three standard errors of 2,000 comparisons are 0.03; answers of images are no normal values besides.
    expect(Math.abs(claimPower(delta, spreadOf(squares, seeds, images), seeds) - claimed)).toBeLessThan(0.04);
  },
);

describe('the number of seeds', () => {
  test('is the fewest that reach the power', () => {
    const seeds = seedsToClaim(0.03, SPREAD)!;
    expect(claimPower(0.03, SPREAD, seeds)).toBeGreaterThanOrEqual(0.8);
    expect(claimPower(0.03, SPREAD, seeds - 1)).toBeLessThan(0.8);
  });

  test('is none where the images alone hide the difference', () => {
    // 1.96 sqrt(0.03 / 400) = 0.017: with the 0.84 for 80% it takes 0.0243.
    expect(seedsToClaim(0.02, SPREAD)).toBeNull();
    expect(seedsToClaim(0.025, SPREAD)).not.toBeNull();
    // 0.03 (2.8016 / 0.02)^2 = 588.7
    expect(imagesToClaim(0.02, SPREAD)).toBe(589);
    expect(seedsToClaim(0.02, { ...SPREAD, images: 620 })).not.toBeNull();
  });

  test('one seed and no spread are refused', () => {
    expect(() => claimPower(0.02, SPREAD, 1)).toThrow(RangeError);
    expect(() => claimPower(0.02, { ...SPREAD, sd: 0 }, 3)).toThrow(RangeError);
  });
});

test('the spread is read off mean squares', () => {
  // 400 sd^2 = 0.25, and 5 seeds x 0.04 + 0.1 = 0.3.
  const spread = spreadOf({ seeds: 0.25, images: 0.3, residual: 0.1 }, 5, 400);
  expect(spread.sd).toBeCloseTo(0.025, 12);
  expect(spread.between).toBeCloseTo(0.04, 12);
  expect(spread).toMatchObject({ within: 0.1, images: 400 });
  // What comes out below 0 is 0.
  expect(spreadOf({ seeds: 0.25, images: 0.09, residual: 0.1 }, 5, 400).between).toBe(0);
});
