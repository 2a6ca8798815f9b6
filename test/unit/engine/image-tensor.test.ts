import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { trainingBox, validationBox } from '../../../src/data/images/crop.js';
import { type CropBox, type DecodedImage, WHOLE } from '../../../src/data/images/image.js';
import { inputLength, sliceInput } from '../../../src/engine/engine.js';
import { imageTensor } from '../../../src/engine/tfjs/replica.js';
import { randomStream } from '../../../src/random.js';
import { randomBatch, randomImage } from './random-batch.js';

tf.enableProdMode();

beforeAll(async () => {
  await tf.setBackend('cpu');
});

function valuesOf(images: readonly DecodedImage[], boxes: readonly CropBox[], size: number): number[] {
  const tensor = imageTensor(images, boxes, size);
  expect(tensor.shape).toEqual([images.length, size, size, 3]);
  const values = [...tensor.dataSync()];
  tensor.dispose();
  return values;
}

/**
 * The definition, written out: sample i of `size` lies at the fraction first + i / (size - 1) x (last - first)
 * of the way from the first pixel's centre to the last one's, and is mixed from the four pixels around it.
 */
function expected(
  { pixels, height, width }: DecodedImage,
  { y1, x1, y2, x2 }: CropBox,
  size: number,
): number[] {
  const place = (from: number, to: number, i: number, pixelsAlong: number) =>
    (from + (i / (size - 1)) * (to - from)) * (pixelsAlong - 1);
  const at = (y: number, x: number, channel: number) =>
    pixels[(Math.min(y, height - 1) * width + Math.min(x, width - 1)) * 3 + channel]!;
  return Array.from({ length: size * size * 3 }, (_, i) => {
    const channel = i % 3;
    const x = place(x1, x2, Math.floor(i / 3) % size, width);
    const y = place(y1, y2, Math.floor(i / 3 / size), height);
    const [top, left] = [Math.floor(y), Math.floor(x)];
    const [down, right] = [y - top, x - left];
    const upper = at(top, left, channel) * (1 - right) + at(top, left + 1, channel) * right;
    const lower = at(top + 1, left, channel) * (1 - right) + at(top + 1, left + 1, channel) * right;
    return (upper * (1 - down) + lower * down) / 127.5 - 1;
  });
}

const photograph = { ...randomImage(40, 61, 1), downscaled: true };
const crop = trainingBox(photograph, randomStream(2, 'crop'), 'crop-flip');
const centre = validationBox(photograph);
const mirrored = (box: CropBox) => ({ ...box, x1: box.x2, x2: box.x1 });

describe('images as a tensor', () => {
  test.each([
    ['the validation crop', centre],
    ['its mirror image', mirrored(centre)],
    ['a training crop', crop],
    ['its mirror image', mirrored(crop)],
  ])('%s of an image that is not square', (_, box) => {
    const values = valuesOf([photograph], [box], 32);
    expected(photograph, box, 32).forEach((value, i) => {
      expect(Math.abs(values[i]! - value), `value ${i}`).toBeLessThan(1e-5);
    });
  });

  test('0 becomes -1 and 255 becomes 1, pixel for pixel where nothing is resized', () => {
    const pixels = Uint8Array.from([0, 51, 255, 255, 0, 102, 153, 255, 0, 255, 204, 0]);
    const image = { pixels, height: 2, width: 2, downscaled: false };
    // x / 127.5 - 1.
    const levels = [-1, -0.6, 1, 1, -1, -0.2, 0.2, 1, -1, 1, 0.6, -1];
    valuesOf([image], [WHOLE], 2).forEach((value, i) => expect(value).toBeCloseTo(levels[i]!, 6));
    const flipped = [...levels.slice(3, 6), ...levels.slice(0, 3), ...levels.slice(9), ...levels.slice(6, 9)];
    valuesOf([image], [mirrored(WHOLE)], 2).forEach((value, i) => expect(value).toBeCloseTo(flipped[i]!, 6));
  });

  test('an image comes out alike alone, among its like and among others', () => {
    // Neighbours of equal size, equal sizes that are no neighbours, one side equal, and sides exchanged.
    const sizes = [
      [20, 30],
      [20, 30],
      [20, 24],
      [30, 20],
      [20, 30],
      [17, 17],
      [17, 17],
    ] as const;
    const images = sizes.map(([height, width], i) => randomImage(height, width, i));
    const boxes = images.map((image, i) => trainingBox(image, randomStream(i, 'box'), 'crop-flip'));
    const together = valuesOf(images, boxes, 16);
    const alone = images.flatMap((image, i) => valuesOf([image], [boxes[i]!], 16));
    expect(together).toEqual(alone);
  });

  test('keeps its result alone', () => {
    const before = tf.memory().numTensors;
    const images = [randomImage(9, 8, 0), randomImage(8, 9, 1)];
    const made = imageTensor(images, [WHOLE, WHOLE], 8);
    expect(tf.memory().numTensors).toBe(before + 1);
    made.dispose();
  });
});

describe('a part of an input', () => {
  test('of images holds those images and their boxes', () => {
    const { input } = randomBatch(5);
    if (input.kind !== 'images') throw new Error('not images');
    const part = sliceInput(input, 2, 4);
    expect(part).toEqual({
      kind: 'images',
      images: input.images.slice(2, 4),
      boxes: input.boxes.slice(2, 4),
    });
    expect([inputLength(input), inputLength(part)]).toEqual([5, 2]);
  });

  test('of features shares their memory', () => {
    const values = Float32Array.from({ length: 5 * 12 }, (_, i) => i);
    const input = { kind: 'features', values, shape: [2, 3, 2] } as const;
    const part = sliceInput(input, 1, 3);
    if (part.kind !== 'features') throw new Error('not features');
    expect([...part.values]).toEqual([...values.subarray(12, 36)]);
    expect(part.values.buffer).toBe(values.buffer);
    expect([inputLength(input), inputLength(part)]).toEqual([5, 2]);
  });
});
