import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { movingAverage, smooth } from '../../../src/stats/range/curve.js';

const { curves } = JSON.parse(
  readFileSync(new URL('../../golden/oracles/suggest.json', import.meta.url), 'utf8'),
) as {
  curves: Record<
    string,
    { how: string; raw_loss: (number | null)[]; smoothed_ema98_biascorrected: (number | null)[] }
  >;
};

describe('smooth', () => {
  it.each(Object.keys(curves).filter((name) => name.startsWith('recorded_')))(
    'equals fastai on %s',
    (name) => {
      const { raw_loss: raw, smoothed_ema98_biascorrected: expected } = curves[name]!;
      const actual = smooth(
        raw.map((l) => l ?? NaN),
        0.98,
      );
      expected.forEach((e, i) => expect(Math.abs(actual[i]! / e! - 1)).toBeLessThan(1e-9));
    },
  );

  it('weighs by hand: 1, 4 at beta 0.5 is 0.25 x 1 + 0.5 x 4 over 0.75', () => {
    expect(smooth([1, 4], 0.5)).toEqual([1, 2.25 / 0.75]);
  });

  it('leaves losses alone at beta 0', () => {
    expect(smooth([3, 1, 2], 0)).toEqual([3, 1, 2]);
  });

  it('is NaN from the first NaN on', () => {
    expect(smooth([1, NaN, 2], 0.9)).toEqual([1, NaN, NaN]);
  });

  it('keeps a constant, stays between the extremes, and scales with the losses', () => {
    const losses = fc.array(fc.double({ min: 0.01, max: 10, noNaN: true }), { minLength: 1, maxLength: 50 });
    const beta = fc.double({ min: 0, max: 0.999, noNaN: true });
    fc.assert(
      fc.property(losses, beta, (values, b) => {
        const first = values[0]!;
        smooth(
          values.map(() => first),
          b,
        ).forEach((s) => expect(s / first).toBeCloseTo(1, 9));
        const low = Math.min(...values) * (1 - 1e-9);
        const high = Math.max(...values) * (1 + 1e-9);
        const smoothed = smooth(values, b);
        smoothed.forEach((s) => expect(s >= low && s <= high).toBe(true));
        smooth(
          values.map((v) => 3 * v),
          b,
        ).forEach((s, i) => expect(s / smoothed[i]!).toBeCloseTo(3, 9));
      }),
    );
  });

  it('is the moving average taken one value at a time', () => {
    const next = movingAverage(0.98);
    expect([5, 3, 4].map((v) => next(v))).toEqual(smooth([5, 3, 4], 0.98));
  });
});
