import { describe, expect, test } from 'vitest';
import { randomStream } from '../../../src/random.js';
import { claimPower, imagesToClaim, imageVariances, seedsToClaim } from '../../../src/stats/claim-power.js';

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

test('it agrees with a simulation of the claim', () => {
  const stream = randomStream(0, 'claim-power');
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - stream.uniform())) * Math.cos(2 * Math.PI * stream.uniform());
  const [seeds, delta, repeats] = [6, 0.03, 40_000];
  let claimed = 0;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const images = Math.sqrt(SPREAD.between / SPREAD.images) * normal();
    const values = Array.from({ length: seeds }, () => delta + images + SPREAD.sd * normal());
    const mean = values.reduce((sum, value) => sum + value) / seeds;
    const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (seeds - 1));
    // t(0.975, 5) = 2.5706 and z(0.975) = 1.96, from tables.
    const half = Math.hypot(
      (2.5706 * sd) / Math.sqrt(seeds),
      1.96 * Math.sqrt((SPREAD.between + SPREAD.within / seeds) / SPREAD.images),
    );
    if (Math.abs(mean) > half) claimed++;
  }
  // Three standard errors of 40,000 repeats.
  expect(Math.abs(claimPower(delta, SPREAD, seeds) - claimed / repeats)).toBeLessThan(0.0075);
});

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

test('variance is split between images and seeds', () => {
  // Means of the three images: 1, 0, -1, so their variance is 1; no seed moves any of them.
  const same = [1, 0, -1];
  expect(imageVariances([same, same])).toEqual({ between: 1, within: 0 });
  // Both images flip with the seed: variance 2 within each, and means 0 and 0.
  expect(
    imageVariances([
      [1, -1],
      [-1, 1],
    ]),
  ).toEqual({ between: 0, within: 2 });
  expect(() => imageVariances([same])).toThrow(RangeError);
});
