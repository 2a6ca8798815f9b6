import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CrossedDifference, crossedDifference, crossedSums } from '../../../src/stats/crossed.js';
import { pairedDifference } from '../../../src/stats/difference.js';
import { verdict, type VerdictInput } from '../../../src/stats/verdict.js';

const crossed = (mean: number, low: number, high: number, pValue = 0.01): CrossedDifference => ({
  mean,
  low,
  high,
  pValue,
  degreesOfFreedom: 7.5,
  varianceShares: { seeds: 0.3, images: 0.5, residual: 0.2 },
  method: 'crossed',
  n: 3,
  images: 400,
});
const judge = (input: Partial<VerdictInput>) =>
  verdict({ arm: '1cycle', baseline: 'fixed', difference: null, overImages: null, ...input });
const ofRows = (rows: readonly (readonly number[])[]) => crossedDifference(crossedSums(rows));

describe('verdict', () => {
  it('claims nothing where the interval holds 0', () => {
    expect(judge({ difference: crossed(0.008, -0.018, 0.034, 0.2) })).toEqual({
      kind: 'not-shown',
      claim: 'none',
      rates: 'measured',
      because: 'interval',
      arm: '1cycle',
      baseline: 'fixed',
      mean: 0.008,
      low: -0.018,
      high: 0.034,
      seeds: 3,
      images: 400,
      shares: { seeds: 0.3, images: 0.5, residual: 0.2 },
      pValue: 0.2,
    });
    expect(judge({ difference: crossed(0.02, 1e-17, 0.04) })).toMatchObject({ because: 'interval' });
  });

  it('claims the better arm, whichever it is, where the interval excludes 0', () => {
    const better = judge({ difference: crossed(0.021, 0.004, 0.038, 0.0042) });
    expect(better).toMatchObject({ kind: 'claim', claim: '1cycle', mean: 0.021, pValue: 0.0042 });
    const worse = judge({ difference: crossed(-0.05, -0.07, -0.03) });
    expect(worse).toMatchObject({ kind: 'claim', claim: 'fixed' });
  });

  it('claims nothing that does not survive the correction for several arms', () => {
    const answer = judge({ difference: crossed(0.021, 0.004, 0.038, 0.03), adjustedPValue: 0.06 });
    expect(answer).toMatchObject({ kind: 'not-shown', claim: 'none', because: 'corrected', pValue: 0.06 });
  });

  it('claims nothing from one seed, however large the difference', () => {
    const answer = judge({ difference: ofRows([Array.from({ length: 100 }, () => 1)]) });
    expect(answer).toMatchObject({ kind: 'one-seed', claim: 'none', mean: 1, seeds: 1 });
  });

  it('claims nothing from two or three seeds that all give the same answers', () => {
    const row = Array.from({ length: 50 }, (_, i) => Number(i < 12));
    const answer = judge({ difference: ofRows([row, row, row]) });
    expect(answer).toMatchObject({ kind: 'equal', claim: 'none', seeds: 3, pValue: 0.25 });
    // Nor from equal differences where no predictions tell whether the answers are the same.
    const unseen = judge({ difference: pairedDifference([0.96, 0.94, 0.92], [0.9, 0.88, 0.86]) });
    expect(unseen).toMatchObject({ kind: 'equal', claim: 'none', seeds: 3, pValue: 0.25 });
  });

  it('claims nothing over seeds alone, without seeds and without another arm', () => {
    const overSeeds = pairedDifference([0.93, 0.94, 0.95], [0.91, 0.919, 0.931]);
    expect(overSeeds.pValue).toBeLessThan(0.01);
    expect(judge({ difference: overSeeds })).toEqual({
      kind: 'images-unknown',
      claim: 'none',
      arm: '1cycle',
      baseline: 'fixed',
      mean: overSeeds.mean,
      low: overSeeds.low,
      high: overSeeds.high,
      seeds: 3,
    });
    expect(judge({})).toEqual({ kind: 'no-pairs', claim: 'none', arm: '1cycle', baseline: 'fixed' });
    expect(judge({ arm: null })).toEqual({ kind: 'one-arm', claim: 'none', baseline: 'fixed' });
  });

  it('claims nothing from 3 images of 153, whatever the seeds say', () => {
    // As best for the claim: the same 3 images with each of 10 seeds.
    const row = Array.from({ length: 153 }, (_, i) => Number(i < 3));
    const difference = ofRows(Array.from({ length: 10 }, () => row));
    expect(judge({ difference })).toMatchObject({ kind: 'not-shown', because: 'interval' });
  });

  it('claims the same when the arms change places', () => {
    const entry = fc.constantFrom(-1, 0, 1, 1);
    const table = fc.array(fc.array(entry, { minLength: 12, maxLength: 12 }), { minLength: 2, maxLength: 7 });
    fc.assert(
      fc.property(table, (rows) => {
        const there = judge({ difference: ofRows(rows) });
        const back = verdict({
          arm: 'fixed',
          baseline: '1cycle',
          difference: ofRows(rows.map((row) => row.map((d) => 0 - d))),
          overImages: null,
        });
        expect(back.kind).toBe(there.kind);
        expect(back.claim).toBe(there.claim);
      }),
    );
  });
});
