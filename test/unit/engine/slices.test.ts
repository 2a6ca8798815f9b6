import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backendTraits } from '../../../src/engine/backends/current.js';
import { sliceSize, slicesOf } from '../../../src/engine/shapes.js';

describe('images per slice', () => {
  test.each([
    // 400 MB a slice, 8 images at most, never more than the batch.
    [1e6, 32, 8],
    [50e6, 32, 8],
    [50e6 + 1, 32, 7],
    [100e6, 32, 4],
    [133e6, 32, 3],
    [134e6, 32, 2],
    [200e6, 32, 2],
    [200e6 + 1, 32, 1],
    // An image that is too large alone is still computed, by itself.
    [4e9, 32, 1],
    [1e6, 7, 7],
    [1e6, 8, 8],
    [1e6, 9, 8],
    [1e6, 1, 1],
  ])('%d bytes an image in batches of %i: %i', (bytesPerImage, batchSize, expected) => {
    expect(sliceSize(bytesPerImage, batchSize, backendTraits('wasm'))).toBe(expected);
  });
});

describe('the slices of a batch', () => {
  test.each([
    [0, 4, []],
    [1, 4, [[0, 1]]],
    [4, 4, [[0, 4]]],
    [
      5,
      4,
      [
        [0, 4],
        [4, 5],
      ],
    ],
    [
      8,
      4,
      [
        [0, 4],
        [4, 8],
      ],
    ],
    [
      3,
      1,
      [
        [0, 1],
        [1, 2],
        [2, 3],
      ],
    ],
  ])('%i images by %i', (n, size, expected) => {
    expect(slicesOf(n, size).map(({ from, to }) => [from, to])).toEqual(expected);
  });

  test('cover every image once, in order, and are full but for the last', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 64 }), (n, size) => {
        const slices = slicesOf(n, size);
        const images = slices.flatMap(({ from, to }) =>
          Array.from({ length: to - from }, (_, i) => from + i),
        );
        expect(images).toEqual([...Array(n).keys()]);
        for (const { from, to } of slices.slice(0, -1)) expect(to - from).toBe(size);
      }),
    );
  });
});
