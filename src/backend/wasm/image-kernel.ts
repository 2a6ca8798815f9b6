import { type KernelFunc, util } from '@tensorflow/tfjs-core';
import type { ImageInputAttributes } from '../image-input.js';
import type { Heap } from './heap.js';

/** Bytes that a vector load of the last pixel reads beyond the image. */
const BEYOND = 4;
const WHOLE = { y1: 0, x1: 0, y2: 1, x2: 1 };

/** The kernel `ImageInput`: no inputs, the attributes of its name -> [n, size, size, 3]. */
export function imageInputKernel(heap: Heap): KernelFunc {
  return ({ attrs }) => {
    const { images, boxes, size } = attrs as unknown as ImageInputAttributes;
    util.assert(images.length === boxes.length, () => `${images.length} images and ${boxes.length} boxes.`);
    images.forEach(({ pixels, height, width }, i) => {
      util.assert(
        pixels.length === height * width * 3 && pixels.length > 0,
        () => `Image ${i} has ${pixels.length} bytes instead of ${height} x ${width} x 3.`,
      );
    });
    const { imageInput, imageInputScratchBytes } = heap.kernels;
    const y = heap.output([images.length, size, size, 3]);
    const table = imageInputScratchBytes(size);
    let target = heap.address(y);
    for (const [i, { pixels, height, width }] of images.entries()) {
      const { y1, x1, y2, x2 } = boxes[i] ?? WHOLE;
      const scratch = heap.scratch(table + pixels.length + BEYOND);
      heap.write(pixels, scratch + table);
      imageInput(scratch + table, height, width, y1, x1, y2, x2, size, scratch, target);
      target += size * size * 3 * Float32Array.BYTES_PER_ELEMENT;
    }
    return y;
  };
}
