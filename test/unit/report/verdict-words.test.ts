import { describe, expect, it } from 'vitest';
import { verdictWords } from '../../../src/report/words/verdict.js';
import { pairedDifference, type PairedDifference } from '../../../src/stats/difference.js';
import { verdict, type VerdictInput } from '../../../src/stats/verdict.js';

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
const say = (input: Partial<VerdictInput>) =>
  verdictWords(verdict({ arm: '1cycle', baseline: 'fixed', overSeeds: null, overImages: null, ...input }));

describe('verdictWords', () => {
  it('names both kinds of chance and what may have been missed', () => {
    expect(
      say({ overSeeds: seeds(0.008, -0.012, 0.028, 3, 0.2), overImages: images(0.008, -0.009, 0.025) })
        .sentence,
    ).toBe(
      'No difference shown: 1cycle ends 0.8 points above fixed on average (95% interval -1.2 to 2.8 over ' +
        '3 seeds, -0.9 to 2.5 over 400 images). With chance in seeds and images together, anything from 1.8 ' +
        'points in favour of fixed to 3.4 points in favour of 1cycle remains possible.',
    );
  });

  it('claims for this setting alone, in a title and the numbers behind it', () => {
    // hypot(1.1, 1.3) = 1.70 either side of 2.1.
    const words = say({
      overSeeds: seeds(0.021, 0.01, 0.032, 5, 0.0042),
      overImages: images(0.021, 0.008, 0.034),
    });
    expect(words.title).toBe('1cycle is better here');
    expect(words.detail).toBe(
      '1cycle ends 2.1 points above fixed on average (95% interval 1.0 to 3.2 over 5 ' +
        'seeds, 0.8 to 3.4 over 400 images), more than chance in seeds and images explains (both together: ' +
        '0.4 to 3.8; p = 0.0042). This holds for this data set, budget and these settings only.',
    );
    expect(words.sentence).toBe(`${words.title}: ${words.detail}`);
  });

  it('says by how much the arm is below where the baseline is the better one', () => {
    const words = say({ overSeeds: seeds(-0.05, -0.06, -0.04), overImages: images(-0.05, -0.07, -0.03) });
    expect(words.title).toBe('fixed is better here');
    expect(words.detail).toContain('1cycle ends 5.0 points below fixed');
  });

  it('says why there is no claim where 0 lies in no single interval', () => {
    const interval = [0.02, 0.001, 0.039] as const;
    expect(say({ overSeeds: seeds(...interval), overImages: images(...interval) }).sentence).toContain(
      'Each alone excludes zero, but with chance in seeds and images together',
    );
    expect(
      say({
        overSeeds: seeds(0.021, 0.01, 0.032, 5, 0.03),
        overImages: images(0.021, 0.008, 0.034),
        adjustedPValue: 0.06,
      }).sentence,
    ).toMatch(/Corrected .* p is 0\.060; a difference of up to 3\.8 points may have been missed\.$/);
  });

  it('says what one seed, equal differences and missing predictions leave open', () => {
    expect(
      say({ overSeeds: pairedDifference([1], [0]), overImages: images(1, 0.97, 1, 1) }).sentence,
    ).toMatch(/100\.0 points above fixed with the only seed .*over 1 image\), .* Run at least 3 seeds\.$/);
    const equal = say({
      overSeeds: pairedDifference([0.96, 0.94, 0.92], [0.9, 0.88, 0.86]),
      overImages: images(0.06, 0.02, 0.1, 50),
    });
    expect(equal.sentence).toContain('6.0 points above fixed with each of the 3 seeds');
    expect(equal.sentence).toContain('sign-flip p = 0.25');
    expect(say({ overSeeds: pairedDifference([1, 1], [1, 1]) }).sentence).toContain(
      '1cycle and fixed end equal with each of the 2 seeds',
    );
    expect(say({ overSeeds: seeds(0.02, 0.01, 0.03) }).sentence).toContain(
      'predictions of both on the same images are missing',
    );
  });

  it('says that there is no comparison without seeds in common and without a second arm', () => {
    expect(say({}).sentence).toBe(
      'No comparison: there is no seed with which both 1cycle and fixed finished.',
    );
    expect(say({ arm: null }).sentence).toBe(
      'No comparison: only fixed was run, and there is nothing to compare it with.',
    );
  });

  it('writes no interval that seems to hold 0 and does not', () => {
    const { sentence } = say({
      overSeeds: seeds(0.02, 0.01, 0.03),
      overImages: images(0.02, 0.0004, 0.0396),
    });
    expect(sentence).toContain('0.04 to 3.96 over 400 images');
    expect(sentence).not.toContain('-0.0 ');
  });
});
