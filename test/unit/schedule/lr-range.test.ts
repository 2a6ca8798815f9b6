import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { UsageError } from '../../../src/errors.js';
import { lrRange } from '../../../src/schedule/lr-range.js';

const rates = (options: Parameters<typeof lrRange>[0]) => {
  const schedule = lrRange(options);
  return Array.from({ length: options.totalSteps }, (_, k) => schedule.at(null, k).learningRate);
};

describe('lrRange', () => {
  it('multiplies by the same factor each step', () => {
    const actual = rates({ totalSteps: 5, minLr: 1e-4, maxLr: 1, momentum: 0.9 });
    [1e-4, 1e-3, 1e-2, 1e-1, 1].forEach((expected, k) => expect(actual[k]).toBeCloseTo(expected, 12));
  });

  it('sweeps the rates of a recorded range test', () => {
    // That test divided the range by its 100 steps and never reached the maximum: the first 100 of 101 here.
    const { curves } = JSON.parse(
      readFileSync(new URL('../../golden/oracles/suggest.json', import.meta.url), 'utf8'),
    ) as { curves: { smooth_U: { lr: number[] } } };
    const actual = rates({ totalSteps: 101, minLr: 1e-7, maxLr: 10, momentum: 0.9 });
    curves.smooth_U.lr.forEach((expected, k) => {
      expect(Math.abs(actual[k]! / expected - 1)).toBeLessThan(1e-12);
    });
  });

  it('adds the same amount each step of a linear sweep', () => {
    const actual = rates({ totalSteps: 5, minLr: 1, maxLr: 3, momentum: 0, sweep: 'linear' });
    expect(actual).toEqual([1, 1.5, 2, 2.5, 3]);
  });

  it.each([
    [{ totalSteps: 1 }, 'totalSteps', '1'],
    [{ minLr: 0 }, 'minLr', '0'],
    [{ maxLr: Infinity }, 'maxLr', 'Infinity'],
    [{ minLr: 10, maxLr: 10 }, 'minLr', '10'],
    [{ momentum: 1.5 }, 'momentum', '1.5'],
  ])('refuses %o, naming option and value', (wrong, option, value) => {
    const make = () => lrRange({ totalSteps: 100, minLr: 1e-7, maxLr: 10, momentum: 0.9, ...wrong });
    expect(make).toThrow(UsageError);
    expect(make).toThrow(new RegExp(`^${option}: expected .*but received ${value.replace('.', '\\.')}\\.$`));
  });

  it('refuses a step beyond the sweep', () => {
    const schedule = lrRange({ totalSteps: 100, minLr: 1e-7, maxLr: 10, momentum: 0.9 });
    expect(() => schedule.at(null, 100)).toThrow(RangeError);
  });
});
