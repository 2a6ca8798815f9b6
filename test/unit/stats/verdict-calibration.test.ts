import { describe, expect, it } from 'vitest';
import { randomStream, type RandomStream } from '../../../src/random.js';
import { mean } from '../../../src/stats/describe.js';
import { pairedDifference } from '../../../src/stats/difference.js';
import { bootstrapMeanOverImages } from '../../../src/stats/intervals.js';
import { verdict } from '../../../src/stats/verdict.js';

/** Box and Muller. */
const normal = (stream: RandomStream) =>
  Math.sqrt(-2 * Math.log(1 - stream.uniform())) * Math.cos(2 * Math.PI * stream.uniform());

interface World {
  readonly seeds: number;
  readonly images: number;
  /** Deviation over seeds of what a run does to all images alike, in logits. */
  readonly seedSpread: number;
  /** Deviation over images of how much better one arm suits the image, in logits; 0 for an A/A test. */
  readonly imageSpread: number;
  /** What the arm is better by, in logits. */
  readonly advantage: number;
}

/** Trains nothing: each image has its difficulty, each run its luck, each answer is a coin with both. */
function compare(world: World, stream: RandomStream) {
  const difficulty = Array.from({ length: world.images }, () => 2 + 2 * normal(stream));
  const suits = Array.from({ length: world.images }, () => world.imageSpread * normal(stream));
  const perImage = new Float64Array(world.images);
  const run = (lead: number, sign: 1 | -1) => {
    const luck = world.seedSpread * normal(stream);
    let correct = 0;
    difficulty.forEach((logit, i) => {
      const right = stream.uniform() < 1 / (1 + Math.exp(-(logit + luck + lead + (sign * suits[i]!) / 2)));
      if (!right) return;
      correct++;
      perImage[i]! += sign / world.seeds;
    });
    return correct / world.images;
  };
  const arm = Array.from({ length: world.seeds }, () => run(world.advantage, 1));
  const baseline = Array.from({ length: world.seeds }, () => run(0, -1));
  const overSeeds = pairedDifference(arm, baseline);
  const overImages = bootstrapMeanOverImages(perImage, { seed: stream.integer(2 ** 31), repeats: 200 });
  return { ...verdict({ arm: 'arm', baseline: 'baseline', overSeeds, overImages }), overSeeds, overImages };
}

const STEADY: World = { seeds: 3, images: 150, seedSpread: 0.2, imageSpread: 0, advantage: 0 };

// Of 1,000 comparisons that would each claim with probability 0.05, more than 73 claim in fewer than one
// case of 1,000: scipy.stats.binom.ppf(.999, 1000, .05) = 73.
const MOST = 73;

function thousand(world: World) {
  const stream = randomStream(7, 'calibration');
  return Array.from({ length: 1000 }, () => compare(world, stream));
}

const claiming = (comparisons: readonly { claim: string }[]) =>
  comparisons.filter(({ claim }) => claim !== 'none').length;

describe('verdict over simulated comparisons', () => {
  it.each([
    ['3 seeds', STEADY],
    ['5 seeds', { ...STEADY, seeds: 5 }],
    ['5 seeds, few images', { ...STEADY, seeds: 5, images: 30 }],
    ['5 seeds without luck of their own', { ...STEADY, seeds: 5, seedSpread: 0 }],
    ['10 seeds with much luck', { ...STEADY, seeds: 10, seedSpread: 1 }],
  ])('%s: claims in at most 5 of 100 A/A comparisons', (_, world) => {
    expect(claiming(thousand(world))).toBeLessThanOrEqual(MOST);
  });

  it('claims for no arm that merely suits the images that happened to be held out', () => {
    // The t-test over seeds claims in 342 of them, both intervals each without 0 in 79, the verdict in 47.
    // The arms are equal over all images there could be; the seeds, all scored on the same ones, cannot know.
    const comparisons = thousand({ ...STEADY, seeds: 15, seedSpread: 0.7, imageSpread: 6 });
    const seedsAlone = comparisons.filter(({ overSeeds }) => overSeeds.pValue! <= 0.05).length;
    expect(seedsAlone).toBeGreaterThan(2 * MOST);
    expect(claiming(comparisons)).toBeLessThanOrEqual(MOST);
  });

  it.each([
    [3, 700],
    [5, 950],
  ])('with %i seeds, mostly claims a true difference of five standard deviations', (seeds, least) => {
    const comparisons = thousand({ seeds, images: 400, seedSpread: 0.1, imageSpread: 0, advantage: 1.35 });
    const size = mean(comparisons.map(({ overSeeds }) => overSeeds.mean));
    const spread = Math.sqrt(mean(comparisons.map(({ overSeeds }) => overSeeds.sd! ** 2)));
    expect(Math.abs(size / spread - 5)).toBeLessThan(0.3);
    expect(comparisons.filter(({ claim }) => claim === 'arm').length).toBeGreaterThanOrEqual(least);
    expect(comparisons.filter(({ claim }) => claim === 'baseline')).toEqual([]);
  });
});
