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
  it('names both kinds of chance and what may have been missed where neither interval excludes 0', () => {
    // Below: hypot(2.0, 1.7) = 2.62; above: hypot(2.0, 1.7) = 2.62, both from 0.8 points.
    const answer = judge({
      overSeeds: seeds(0.008, -0.012, 0.028, 3, 0.2),
      overImages: images(0.008, -0.009, 0.025),
    });
    expect(answer).toEqual({
      claim: 'none',
      sentence:
        'No difference shown: 1cycle ends 0.8 points above fixed on average (95% interval -1.2 to 2.8 over ' +
        '3 seeds, -0.9 to 2.5 over 400 images). With chance in seeds and images together, anything from 1.8 ' +
        'points in favour of fixed to 3.4 points in favour of 1cycle remains possible.',
    });
  });

  it('claims where chance explains the difference in neither way, for this setting alone', () => {
    // hypot(1.1, 1.3) = 1.70 either side of 2.1.
    const answer = judge({
      overSeeds: seeds(0.021, 0.01, 0.032, 5, 0.0042),
      overImages: images(0.021, 0.008, 0.034),
    });
    expect(answer).toEqual({
      claim: '1cycle',
      sentence:
        '1cycle is better here: 1cycle ends 2.1 points above fixed on average (95% interval 1.0 to 3.2 over 5 ' +
        'seeds, 0.8 to 3.4 over 400 images), more than chance in seeds and images explains (both together: ' +
        '0.4 to 3.8; p = 0.0042). This holds for this data set, budget and these settings only.',
    });
  });

  it('names the baseline where that is the better one', () => {
    const answer = judge({ overSeeds: seeds(-0.05, -0.06, -0.04), overImages: images(-0.05, -0.07, -0.03) });
    expect(answer.claim).toBe('fixed');
    expect(answer.sentence).toContain('1cycle ends 5.0 points below fixed');
  });

  it.each([
    ['seeds', seeds(0.02, -0.001, 0.041, 3, 0.06), images(0.02, 0.01, 0.03)],
    ['images', seeds(0.02, 0.01, 0.03), images(0.02, -0.001, 0.041)],
    ['images up to rounding', seeds(0.02, 0.01, 0.03), images(0.02, 1e-17, 0.041)],
  ])('claims nothing where the interval over %s holds 0', (_, overSeeds, overImages) => {
    expect(judge({ overSeeds, overImages }).claim).toBe('none');
  });

  it('claims nothing where each interval just excludes 0 and both together do not', () => {
    const answer = judge({ overSeeds: seeds(0.02, 0.001, 0.039), overImages: images(0.02, 0.001, 0.039) });
    expect(answer.claim).toBe('none');
    expect(answer.sentence).toContain(
      'Each alone excludes zero, but with chance in seeds and images together',
    );
  });

  it('claims nothing that does not survive the correction for several arms', () => {
    const answer = judge({
      overSeeds: seeds(0.021, 0.01, 0.032, 5, 0.03),
      overImages: images(0.021, 0.008, 0.034),
      adjustedPValue: 0.06,
    });
    expect(answer.claim).toBe('none');
    expect(answer.sentence).toMatch(
      /Corrected .* p is 0\.060; a difference of up to 3\.8 points may have been missed\.$/,
    );
  });

  it('claims nothing from one seed, however large the difference', () => {
    const overImages = bootstrapMeanOverImages(Array.from({ length: 100 }, () => 1));
    const answer = judge({ overSeeds: pairedDifference([1], [0]), overImages });
    expect(answer.claim).toBe('none');
    expect(answer.sentence).toMatch(
      /100\.0 points above fixed with the only seed .* Run at least 3 seeds\.$/,
    );
  });

  it('claims nothing from two or three seeds whose differences are equal by chance', () => {
    const overImages = images(0.06, 0.02, 0.1, 50);
    const answer = judge({ overSeeds: pairedDifference([0.96, 0.94, 0.92], [0.9, 0.88, 0.86]), overImages });
    expect(answer.claim).toBe('none');
    expect(answer.sentence).toContain('6.0 points above fixed with each of the 3 seeds');
    expect(answer.sentence).toContain('sign-flip p = 0.25');
    const none = judge({
      overSeeds: pairedDifference([1, 1], [1, 1]),
      overImages: images(0, -0.02, 0.02, 150),
    });
    expect(none.sentence).toContain('1cycle and fixed end equal with each of the 2 seeds');
  });

  it('claims nothing without the images or without seeds, and says what is missing', () => {
    const noImages = judge({ overSeeds: seeds(0.02, 0.01, 0.03) });
    expect(noImages.claim).toBe('none');
    expect(noImages.sentence).toContain('predictions of both on the same images are missing');
    expect(judge({})).toEqual({
      claim: 'none',
      sentence: 'No comparison: there is no seed with which both 1cycle and fixed finished.',
    });
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

  it('writes no interval that seems to hold 0 and does not', () => {
    const answer = judge({ overSeeds: seeds(0.02, 0.01, 0.03), overImages: images(0.02, 0.0004, 0.0396) });
    expect(answer.sentence).toContain('0.04 to 3.96 over 400 images');
    expect(answer.sentence).not.toContain('-0.0 ');
  });

  it('changes its words alone when the arms change places', () => {
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
