import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { geometricMedian, median } from '../../../src/stats/describe.js';
import { poolCurves } from '../../../src/stats/range/curve.js';
import { readValley, unimodalFit } from '../../../src/stats/range/recommend.js';
import { asCurve, collapsing } from './range-tests.js';

describe('unimodalFit', () => {
  it('pools by hand', () => {
    // Falling 5, 3, 4 pools 3 and 4 to 3.5; then 1 is the bottom; rising 6, 2 pools to 4.
    expect(unimodalFit([5, 3, 4, 1, 6, 2])).toEqual([5, 3.5, 3.5, 1, 4, 4]);
  });

  it('leaves valleys, slopes and constants alone', () => {
    for (const values of [[], [1], [3, 2, 1], [1, 2, 3], [3, 1, 1, 2], [2, 2]]) {
      expect(unimodalFit(values)).toEqual(values);
    }
  });

  it('is a valley, and no valley of small whole numbers is nearer', () => {
    const error = (fit: readonly number[], values: readonly number[]) =>
      fit.reduce((sum, f, i) => sum + (f - values[i]!) ** 2, 0);
    const isValley = (fit: readonly number[]) => {
      const turn = fit.indexOf(Math.min(...fit));
      return fit.every((f, i) => i === 0 || (i <= turn ? f <= fit[i - 1]! : f >= fit[i - 1]!));
    };
    // All valleys over 0 to 3 of five points, for comparison.
    const rivals = Array.from({ length: 4 ** 5 }, (_, code) =>
      Array.from({ length: 5 }, (__, i) => Math.floor(code / 4 ** i) % 4),
    ).filter(isValley);
    const values = fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(values, (v) => {
        const fit = unimodalFit(v);
        expect(isValley(fit)).toBe(true);
        const best = Math.min(...rivals.map((rival) => error(rival, v)));
        expect(error(fit, v)).toBeLessThanOrEqual(best + 1e-9);
      }),
    );
  });
});

describe('readValley', () => {
  it('reads a V by hand', () => {
    // Ten points at 1, then down by 0.1 a step to 0 at index 20, up again to 1 at index 30; rates e^index.
    // The median of three lifts the tip to 0.1: half of the descent is then 0.55, at index 14.5. The floor at
    // shares 0.1, 0.2, 0.3 of 0.9 above 0.1 is 0.19 to 0.37 high: 18.1 to 21.9, 17.2 to 22.8, 16.3 to 23.7;
    // at 0.6 of each 20.38, 20.56, 20.74, mean 20.56.
    const losses = [
      ...Array<number>(10).fill(1),
      ...Array.from({ length: 21 }, (_, i) => Math.abs(10 - i) / 10),
    ];
    const valley = readValley({ learningRates: losses.map((_, i) => Math.exp(i)), losses });
    expect(valley.start).toBe(1);
    expect(valley.bottom).toBeCloseTo(0.1, 9);
    expect(Math.log(valley.halfway)).toBeCloseTo(14.5, 9);
    // Three tenths down from 1 to 0.1 is 0.73, at index 12.7.
    expect(Math.log(valley.begins)).toBeCloseTo(12.7, 9);
    expect(Math.log(valley.lowest)).toBeCloseTo(20.56, 9);
  });

  it('is not moved by an explosion at the end or by a single spike', () => {
    const { learningRates, losses } = collapsing(100, 2, { steepest: 1e-4, lowest: 1e-3, collapse: 5e-3 });
    const plain = readValley({ learningRates, losses });
    const exploded = readValley({ learningRates, losses: losses.map((l, i) => (i > 75 ? l * 1e6 : l)) });
    const spiked = readValley({ learningRates, losses: losses.map((l, i) => (i === 40 ? 50 : l)) });
    for (const other of [exploded, spiked]) {
      expect(Math.abs(Math.log(other.lowest / plain.lowest))).toBeLessThan(0.1);
      expect(Math.abs(Math.log(other.halfway / plain.halfway))).toBeLessThan(0.1);
    }
  });
});

describe('poolCurves', () => {
  const curve = (...losses: number[]) =>
    asCurve({ classes: 1000, learningRates: losses.map((_, i) => i + 1), losses });

  it('takes the median at each step and ends where half of the seeds have stopped', () => {
    const pooled = poolCurves([curve(1, 3, 3, 4, 5), curve(2, 2, 2, 2), curve(3, 3, 1)]);
    // Step 3 has 4, 2 and a stopped seed, whose loss counts as infinite: 4. At step 4 two have stopped.
    expect(pooled).toEqual({ learningRates: [1, 2, 3, 4], losses: [2, 3, 2, 4] });
  });

  it('ends at NaN, and is empty where every seed begins with it', () => {
    expect(poolCurves([curve(3, 2, NaN)]).losses).toEqual([3, 2]);
    expect(poolCurves([curve(NaN), curve(NaN)]).losses).toEqual([]);
    expect(poolCurves([]).losses).toEqual([]);
  });
});

describe('median', () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 3, 2], 2.5],
    [[1, Infinity, 2], 2],
    [[1, Infinity], Infinity],
    [[Infinity, Infinity], Infinity],
    [[1, NaN, 2], NaN],
    [[], NaN],
  ])('of %o is %s', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it('on a logarithmic scale: 1 and 100 give 10, and an odd number its own middle', () => {
    expect(geometricMedian([1, 100])).toBeCloseTo(10, 12);
    expect(geometricMedian([0.3, 0.1, 0.7])).toBe(0.3);
  });
});
