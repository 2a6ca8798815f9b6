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
