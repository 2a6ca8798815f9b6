import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CropBox, type DecodedImage, WHOLE } from '../../../src/data/images/image.js';
import { imageTensor } from '../../../src/engine/tfjs/replica.js';
import { imageTableBytes, writeImageEntry } from '../../../src/engine/wasm/input-area.js';
import { GuardedHeap } from './guarded-heap.js';
import { randomImage } from './random-batch.js';

tf.enableProdMode();

let guarded: GuardedHeap;

beforeAll(async () => {
  await tf.setBackend('cpu');
  guarded = await GuardedHeap.open();
});

/** @param beyond the bytes that happen to lie behind the image */
function onWasm(
  { pixels, height, width }: DecodedImage,
  box: CropBox,
  size: number,
  beyond = 77,
): Float32Array {
  const { heap, kernels } = guarded;
  const image = heap.allocate(pixels.length + 4);
  new Uint8Array(heap.memory.buffer, image, pixels.length + 4).fill(beyond).set(pixels);
  const scratch = guarded.room(kernels.imageInputScratchBytes(size) / 4).address;
  const out = guarded.room(size * size * 3);
  const entry = heap.allocate(imageTableBytes(1));
  writeImageEntry(heap.memory, entry, { address: image, height, width, ...box });
  kernels.imageInput(entry, size, scratch, out.address);
  guarded.expectIntact();
  return out.values.slice();
}

function onCpu(image: DecodedImage, box: CropBox, size: number): Float32Array {
  return tf.tidy(() => Float32Array.from(imageTensor([image], [box], size).dataSync()));
}

const f = Math.fround;

/** Where sample i of n lies between the centres of the first and the last of some pixels, each operation in float32. */
function place(from: number, to: number, i: number, n: number, pixels: number): number {
  const last = pixels - 1;
  const [start, end] = [f(from), f(to)];
  if (n === 1) return f(f(0.5 * f(start + end)) * last);
  return Math.min(Math.max(f(f(start * last) + f(i * f(f(f(end - start) * last) / (n - 1)))), 0), last);
}

/** The same arithmetic, one operation after another in float32: it is what makes a run's bits the same everywhere. */
function inFloat32(
  { pixels, height, width }: DecodedImage,
  { y1, x1, y2, x2 }: CropBox,
  size: number,
): number[] {
  const mix = (a: number, b: number, share: number) => f(a + f(f(b - a) * share));
  return Array.from({ length: size * size * 3 }, (_, i) => {
    const y = place(y1, y2, Math.floor(i / 3 / size), size, height);
    const x = place(x1, x2, Math.floor(i / 3) % size, size, width);
    const at = (row: number, column: number) => pixels[(row * width + column) * 3 + (i % 3)]!;
    const across = (row: number) => mix(at(row, Math.floor(x)), at(row, Math.ceil(x)), f(x - Math.floor(x)));
    const value = mix(across(Math.floor(y)), across(Math.ceil(y)), f(y - Math.floor(y)));
    return f(f(value * f(1 / 127.5)) - 1);
  });
}

// Strictly inside: there no rounding puts a sample beyond the last pixel, which the cpu backend paints black.
const inner = fc.double({ min: 0.01, max: 0.99, noNaN: true });
const side = fc.integer({ min: 1, max: 50 });

test('any crop of any image, mirrored or not: the definition, and these very bits', () => {
  const box = fc.record({ y1: inner, x1: inner, y2: inner, x2: inner });
  fc.assert(
    fc.property(
      side,
      side,
      box,
      fc.integer({ min: 1, max: 40 }),
      fc.nat(),
      (height, width, given, size, seed) => {
        const image = randomImage(height, width, seed);
        const values = onWasm(image, given, size);
        expect([...values]).toEqual(inFloat32(image, given, size));
        const expected = onCpu(image, given, size);
        values.forEach((value, i) => expect(Math.abs(value - expected[i]!), `value ${i}`).toBeLessThan(1e-4));
      },
    ),
    { numRuns: 150, seed: 3 },
  );
});

describe('the whole of an image', () => {
  test('ends with its last pixel, at any size and never black', () => {
    for (let size = 2; size < 130; size++) {
      const along = 2 + ((size * 7) % 61);
      const pixels = new Uint8Array(along * along * 3).fill(255);
      const values = onWasm({ pixels, height: along, width: along, downscaled: false }, WHOLE, size, 0);
      expect(Math.min(...values), `${along} to ${size}`).toBeCloseTo(1, 5);
    }
  });

  test('keeps every pixel where nothing is resized: 0 becomes -1 and 255 becomes 1', () => {
    const pixels = Uint8Array.from([0, 51, 255, 255, 0, 102, 153, 255, 0, 255, 204, 0]);
    const image = { pixels, height: 2, width: 2, downscaled: false };
    // x / 127.5 - 1.
    const levels = [-1, -0.6, 1, 1, -1, -0.2, 0.2, 1, -1, 1, 0.6, -1];
    onWasm(image, WHOLE, 2).forEach((value, i) => expect(value).toBeCloseTo(levels[i]!, 6));
  });
});

test('what lies behind an image does not show in it', () => {
  for (const [height, width] of [
    [1, 1],
    [1, 7],
    [9, 4],
  ] as const) {
    const image = randomImage(height, width, width);
    expect(onWasm(image, WHOLE, 8, 0)).toEqual(onWasm(image, WHOLE, 8, 255));
  }
});
