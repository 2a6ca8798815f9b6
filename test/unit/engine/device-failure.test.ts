import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, test } from 'vitest';
import { requireFits, setLargestBuffer } from '../../../src/engine/backends/current.js';
import {
  forgetDeviceFailure,
  onDevice,
  readValues,
  reportDeviceFailure,
} from '../../../src/engine/backends/device-failure.js';
import { RunError, UsageError } from '../../../src/errors.js';

afterEach(() => {
  forgetDeviceFailure();
  setLargestBuffer(Infinity);
});

test('values are copies', async () => {
  const tensor = tf.tensor1d([1, 2]);
  const values = await readValues(tensor);
  values[0] = 9;
  expect(await readValues(tensor)).toEqual(Float32Array.of(1, 2));
});

test('after a failure every reading throws it, and who waits hears of it', async () => {
  const never = { data: () => new Promise<never>(() => undefined) } as unknown as tf.Tensor;
  const waiting = readValues(never);
  reportDeviceFailure('It broke.');
  await expect(waiting).rejects.toThrow(/It broke\./);
  await expect(readValues(tf.scalar(1))).rejects.toThrow(RunError);
  reportDeviceFailure('A consequence.');
  await expect(readValues(tf.scalar(1))).rejects.toThrow(/It broke\..*train --resume/);
});

test('an error that a failure caused is told as that failure, also where the news comes later', async () => {
  const broken = onDevice(async () => {
    setTimeout(() => reportDeviceFailure('It broke.'), 10);
    throw new TypeError('cannot read properties of undefined');
  });
  await expect(broken).rejects.toThrow(/It broke\./);
});

test.each(['OOM when allocating tensor with shape[64,112,112,96]', 'Out of memory'])(
  '%s',
  async (message) => {
    const failing = onDevice(() => Promise.reject(new Error(message)));
    await expect(failing).rejects.toThrow(RunError);
    await expect(failing).rejects.toThrow(/Lower --batch-size/);
  },
);

test('other errors stay what they are', async () => {
  const bug = new TypeError('not a function');
  await expect(onDevice(() => Promise.reject(bug))).rejects.toBe(bug);
});

test('a batch over the largest buffer is refused with one that fits', () => {
  requireFits(1e9, 1000);
  setLargestBuffer(1000);
  requireFits(100, 10);
  expect(() => requireFits(100, 11)).toThrow(UsageError);
  expect(() => requireFits(100, 11)).toThrow(/--batch-size 10 fits/);
  expect(() => requireFits(1001, 1)).toThrow(/Lower --image-size/);
});
