import { expect, test } from 'vitest';
import { initHead } from '../../../src/model/network.js';

test('the kernel is uniform within 1 / sqrt(features), the bias zero', () => {
  const { kernel, bias } = initHead(400, 100, 7);
  const bound = 1 / 20;
  expect(kernel.length).toBe(40_000);
  expect(bias).toEqual(new Float32Array(100));
  expect(Math.max(...kernel)).toBeLessThanOrEqual(Math.fround(bound));
  expect(Math.min(...kernel)).toBeGreaterThanOrEqual(Math.fround(-bound));
  // Uniform on [-b, b]: mean 0 with standard error b / sqrt(3 n) = 1.4e-4, mean square b^2 / 3 = 8.333e-4 with
  // standard error b^2 sqrt(4 / 45 / n) = 3.7e-6; both within 4 of them.
  const mean = kernel.reduce((sum, w) => sum + w, 0) / kernel.length;
  const square = kernel.reduce((sum, w) => sum + w * w, 0) / kernel.length;
  expect(Math.abs(mean)).toBeLessThan(6e-4);
  expect(Math.abs(square - 8.333e-4)).toBeLessThan(1.5e-5);
});

test('the same seed gives the same head, another seed another', () => {
  expect(initHead(64, 3, 1)).toEqual(initHead(64, 3, 1));
  expect(initHead(64, 3, 1).kernel).not.toEqual(initHead(64, 3, 2).kernel);
});
