import { describe, expect, it } from 'vitest';
import { secondsToTarget, stepsToTarget, summarizeTimes } from '../../../src/stats/times.js';

const epochs = [
  { step: 8, seconds: 3, accuracy: 0.5 },
  { step: 16, seconds: 2, accuracy: 0.9 },
  { step: 24, seconds: 2, accuracy: 0.8 },
  { step: 32, seconds: 2, accuracy: 0.95 },
];

describe('stepsToTarget and secondsToTarget', () => {
  it('take the first epoch at the target, equal counting as reached', () => {
    expect(stepsToTarget(epochs, 0.9)).toBe(16);
    expect(stepsToTarget(epochs, 0.91)).toBe(32);
    expect(secondsToTarget(epochs, 0.9)).toBe(5);
    expect(secondsToTarget(epochs, 0.91)).toBe(9);
  });

  it('count as reached what rounding alone puts below the target', () => {
    // Three runs that all end at 20 of 27 have a mean just above each of them; ten equal recalls of 0.68 one just below.
    const target = (20 / 27 + 20 / 27 + 20 / 27) / 3;
    expect(target).toBeGreaterThan(20 / 27);
    expect(stepsToTarget([{ step: 6, accuracy: 20 / 27 }], target)).toBe(6);
    expect(secondsToTarget([{ seconds: 2, accuracy: 0.6799999999999999 }], 0.68)).toBe(2);
    expect(stepsToTarget([{ step: 6, accuracy: 0.68 - 1e-6 }], 0.68)).toBeNull();
  });

  it('answer null where the target was never reached', () => {
    expect(stepsToTarget(epochs, 0.96)).toBeNull();
    expect(secondsToTarget(epochs, 0.96)).toBeNull();
    expect(stepsToTarget([], 0)).toBeNull();
  });
});

describe('summarizeTimes', () => {
  it('is the plain summary where every run arrived', () => {
    expect(summarizeTimes([100, 200, 600])).toMatchObject({
      ...{ mean: 300, median: 200, reached: 3, n: 3, fastest: 100, slowest: 600 },
    });
  });

  it('has an interval that ends at 0: there are no negative steps', () => {
    const { low, high } = summarizeTimes([8, 16]);
    expect(low).toBe(0);
    expect(high).toBeCloseTo(12 + 12.706 * 4, 2);
  });

  it('has no mean as soon as one run never arrived, and a median while the middle one did', () => {
    const one = summarizeTimes([null, 200, 100]);
    expect(one).toEqual({
      ...{ mean: null, sd: null, low: null, high: null, median: 200, reached: 2, n: 3 },
      ...{ fastest: 100, slowest: null },
    });
    expect(summarizeTimes([null, null, 100])).toMatchObject({ median: null, reached: 1 });
    expect(summarizeTimes([null, 100])).toMatchObject({ median: null, reached: 1 });
    expect(() => summarizeTimes([])).toThrow(RangeError);
  });
});
