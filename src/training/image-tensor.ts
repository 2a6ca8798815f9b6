import * as tf from '@tensorflow/tfjs-core';
import type { CropBox, DecodedImage } from '../data/image.js';

/**
 * Crops, mirrors and resizes images on the backend: [n, size, size, 3] in [-1, 1].
 * Bilinear; decoding has already shrunk large images to within 1.25 of the size.
 */
export function imageTensor(
  images: readonly DecodedImage[],
  boxes: readonly CropBox[],
  size: number,
): tf.Tensor4D {
  return tf.tidy(() => {
    const parts = runsOfEqualSize(images).map(([from, to]) =>
      cropRun(images.slice(from, to), boxes.slice(from, to), size),
    );
    const pixels = parts.length === 1 && parts[0] !== undefined ? parts[0] : tf.concat(parts, 0);
    return tf.sub(tf.mul(pixels, 1 / 127.5), 1);
  });
}

function cropRun(images: readonly DecodedImage[], boxes: readonly CropBox[], size: number): tf.Tensor4D {
  const { height = 0, width = 0 } = images[0] ?? {};
  const bytes = height * width * 3;
  const values = new Float32Array(images.length * bytes);
  images.forEach((image, i) => values.set(image.pixels, i * bytes));
  const box = Float32Array.from(boxes.flatMap(({ y1, x1, y2, x2 }) => [y1, x1, y2, x2]));
  return tf.image.cropAndResize(
    tf.tensor4d(values, [images.length, height, width, 3]),
    tf.tensor2d(box, [boxes.length, 4]),
    tf.range(0, images.length, 1, 'int32'),
    [size, size],
    'bilinear',
  );
}

/** One cropAndResize serves all neighbours of equal size; photographs of a camera often are. */
function runsOfEqualSize(images: readonly DecodedImage[]): [number, number][] {
  const runs: [number, number][] = [];
  images.forEach((image, i) => {
    const before = images[i - 1];
    const run = runs.at(-1);
    if (run !== undefined && before?.height === image.height && before.width === image.width) run[1] = i + 1;
    else runs.push([i, i + 1]);
  });
  return runs;
}
