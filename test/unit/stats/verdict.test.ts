import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pairedDifference, type PairedDifference } from '../../../src/stats/difference.js';
import { bootstrapMeanOverImages } from '../../../src/stats/intervals.js';
import { combine, verdict, type VerdictInput } from '../../../src/stats/verdict.js';

const seeds = (mean: number, low: number, high: number, n = 3, pValue = 0.01): PairedDifference => ({
  mean,
  sd: 0.01,
  low,
  high,
  pValue,
  method: 'paired t',
  n,
});
const images = (mean: number, low: number, high: number, n = 400) => ({ mean, low, high, n });
const judge = (input: Partial<VerdictInput>) =>
  verdict({ arm: '1cycle', baseline: 'fixed', overSeeds: null, overImages: null, ...input });

describe('combine', () => {
  it('adds the distances from the mean as squares', () => {
    // 0.05 - hypot(0.03, 0.04) = 0; 0.05 + hypot(0.06, 0.08) = 0.15.
    const both = combine(0.05, { low: 0.02, high: 0.11 }, { low: 0.01, high: 0.13 });
    expect(both.low).toBeCloseTo(0, 12);
    expect(both.high).toBeCloseTo(0.15, 12);
  });
});

describe('verdict', () => {
  it('claims nothing where neither interval excludes 0, and gives the combined one', () => {
    // hypot(2.0, 1.7) = 2.62 either side of 0.8 points.
    const answer = judge({
      overSeeds: seeds(0.008, -0.012, 0.028, 3, 0.2),
      overImages: images(0.008, -0.009, 0.025),
    });
    expect(answer).toMatchObject({ kind: 'not-shown', claim: 'none', because: 'either', pValue: 0.2 });
    expect('both' in answer && answer.both.low).toBeCloseTo(-0.01825, 5);
    expect('both' in answer && answer.both.high).toBeCloseTo(0.03425, 5);
  });

  it('claims where chance explains the difference in neither way', () => {
    const answer = judge({
      overSeeds: seeds(0.021, 0.01, 0.032, 5, 0.0042),
      overImages: images(0.021, 0.008, 0.034),
    });
    expect(answer).toMatchObject({ kind: 'claim', claim: '1cycle', mean: 0.021, pValue: 0.0042 });
  });

  it('names the baseline where that is the better one', () => {
    const answer = judge({ overSeeds: seeds(-0.05, -0.06, -0.04), overImages: images(-0.05, -0.07, -0.03) });
    expect(answer).toMatchObject({ kind: 'claim', claim: 'fixed' });
  });

  it.each([
    ['seeds', seeds(0.02, -0.001, 0.041, 3, 0.06), images(0.02, 0.01, 0.03)],
    ['images', seeds(0.02, 0.01, 0.03), images(0.02, -0.001, 0.041)],
    ['images up to rounding', seeds(0.02, 0.01, 0.03), images(0.02, 1e-17, 0.041)],
  ])('claims nothing where the interval over %s holds 0', (_, overSeeds, overImages) => {
    expect(judge({ overSeeds, overImages })).toMatchObject({ claim: 'none', because: 'either' });
  });

  it('claims nothing where each interval just excludes 0 and both together do not', () => {
    const answer = judge({ overSeeds: seeds(0.02, 0.001, 0.039), overImages: images(0.02, 0.001, 0.039) });
    expect(answer).toMatchObject({ kind: 'not-shown', claim: 'none', because: 'both' });
  });

  it('claims nothing that does not survive the correction for several arms', () => {
    const answer = judge({
      overSeeds: seeds(0.021, 0.01, 0.032, 5, 0.03),
      overImages: images(0.021, 0.008, 0.034),
      adjustedPValue: 0.06,
    });
    expect(answer).toMatchObject({ kind: 'not-shown', claim: 'none', because: 'corrected', pValue: 0.06 });
  });

  it('claims nothing from one seed, however large the difference', () => {
    const overImages = bootstrapMeanOverImages(Array.from({ length: 100 }, () => 1));
    const answer = judge({ overSeeds: pairedDifference([1], [0]), overImages });
    expect(answer).toMatchObject({ kind: 'one-seed', claim: 'none', mean: 1, seeds: 1 });
  });

  it('claims nothing from two or three seeds whose differences are equal by chance', () => {
    const overImages = images(0.06, 0.02, 0.1, 50);
    const answer = judge({ overSeeds: pairedDifference([0.96, 0.94, 0.92], [0.9, 0.88, 0.86]), overImages });
    expect(answer).toMatchObject({ kind: 'equal', claim: 'none', seeds: 3, pValue: 0.25 });
  });

  it('claims nothing without the images, without seeds and without another arm', () => {
    expect(judge({ overSeeds: seeds(0.02, 0.01, 0.03) })).toEqual({
      kind: 'images-unknown',
      claim: 'none',
      arm: '1cycle',
      baseline: 'fixed',
      mean: 0.02,
      seeds: { low: 0.01, high: 0.03, n: 3 },
    });
    expect(judge({})).toEqual({ kind: 'no-pairs', claim: 'none', arm: '1cycle', baseline: 'fixed' });
    expect(judge({ arm: null })).toEqual({ kind: 'one-arm', claim: 'none', baseline: 'fixed' });
  });

  it('claims nothing from 3 images of 153, whatever the seeds say', () => {
    // 147 against 144 right with every seed, as best for the claim: the same 3 images each time.
    const perImage = Array.from({ length: 153 }, (_, i) => (i < 3 ? 1 : 0));
    const arm = Array.from({ length: 10 }, () => 147 / 153);
    const baseline = Array.from({ length: 10 }, () => 144 / 153);
    const overSeeds = pairedDifference(arm, baseline);
    expect(overSeeds.low).toBeGreaterThan(0);
    const answer = judge({ overSeeds, overImages: bootstrapMeanOverImages(perImage) });
    expect(answer.claim).toBe('none');
  });

  it('claims the same when the arms change places', () => {
    const limit = fc.double({ min: 0, max: 0.2, noNaN: true });
    fc.assert(
      fc.property(fc.double({ min: -0.2, max: 0.2, noNaN: true }), limit, limit, (mean, s, i) => {
        const there = judge({
          overSeeds: seeds(mean, mean - s, mean + s),
          overImages: images(mean, mean - i, mean + i),
        });
        const back = verdict({
          arm: 'fixed',
          baseline: '1cycle',
          overSeeds: seeds(-mean, -mean - s, -mean + s),
          overImages: images(-mean, -mean - i, -mean + i),
        });
        expect(back.claim).toBe(there.claim);
        // A claim needs 0 outside both intervals.
        if (there.claim !== 'none') expect(Math.abs(mean)).toBeGreaterThan(Math.max(s, i));
        if (there.claim !== 'none') expect(there.claim).toBe(mean > 0 ? '1cycle' : 'fixed');
      }),
    );
  });
});
