import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { foldBatchNorm } from '../../../src/model/load/fold.js';

const norm = {
  name: 'bn',
  gamma: Float32Array.of(3, 1),
  beta: Float32Array.of(0.5, -1),
  mean: Float32Array.of(2, 0),
  variance: Float32Array.of(3, 0.25),
  epsilon: 1,
};
const filter = { kernel: Float32Array.of(1, 2, 3, 4), bias: Float32Array.of(4, 0) };

describe('foldBatchNorm', () => {
  test('by hand', () => {
    // s = [3 / sqrt(3 + 1), 1 / sqrt(0.25 + 1)] = [1.5, 0.894427]; kernel elements 0 and 2 are channel 0.
    // b' = [0.5 + (4 - 2) 1.5, -1 + (0 - 0) 0.894427] = [3.5, -1].
    const { kernel, bias } = foldBatchNorm(filter, norm);
    const s = 1 / Math.sqrt(1.25);
    expect([...kernel]).toEqual([1.5, Math.fround(2 * s), 4.5, Math.fround(4 * s)]);
    expect([...bias]).toEqual([3.5, -1]);
  });

  test('without scale gamma is 1, without center beta is 0', () => {
    const { bias, kernel } = foldBatchNorm(filter, { ...norm, gamma: undefined, beta: undefined });
    expect([...bias]).toEqual([1, 0]); // (4 - 2) / 2
    expect(kernel[0]).toBe(0.5);
  });

  test('without batch norm a copy', () => {
    const folded = foldBatchNorm(filter, undefined);
    expect(folded).toEqual(filter);
    expect(folded.kernel.buffer).not.toBe(filter.kernel.buffer);
    expect(folded.bias.buffer).not.toBe(filter.bias.buffer);
  });

  test.each([-1, -2, NaN])('refuses the variance %d', (value) => {
    const broken = { ...norm, variance: Float32Array.of(3, value) };
    expect(() => foldBatchNorm(filter, broken)).toThrow(UsageError);
  });

  test('a 1 x 1 convolution and batch norm are the folded convolution, at any input', () => {
    const numbers = (min: number, max: number) =>
      fc.float32Array({ minLength: 3, maxLength: 3, min, max, noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(
        numbers(-4, 4),
        numbers(-4, 4),
        numbers(-4, 4),
        numbers(-4, 4),
        numbers(-4, 4),
        numbers(0, 4),
        fc.double({ min: -3, max: 3, noNaN: true }),
        (kernel, bias, gamma, beta, mean, variance, x) => {
          const folded = foldBatchNorm(
            { kernel, bias },
            { name: 'bn', gamma, beta, mean, variance, epsilon: 0.5 },
          );
          for (const c of [0, 1, 2]) {
            const y = x * kernel[c]! + bias[c]!;
            const expected = (gamma[c]! * (y - mean[c]!)) / Math.sqrt(variance[c]! + 0.5) + beta[c]!;
            // Values up to 200, each rounded to float32 once.
            expect(Math.abs(x * folded.kernel[c]! + folded.bias[c]! - expected)).toBeLessThan(1e-4);
          }
        },
      ),
    );
  });
});
