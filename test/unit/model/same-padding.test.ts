import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { samePadding } from '../../../src/model/load/conv-stage.js';

tf.enableProdMode();

const windows = [4, 5, 6, 7, 8, 9].flatMap((size) =>
  [1, 2].flatMap((stride) => [1, 3].map((window) => [size, stride, window] as const)),
);

// tfjs computes the padding of 'same' itself: valid after samePadding must give the same image.
test.each(windows)('size %d, stride %d, window %d: zeros and valid are same', (size, stride, window) => {
  const image = tf.tensor4d(
    Array.from({ length: size * size }, (_, i) => Math.sin(i)),
    [1, size, size, 1],
  );
  const kernel = tf.tensor4d(
    Array.from({ length: window * window }, (_, i) => i + 1),
    [window, window, 1, 1],
  );
  const [rows, columns] = samePadding({ size, kernel: [window, window], stride });
  const padded = tf.pad(image, [[0, 0], [...rows], [...columns], [0, 0]]);
  const found = tf.conv2d(padded, kernel, stride, 'valid');
  const expected = tf.conv2d(image, kernel, stride, 'same');
  expect(found.shape).toEqual(expected.shape);
  expect(found.dataSync()).toEqual(expected.dataSync());
});
