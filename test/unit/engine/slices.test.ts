import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backendTraits } from '../../../src/engine/backends/current.js';
import { sliceSize, slicesOf, smallestTrainedMap } from '../../../src/engine/shapes.js';
import { freshNetwork } from '../../../src/model/load/backbone.js';

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
  ])('%d bytes an image in batches of %i: %i', (bytes, batchSize, expected) => {
    expect(sliceSize({ bytes, positions: 1 }, batchSize, backendTraits('wasm'))).toBe(expected);
  });

  // More threads get work where fewer images do: MobileNet at 96, 128, 160, 224 and 512 pixels.
  test.each([
    [3 ** 2, 8],
    [4 ** 2, 4],
    [5 ** 2, 3],
    [7 ** 2, 2],
    [16 ** 2, 1],
  ])('with %i positions in the smallest map: %i on a processor, 64 on a device', (positions, expected) => {
    const load = { bytes: 1e6, positions };
    expect(sliceSize(load, 256, backendTraits('wasm'))).toBe(expected);
    expect(sliceSize(load, 256, backendTraits('webgpu'))).toBe(64);
  });

  test('the smallest trained map: the last one of the network, one position where the head alone is trained', () => {
    const { backbone } = freshNetwork(0.35, 0);
    const { length } = backbone.blocks;
    expect([0, length - 2, length].map((first) => smallestTrainedMap(backbone, first, 224))).toEqual([
      49, 49, 1,
    ]);
    expect(smallestTrainedMap(backbone, 0, 96)).toBe(9);
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
