import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readFileSync } from 'node:fs';
import { trainingBox, validationBox } from '../../../src/data/images/crop.js';
import { decodeImage } from '../../../src/data/images/decode.js';
import type { CropBox, DecodedImage, ImageSize } from '../../../src/data/images/image.js';
import { randomStream, type RandomStream } from '../../../src/random.js';

tf.enableProdMode();

const sizes: fc.Arbitrary<ImageSize> = fc.record({
  height: fc.integer({ min: 1, max: 400 }),
  width: fc.integer({ min: 1, max: 400 }),
  downscaled: fc.boolean(),
});

/** The crop in pixels: first and last sampled row and column. */
function pixelsOf({ y1, x1, y2, x2 }: CropBox, { height, width }: ImageSize) {
  const [top, bottom] = [y1 * (height - 1), y2 * (height - 1)];
  const [left, right] = [Math.min(x1, x2) * (width - 1), Math.max(x1, x2) * (width - 1)];
  return { top, left, height: bottom - top + 1, width: right - left + 1 };
}

/** A stream that gives these numbers and then fails. */
function scripted(...numbers: number[]): RandomStream {
  onTestFinished(() => expect(numbers).toEqual([]));
  const uniform = () => {
    const number = numbers.shift();
    if (number === undefined) throw new Error('more numbers drawn than expected');
    return number;
  };
  return { uniform, integer: (limit) => Math.floor(uniform() * limit) };
}

describe('the validation crop', () => {
  it('is the centre square of 0.875 of the short side of a downscaled image', () => {
    // 160 x 240: 0.875 * 160 = 140 rows from 10 to 149, columns from 50 to 189.
    const image = { height: 160, width: 240, downscaled: true };
    expect(validationBox(image)).toEqual({ y1: 10 / 159, y2: 149 / 159, x1: 50 / 239, x2: 189 / 239 });
  });

  it('is the whole centre square otherwise', () => {
    expect(validationBox({ height: 32, width: 32, downscaled: false })).toEqual({
      y1: 0,
      y2: 1,
      x1: 0,
      x2: 1,
    });
    // 20 of 30 columns, from 5 to 24.
    expect(validationBox({ height: 20, width: 30, downscaled: false })).toEqual({
      y1: 0,
      y2: 1,
      x1: 5 / 29,
      x2: 24 / 29,
    });
  });

  it('is a square of whole pixels within the image, in its middle', () => {
    fc.assert(
      fc.property(sizes, (image) => {
        const crop = pixelsOf(validationBox(image), image);
        expect(crop.height).toBeCloseTo(crop.width, 6);
        for (const value of Object.values(crop))
          expect(Math.abs(value - Math.round(value))).toBeLessThan(1e-9 * 400);
        expect(Math.abs(2 * crop.top + crop.height - image.height)).toBeLessThan(1 + 1e-6);
        expect(Math.abs(2 * crop.left + crop.width - image.width)).toBeLessThan(1 + 1e-6);
      }),
    );
  });
});

describe('the training crop', () => {
  it('draws mirror, area, ratio and place as worked out by hand', () => {
    const image = { height: 100, width: 100, downscaled: true };
    // No mirror (0.9); area 0.5 + 0.5 * 0.5 = 0.75 of 10000; ratio exp(0) = 1, the middle of log 3/4 to
    // log 4/3; side round(sqrt(7500)) = 87; 14 places: top floor(14 * 0.5) = 7, left floor(14 * 0.99) = 13.
    const box = trainingBox(image, scripted(0.9, 0.5, 0.5, 0.5, 0.99), 'crop-flip');
    expect(box).toEqual({ y1: 7 / 99, y2: 93 / 99, x1: 13 / 99, x2: 99 / 99 });
    // The same, mirrored.
    const mirrored = trainingBox(image, scripted(0.1, 0.5, 0.5, 0.5, 0.99), 'crop-flip');
    expect(mirrored).toEqual({ ...box, x1: box.x2, x2: box.x1 });
    // The whole area at ratio 3/4 is round(sqrt(10000 / 0.75)) = 115 high: a second try follows.
    expect(trainingBox(image, scripted(0.9, 1, 0, 0.5, 0.5, 0.5, 0.99), 'crop-flip')).toEqual(box);
  });

  it('falls back on the largest centred part within 3/4 to 4/3 after ten tries', () => {
    // Two numbers a try; one more drawn, or one left over, would not fit.
    const tries = Array.from({ length: 20 }, () => 0.5);
    // 400 wide, 30 high: 40 columns from 180 on.
    const wide = { height: 30, width: 400, downscaled: false };
    expect(trainingBox(wide, scripted(0.9, ...tries), 'crop-flip')).toEqual({
      y1: 0,
      y2: 1,
      x1: 180 / 399,
      x2: 219 / 399,
    });
    const tall = { height: 400, width: 30, downscaled: false };
    expect(trainingBox(tall, scripted(0.9, ...tries), 'crop-flip')).toEqual({
      x1: 0,
      x2: 1,
      y1: 180 / 399,
      y2: 219 / 399,
    });
  });

  it('keeps to 0.5 to 1 of the area and 3/4 to 4/3, inside the image', () => {
    fc.assert(
      fc.property(sizes, fc.integer(), (image, seed) => {
        const box = trainingBox(image, randomStream(seed, 'test'), 'crop-flip');
        for (const side of Object.values(box)) {
          expect(side).toBeGreaterThanOrEqual(0);
          expect(side).toBeLessThanOrEqual(1);
        }
        const { height, width } = pixelsOf(box, image);
        // Each side is rounded to whole pixels: by half a pixel at most.
        expect((width - 0.5 - 1e-6) / (height + 0.5)).toBeLessThan(4 / 3);
        expect((height - 0.5 - 1e-6) / (width + 0.5)).toBeLessThan(4 / 3);
        // Where the ratio is beyond 8/3, no crop of half the area fits, and the fallback is smaller.
        const ratio = Math.max(image.width / image.height, image.height / image.width);
        if (ratio < 4 / 3) {
          expect((height + 0.5) * (width + 0.5)).toBeGreaterThan(0.5 * image.height * image.width - 1e-6);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('uses its whole range, and mirrors half the time', () => {
    const image = { height: 200, width: 250, downscaled: true };
    const boxes = Array.from({ length: 2000 }, (_, i) =>
      trainingBox(image, randomStream(i, 'test'), 'crop-flip'),
    );
    const crops = boxes.map((box) => pixelsOf(box, image));
    const areas = crops.map(({ height, width }) => (height * width) / 50_000);
    expect(Math.min(...areas)).toBeLessThan(0.51);
    expect(Math.max(...areas)).toBeGreaterThan(0.95);
    expect(Math.min(...crops.map(({ top }) => top))).toBeCloseTo(0);
    expect(Math.max(...crops.map(({ top, height }) => top + height))).toBeCloseTo(200);
    // 1000 +- 5 standard deviations of sqrt(2000) / 2 = 22.4.
    expect(Math.abs(boxes.filter(({ x1, x2 }) => x1 > x2).length - 1000)).toBeLessThan(112);
  });

  it('is the validation crop, mirrored or not, where only mirroring is asked for', () => {
    fc.assert(
      fc.property(sizes, fc.integer(), (image, seed) => {
        const plain = validationBox(image);
        expect(trainingBox(image, randomStream(seed), 'none')).toEqual(plain);
        const mirrored = randomStream(seed).uniform() < 0.5;
        const expected = mirrored ? { ...plain, x1: plain.x2, x2: plain.x1 } : plain;
        expect(trainingBox(image, randomStream(seed), 'flip')).toEqual(expected);
      }),
    );
  });
});

interface Golden {
  readonly size: readonly number[];
  readonly validation: GoldenCrop;
  readonly training: readonly GoldenCrop[];
}
interface GoldenCrop {
  readonly box: CropBox;
  /** 6 x 6 x 3 levels, as cropAndResize gives them. */
  readonly levels: readonly number[];
}

describe('what the network sees of a photograph of 3:2', () => {
  it('is as committed, for validation and three training crops', async () => {
    const golden = JSON.parse(readFileSync('test/golden/data/crops.json', 'utf8')) as Golden;
    const image = await decodeImage(await photograph(), 120);
    expect([image.height, image.width]).toEqual(golden.size);
    expectCrop(image, validationBox(image), golden.validation);
    golden.training.forEach((expected, i) => {
      expectCrop(image, trainingBox(image, randomStream(0, 'augment', 1, `${i}.jpg`), 'crop-flip'), expected);
    });
  });

  it('begins at the first pixel of the crop and ends at its last', async () => {
    const image = await decodeImage(await photograph(), 120);
    // The crop of 105 of 120 rows from 7 on, of 180 columns from 37 on; mirrored the other way round.
    const box = validationBox(image);
    const corner = (y: number, x: number) => [
      ...image.pixels.subarray((y * 180 + x) * 3, (y * 180 + x) * 3 + 3),
    ];
    const seen = resample(image, box, 96);
    const last = 96 * 96 * 3 - 3;
    seen.slice(0, 3).forEach((level, i) => expect(level).toBeCloseTo(corner(7, 37)[i]!, 2));
    seen.slice(last).forEach((level, i) => expect(level).toBeCloseTo(corner(111, 141)[i]!, 2));
    const mirrored = resample(image, { ...box, x1: box.x2, x2: box.x1 }, 96);
    mirrored.slice(0, 3).forEach((level, i) => expect(level).toBeCloseTo(corner(7, 141)[i]!, 2));
  });
});

function expectCrop(image: DecodedImage, box: CropBox, expected: GoldenCrop): void {
  for (const side of ['y1', 'x1', 'y2', 'x2'] as const) expect(box[side]).toBeCloseTo(expected.box[side], 12);
  const levels = resample(image, box, 6);
  // Two levels of room for another build of the decoder's resampling.
  levels.forEach((level, i) => expect(Math.abs(level - expected.levels[i]!)).toBeLessThan(2));
}

function resample(image: DecodedImage, { y1, x1, y2, x2 }: CropBox, size: number): number[] {
  return tf.tidy(() => {
    const pixels = tf.tensor4d(Float32Array.from(image.pixels), [1, image.height, image.width, 3]);
    return [...tf.image.cropAndResize(pixels, [[y1, x1, y2, x2]], [0], [size, size], 'bilinear').dataSync()];
  });
}

/** A sky over a meadow with a sun: 450 x 300, smooth, no two parts alike. */
function photograph(): Promise<Buffer> {
  const raw = Buffer.alloc(450 * 300 * 3);
  for (let y = 0; y < 300; y++) {
    for (let x = 0; x < 450; x++) {
      const sun = Math.exp(-((x - 330) ** 2 + (y - 80) ** 2) / 1800);
      const ground = 1 / (1 + Math.exp((170 + 15 * Math.sin(x / 40) - y) / 4));
      const sky = [110 - y / 5, 160 - x / 9, 230 - y / 9];
      const meadow = [60 + x / 7, 120 + 20 * Math.cos(x / 15), 40 + y / 9];
      const colour = sky.map((level, i) => (1 - ground) * level + ground * meadow[i]! + sun * (240 - level));
      raw.set(
        colour.map((level) => Math.max(0, Math.min(255, Math.round(level)))),
        (y * 450 + x) * 3,
      );
    }
  }
  return sharp(raw, { raw: { width: 450, height: 300, channels: 3 } })
    .png()
    .toBuffer();
}
