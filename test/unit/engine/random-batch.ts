import { type DecodedImage, WHOLE } from '../../../src/data/images/image.js';
import type { ImageInput } from '../../../src/engine/engine.js';
import { randomStream } from '../../../src/random.js';

/** An image of pseudo-random bytes, in memory that threads share. */
export function randomImage(height: number, width: number, number: number): DecodedImage {
  const stream = randomStream(number, 'image');
  const pixels = new Uint8Array(new SharedArrayBuffer(height * width * 3));
  for (let i = 0; i < pixels.length; i++) pixels[i] = stream.integer(256);
  return { pixels, height, width, downscaled: false };
}

/** Images of changing sizes, every third one mirrored, with labels 0 to 2. */
export function randomBatch(n: number, seed = 0): { input: ImageInput; labels: Int32Array } {
  const numbers = Array.from({ length: n }, (_, i) => i);
  return {
    input: {
      kind: 'images',
      images: numbers.map((i) => randomImage(i % 2 === 0 ? 16 : 20, 18, seed * 1000 + i)),
      boxes: numbers.map((i) => (i % 3 === 0 ? { ...WHOLE, x1: 0.9, x2: 0.1 } : WHOLE)),
    },
    labels: Int32Array.from(numbers, (i) => (i + seed) % 3),
  };
}
