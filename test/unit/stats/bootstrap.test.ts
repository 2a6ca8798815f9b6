import { describe, expect, it } from 'vitest';
import { randomStream } from '../../../src/random.js';
import { bootstrapMeanOverImages } from '../../../src/stats/intervals.js';

/** `won` images that the arm alone got right, `lost` that the baseline did, of `n`. */
const images = (won: number, lost: number, n: number) =>
  Array.from({ length: n }, (_, i) => (i < won ? 1 : i < won + lost ? -1 : 0));

describe('bootstrapMeanOverImages', () => {
  it('agrees with the normal interval where there are many images', () => {
    // 200 won, 140 lost of 2,000, and one for each arm: mean 60 / 2002, variance (342 - 60^2 / 2002) / 2002^2,
    // so 0.02997 +- 1.96 x 0.00921.
    const { mean, low, high, n } = bootstrapMeanOverImages(images(200, 140, 2000));
    expect(mean).toBeCloseTo(0.03, 12);
    expect(n).toBe(2000);
    expect(Math.abs(low - 0.01192)).toBeLessThan(6e-4);
    expect(Math.abs(high - 0.04802)).toBeLessThan(6e-4);
  });

  it('claims nothing where McNemar is far from it', () => {
    // Exact p for 3, 4, 5 to none: 0.25, 0.125, 0.0625; for 8 to none 0.008.
    for (const won of [1, 2, 3, 4])
      expect(bootstrapMeanOverImages(images(won, 0, 153)).low).toBeLessThanOrEqual(1e-12);
    expect(bootstrapMeanOverImages(images(8, 0, 153)).low).toBeGreaterThan(0);
  });

  it('leaves about 3 / n open where no image differs', () => {
    for (const n of [50, 150, 400]) {
      const { mean, low, high } = bootstrapMeanOverImages(images(0, 0, n));
      expect(mean).toBe(0);
      expect(high * n).toBeGreaterThan(2);
      expect(high * n).toBeLessThan(4);
      expect(low).toBeCloseTo(-high, 12);
    }
  });

  it('is the same for the same seed alone, and mirrors closely', () => {
    const values = Float64Array.from(images(30, 20, 150));
    expect(bootstrapMeanOverImages(values, { seed: 3 })).toEqual(
      bootstrapMeanOverImages(values, { seed: 3 }),
    );
    const there = bootstrapMeanOverImages(values, { repeats: 4001 });
    const back = bootstrapMeanOverImages(
      values.map((value) => -value),
      { repeats: 4001 },
    );
    expect(Math.abs(back.low + there.high)).toBeLessThan(0.01);
    const other = bootstrapMeanOverImages(values, { seed: 4, repeats: 101 });
    expect(other.low).not.toBe(bootstrapMeanOverImages(values, { seed: 3, repeats: 101 }).low);
  });

  it.each([
    [10, 0.3, 0.1],
    [20, 0.1, 0.1],
    [153, 0.05, 0.01],
  ])('of %i images, shares %f won and %f lost, holds the truth in at least 0.95 of cases', (n, won, lost) => {
    const stream = randomStream(1, 'coverage', n);
    let held = 0;
    for (let repeat = 0; repeat < 400; repeat++) {
      const values = Array.from({ length: n }, () => {
        const u = stream.uniform();
        return u < won ? 1 : u < won + lost ? -1 : 0;
      });
      const { low, high } = bootstrapMeanOverImages(values, { seed: repeat, repeats: 300 });
      if (low <= won - lost && won - lost <= high) held++;
    }
    // Binomial(400, 0.95) is below 365 in one of 1,000 cases.
    expect(held).toBeGreaterThanOrEqual(365);
  });

  it('works with one image and refuses what is no difference of accuracies', () => {
    expect(bootstrapMeanOverImages([1])).toMatchObject({ mean: 1, n: 1 });
    expect(bootstrapMeanOverImages([1]).low).toBeLessThan(0);
    expect(() => bootstrapMeanOverImages([])).toThrow(RangeError);
    expect(() => bootstrapMeanOverImages([0, 1.5])).toThrow('1.5');
    expect(() => bootstrapMeanOverImages([0, NaN])).toThrow(RangeError);
  });
});
