import { describe, expect, it } from 'vitest';
import { verdictWords } from '../../../src/report/words/verdict.js';
import { type CrossedDifference, crossedDifference, crossedSums } from '../../../src/stats/crossed.js';
import { pairedDifference } from '../../../src/stats/difference.js';
import { bestSupportedFirst, verdict, type VerdictInput } from '../../../src/stats/verdict.js';

const SHARES = { seeds: 0.3, images: 0.5, residual: 0.2 };
const crossed = (
  mean: number,
  low: number,
  high: number,
  pValue = 0.01,
  varianceShares = SHARES,
): CrossedDifference => ({
  mean,
  low,
  high,
  pValue,
  degreesOfFreedom: 7.5,
  varianceShares,
  method: 'crossed',
  n: 3,
  images: 400,
});
const images = (mean: number, low: number, high: number, n = 400) => ({ mean, low, high, n });
const say = (input: Partial<VerdictInput>) =>
  verdictWords(verdict({ arm: '1cycle', baseline: 'fixed', difference: null, overImages: null, ...input }));

const HARDER_TEST =
  'Each arm has the rate that was measured for it; compare --rates 2 trains it at neighbouring rates too, which is the harder test.';

describe('verdictWords', () => {
  it('gives the one interval, what may have been missed, and what would show it', () => {
    expect(say({ difference: crossed(0.008, -0.018, 0.034, 0.2) }).sentence).toBe(
      'No difference shown: 1cycle ends 0.8 points above fixed on average (95% interval -1.8 to 3.4 over 3 seeds ' +
        'and 400 images). Anything from 1.8 points in favour of fixed to 3.4 points in favour of 1cycle remains ' +
        'possible; more seeds and more images would both help.',
    );
  });

  it.each([
    ['more images would help, more seeds hardly', { seeds: 0.04, images: 0.76, residual: 0.2 }],
    ['more seeds would help, more images hardly', { seeds: 0.9, images: 0, residual: 0.1 }],
    ['more seeds and more images would both help', { seeds: 0.2, images: 0, residual: 0.8 }],
  ])('advises: %s', (advice, shares) => {
    expect(say({ difference: crossed(0.008, -0.018, 0.034, 0.2, shares) }).detail).toContain(
      `possible; ${advice}.`,
    );
  });

  it('says of what the points are where that is not accuracy', () => {
    const found = verdict({
      ...{ arm: '1cycle', baseline: 'fixed', overImages: null },
      difference: crossed(0.021, 0.004, 0.038, 0.0042),
    });
    expect(verdictWords(found, [], 'balanced-accuracy').sentence).toMatch(
      /^1cycle is better here: in balanced accuracy 1cycle ends 2\.1 points above fixed on average/u,
    );
    const alone = verdict({ arm: null, baseline: 'fixed', difference: null, overImages: null });
    expect(verdictWords(alone, [], 'balanced-accuracy')).toEqual(verdictWords(alone));
  });

  it('claims for this setting alone, in a title and the numbers behind it', () => {
    const words = say({ difference: crossed(0.021, 0.004, 0.038, 0.0042) });
    expect(words.title).toBe('1cycle is better here');
    expect(words.detail).toBe(
      '1cycle ends 2.1 points above fixed on average (95% interval 0.4 to 3.8 over 3 seeds and 400 images), more ' +
        'than chance in seeds and images explains (p = 0.0042). This holds for this data set, budget and these ' +
        `settings only. ${HARDER_TEST}`,
    );
    expect(words.sentence).toBe(`${words.title}: ${words.detail}`);
  });

  it('claims at rates that were not measured here for these rates alone, and says what would tell', () => {
    const words = say({ difference: crossed(0.021, 0.004, 0.038, 0.0042), rates: 'unmeasured' });
    expect(words.title).toBe('1cycle is better at these rates');
    expect(words.detail).toMatch(
      /settings only\. Not both learning rates were measured on this data, and other rates may turn it round: compare --rates 2 trains each arm at neighbouring rates too, and tells\.$/,
    );
  });

  it('says of a claim at tuned rates how they were chosen', () => {
    const words = say({ difference: crossed(0.021, 0.004, 0.038, 0.0042), rates: 'tuned' });
    expect(words.title).toBe('1cycle is better here');
    expect(words.detail).toMatch(
      /settings only\. Each arm is judged at one of several rates, which the other seeds chose\.$/,
    );
  });

  it('says by how much the arm is below where the baseline is the better one', () => {
    const words = say({ difference: crossed(-0.05, -0.07, -0.03) });
    expect(words.title).toBe('fixed is better here');
    expect(words.detail).toContain('1cycle ends 5.0 points below fixed');
  });

  it('says that the correction for several arms leaves no claim', () => {
    expect(say({ difference: crossed(0.021, 0.004, 0.038, 0.03), adjustedPValue: 0.06 }).sentence).toMatch(
      /Corrected .*, p = 0\.060; a difference of up to 3\.8 points may have been missed\.$/,
    );
  });

  it('says what one seed, equal answers and missing predictions leave open', () => {
    expect(
      say({ difference: crossedDifference(crossedSums([[1, 1]])), overImages: images(1, 0.97, 1, 1) })
        .sentence,
    ).toMatch(/100\.0 points above fixed with the only seed .*over 1 image\), .* Run at least 3 seeds\.$/);
    const row = Array.from({ length: 50 }, (_, i) => Number(i < 3));
    const equal = say({
      difference: crossedDifference(crossedSums([row, row, row])),
      overImages: images(0.06, 0.02, 0.1, 50),
    });
    expect(equal.sentence).toContain('6.0 points above fixed with each of the 3 seeds');
    expect(equal.sentence).toContain('(sign flip, p = 0.25)');
    expect(say({ difference: pairedDifference([1, 1], [1, 1]) }).sentence).toContain(
      '1cycle and fixed end equal with each of the 2 seeds',
    );
    expect(say({ difference: pairedDifference([0.93, 0.94, 0.95], [0.91, 0.919, 0.931]) }).sentence).toMatch(
      /over 3 seeds alone\)\. .* predictions of both on the same images are missing\.$/,
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
    const { sentence } = say({ difference: crossed(0.02, 0.0004, 0.0396) });
    expect(sentence).toContain('0.04 to 3.96 over 3 seeds and 400 images');
    expect(sentence).not.toContain('-0.0 ');
  });

  describe('of several arms', () => {
    const of = (arm: string, difference: VerdictInput['difference'], adjustedPValue?: number) =>
      verdict({
        arm,
        baseline: 'fixed',
        difference,
        overImages: null,
        adjustedPValue: adjustedPValue ?? null,
      });
    const words = (...verdicts: ReturnType<typeof of>[]) => {
      const [best, ...others] = bestSupportedFirst(verdicts);
      return verdictWords(best!, others);
    };

    it('is about the best supported one, wherever it stands, and tells the others', () => {
      const said = words(
        of('a', crossed(0.021, 0.004, 0.038, 0.0042), 0.0126),
        of('b', crossed(-0.004, -0.03, 0.022, 0.7), 0.7),
        of('c', crossed(0.05, -0.01, 0.11, 0.08), 0.16),
      );
      expect(said.title).toBe('a is better than fixed here');
      expect(said.detail).toBe(
        'a ends 2.1 points above fixed on average (95% interval 0.4 to 3.8 over 3 seeds and 400 images), more than ' +
          'chance in seeds and images explains (p = 0.013). This holds for this data set, budget and these settings ' +
          `only. ${HARDER_TEST} The others against fixed: c 5.0 points above (-1.0 to 11.0), not shown; b 0.4 points below ` +
          '(-3.0 to 2.2), not shown.',
      );
    });

    it('says of every claim who is better than whom', () => {
      const said = words(
        of('a', crossed(-0.05, -0.07, -0.03, 0.001), 0.002),
        of('b', crossed(0.021, 0.004, 0.038, 0.03), 0.03),
      );
      expect(said.title).toBe('fixed is better than a here');
      expect(said.detail).toMatch(
        /The others against fixed: b 2\.1 points above \(0\.4 to 3\.8\), shown \(p = 0\.030\)\.$/u,
      );
    });

    it('says that none is shown where none is', () => {
      const said = words(
        of('a', crossed(0.008, -0.018, 0.034, 0.5), 0.5),
        of('b', crossed(0.012, -0.01, 0.034, 0.2), 0.4),
        of('c', null),
      );
      expect(said.sentence).toMatch(
        /^No difference shown: chance in seeds and images may explain each of the 3 differences from fixed\. The best supported: b ends 1\.2 points above fixed on average/u,
      );
      expect(said.detail).toMatch(
        /a 0\.8 points above \(-1\.8 to 3\.4\), not shown; c has no seed that both finished\.$/u,
      );
    });
  });
});
