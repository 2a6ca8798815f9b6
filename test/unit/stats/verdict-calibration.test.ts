import { describe, expect, it } from 'vitest';
import { crossedDifference } from '../../../src/stats/crossed.js';
import { verdict } from '../../../src/stats/verdict.js';
import { claimsOfFormerRule, simulate, type World } from '../../bench/calibration-runs.js';

const STEADY: World = { seeds: 3, images: 150, seedSpread: 0.2, imageSpread: 0, advantage: 0 };
const COMPARISONS = 2000;

// Of 2,000 comparisons that would each claim with probability 0.06, more than 153 claim in fewer than one case of 1,000,
// and with probability 0.015 fewer than 14: scipy.stats.binom.ppf([.999, .001], 2000, [.06, .015]) = 153, 14.
const [MOST, LEAST] = [153, 14];

/** Claims of each arm among simulated comparisons; `npm run bench:calibration` does the same with many more. */
function claims(world: World): { readonly arm: number; readonly baseline: number } {
  const claimed = [...simulate(world, COMPARISONS)].map((sums) => {
    const difference = crossedDifference(sums);
    return verdict({ arm: 'arm', baseline: 'baseline', difference, overImages: null }).claim;
  });
  const of = (name: string) => claimed.filter((claim) => claim === name).length;
  return { arm: of('arm'), baseline: of('baseline') };
}

describe('verdict over simulated comparisons', () => {
  it.each<readonly [string, World]>([
    ['3 seeds', STEADY],
    ['3 seeds, few images', { ...STEADY, images: 30 }],
    ['5 seeds', { ...STEADY, seeds: 5 }],
    ['5 seeds, few images', { ...STEADY, seeds: 5, images: 30 }],
    ['5 seeds without luck of their own', { ...STEADY, seeds: 5, seedSpread: 0 }],
    ['10 seeds with much luck', { ...STEADY, seeds: 10, seedSpread: 1 }],
    [
      '3 seeds with much luck, on images that suit either arm',
      { ...STEADY, images: 400, seedSpread: 0.7, imageSpread: 6 },
    ],
  ])('%s: claims in 1.5 to 6 of 100 comparisons of a policy with itself', (_, world) => {
    const { arm, baseline } = claims(world);
    expect(arm + baseline).toBeLessThanOrEqual(MOST);
    expect(arm + baseline).toBeGreaterThanOrEqual(LEAST);
  });

  it('claims for no arm that merely suits the images that happened to be held out', () => {
    // Student's t over the seeds alone claims in a third of them: all seeds are scored on the same images.
    const { arm, baseline } = claims({ ...STEADY, seeds: 15, seedSpread: 0.7, imageSpread: 6 });
    expect(arm + baseline).toBeLessThanOrEqual(MOST);
    expect(arm + baseline).toBeGreaterThanOrEqual(LEAST);
  });

  it('sees more than the former rule', () => {
    const world = { ...STEADY, seeds: 10, images: 400, advantage: 0.3 };
    const former = [...simulate(world, COMPARISONS)].filter(claimsOfFormerRule).length;
    const { arm, baseline } = claims(world);
    expect(arm).toBeGreaterThan(1.15 * former);
    expect(baseline).toBe(0);
  });

  it.each([
    [3, 0.85],
    [5, 0.99],
  ])('with %i seeds, mostly claims a large true difference', (seeds, least) => {
    const { arm, baseline } = claims({ ...STEADY, seeds, images: 400, seedSpread: 0.1, advantage: 1.35 });
    expect(arm / COMPARISONS).toBeGreaterThanOrEqual(least);
    expect(baseline).toBe(0);
  });
});
