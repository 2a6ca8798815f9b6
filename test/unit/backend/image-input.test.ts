import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { fusedImageInput } from '../../../src/backend/image-input.js';
import { startWasm } from '../../../src/backend/wasm/start.js';
import { randomStream } from '../../../src/random/streams.js';

tf.enableProdMode();

beforeAll(startWasm);

interface Box {
  readonly y1: number;
  readonly x1: number;
  readonly y2: number;
  readonly x2: number;
}

function randomImage(height: number, width: number, seed: number) {
  const stream = randomStream(seed, 'pixels');
  return {
    pixels: Uint8Array.from({ length: height * width * 3 }, () => stream.integer(256)),
    height,
    width,
  };
}

/** tfjs's own kernels, one after another. */
function byOperations(
  { pixels, height, width }: ReturnType<typeof randomImage>,
  { y1, x1, y2, x2 }: Box,
  size: number,
) {
  return tf.tidy(() => {
    const image = tf.tensor4d(Float32Array.from(pixels), [1, height, width, 3]);
    const crop = tf.image.cropAndResize(image, [[y1, x1, y2, x2]], [0], [size, size], 'bilinear');
    return tf.sub(tf.mul(crop, 1 / 127.5), 1).dataSync();
  });
}

function fused(images: ReturnType<typeof randomImage>[], boxes: Box[], size: number): Float32Array {
  const tensor = fusedImageInput({ images, boxes, size })!;
  const values = Float32Array.from(tensor.dataSync());
  tensor.dispose();
  return values;
}

describe('images to network inputs in one kernel', () => {
  // Inner boxes: there tfjs's kernel and this one do the same operations in the same order.
  test.each([
    [33, 47, { y1: 0.1, x1: 0.2, y2: 0.9, x2: 0.7 }, 32],
    [33, 47, { y1: 0.1, x1: 0.7, y2: 0.9, x2: 0.2 }, 32],
    [64, 20, { y1: 0.3, x1: 0.25, y2: 0.5, x2: 0.75 }, 33],
    [300, 220, { y1: 0.05, x1: 0.05, y2: 0.95, x2: 0.95 }, 96],
    [2, 2, { y1: 0.25, x1: 0.25, y2: 0.75, x2: 0.75 }, 5],
    [9, 9, { y1: 0.25, x1: 0.25, y2: 0.75, x2: 0.75 }, 1],
  ])('%i x %i pixels, box %o, to %i: the bits of cropAndResize, mul and sub', (height, width, box, size) => {
    const image = randomImage(height, width, height);
    expect(fused([image], [box], size)).toEqual(byOperations(image, box, size));
  });

  test('the last sample of a whole image is its last pixel, at any size and never black', () => {
    for (let size = 2; size < 130; size++) {
      const side = 2 + ((size * 7) % 61);
      const image = { ...randomImage(side, side, size), pixels: new Uint8Array(side * side * 3).fill(255) };
      const values = fused([image], [{ y1: 0, x1: 0, y2: 1, x2: 1 }], size);
      expect(Math.min(...values), `${side} to ${size}`).toBeCloseTo(1, 5);
    }
  });

  test('images of any sizes beside each other come out as alone', () => {
    const images = [
      randomImage(20, 30, 0),
      randomImage(30, 20, 1),
      randomImage(1, 1, 2),
      randomImage(200, 5, 3),
    ];
    const boxes = images.map((_, i) => ({ y1: 0.1 * i, x1: 0.9, y2: 1, x2: 0 }));
    const alone = images.flatMap((image, i) => [...fused([image], [boxes[i]!], 16)]);
    expect([...fused(images, boxes, 16)]).toEqual(alone);
  });

  test('what does not fit together is refused, and no tensor is left', () => {
    const before = tf.memory().numTensors;
    const image = randomImage(4, 4, 0);
    const box = { y1: 0, x1: 0, y2: 1, x2: 1 };
    expect(() => fused([image], [], 8)).toThrow('1 images and 0 boxes');
    expect(() => fused([{ ...image, width: 5 }], [box], 8)).toThrow('48 bytes instead of 4 x 5 x 3');
    expect(tf.memory().numTensors).toBe(before);
  });
});
