import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { convBackward, convForward } from '../../../src/engine/tfjs/conv.js';
import { addInPlace } from '../../../src/engine/tfjs/local-engine.js';
import { rateTensor, sgdUpdate } from '../../../src/engine/tfjs/sgd.js';
import { relativeError, spread } from './guarded-heap.js';

const ALL = { input: true, bias: true };

tf.enableProdMode();

beforeAll(async () => {
  await tf.setBackend('cpu');
});

test('SGD follows the rule with momentum and weight decay', () => {
  const weight = tf.variable(tf.tensor1d([1, -2, 0.5]));
  const velocity = tf.variable(tf.tensor1d([0, 0.5, -1]));
  const gradient = tf.tensor1d([0.5, 1, -0.25]);
  const before = tf.memory().numTensors;
  // lr 0.5, momentum 0.5, decay 0.25, all exact in binary. g + decay w = [0.75, 0.5, -0.125];
  // v = 0.5 v + that = [0.75, 0.75, -0.625]; w - 0.5 v = [0.625, -2.375, 0.8125].
  const rates = { learningRate: 0.5, momentum: 0.5 };
  const onDevice = rateTensor(rates);
  sgdUpdate({ weight, velocity, gradient }, { ...rates, onDevice }, { rateMultiplier: 1, weightDecay: 0.25 });
  onDevice.dispose();
  expect([...velocity.dataSync()]).toEqual([0.75, 0.75, -0.625]);
  expect([...weight.dataSync()]).toEqual([0.625, -2.375, 0.8125]);
  expect([...gradient.dataSync()]).toEqual([0.5, 1, -0.25]);
  addInPlace(weight, gradient);
  expect([...weight.dataSync()]).toEqual([1.125, -1.375, 0.5625]);
  expect(tf.memory().numTensors).toBe(before);
});

describe.each([
  ['conv', [3, 3, 8, 6]],
  ['depthwise', [3, 3, 8, 1]],
] as const)('a %s layer', (kind, filterShape) => {
  const filterOf = () => tf.tensor4d(spread(72 * (kind === 'conv' ? 6 : 1), -0.6, 0.7, 1), [...filterShape]);
  const xOf = () => tf.tensor4d(spread(2 * 5 * 5 * 8, -1, 3, 2), [2, 5, 5, 8]);
  const biasOf = () => tf.tensor1d(spread(kind === 'conv' ? 6 : 8, -1, 2, 3));

  test.each([
    [1, true],
    [2, true],
    [2, false],
  ] as const)('with stride %i and ReLU6 %s has the values and gradients of the tape', (stride, relu6) => {
    const [x, filter, bias] = [xOf(), filterOf(), biasOf()];
    const plain = (input: tf.Tensor, weights: tf.Tensor, offset: tf.Tensor) => {
      const run = kind === 'conv' ? tf.conv2d : tf.depthwiseConv2d;
      const sums = tf.add(run(input as tf.Tensor4D, weights as tf.Tensor4D, stride, 'same'), offset);
      return relu6 ? tf.relu6(sums) : sums;
    };
    const y = convForward(x, filter, bias, { kind, stride, relu6 });
    const dy = tf.tensor4d(spread(y.size, -1, 1, 4), y.shape);
    const { dx, dFilter, dBias } = convBackward({ x, y, dy, filter }, { kind, stride, relu6 }, ALL);
    const expected = [plain(x, filter, bias), ...tf.grads(plain)([x, filter, bias], dy)];
    [y, dx!, dFilter, dBias!].forEach((found, i) => {
      const [values, reference] = [found, expected[i]!].map((tensor) => Float32Array.from(tensor.dataSync()));
      expect(relativeError(values!, reference!), `result ${i}`).toBeLessThan(1e-5);
    });
  });

  test('keeps no tensors in a step', () => {
    const [x, filter, bias] = [xOf(), tf.variable(filterOf()), tf.variable(biasOf())];
    const velocity = tf.variable(tf.zerosLike(filter));
    const before = tf.memory();
    for (let step = 0; step < 3; step++) {
      const options = { kind, stride: 2, relu6: step !== 1 };
      const y = convForward(x, filter as tf.Tensor4D, bias as tf.Tensor1D, options);
      const tensors = { x, y, dy: y, filter: filter as tf.Tensor4D };
      const { dx, dFilter, dBias } = convBackward(tensors, options, { input: step > 0, bias: true });
      expect(dx?.shape).toEqual(step > 0 ? x.shape : undefined);
      expect(dFilter.shape).toEqual(filter.shape);
      expect(dBias?.shape).toEqual(bias.shape);
      const rates = { learningRate: 0.1, momentum: 0.9 };
      const onDevice = rateTensor(rates);
      const changed = { weight: filter, velocity, gradient: dFilter };
      sgdUpdate(changed, { ...rates, onDevice }, { rateMultiplier: 1, weightDecay: 0 });
      onDevice.dispose();
      for (const tensor of [y, dx, dFilter, dBias]) tensor?.dispose();
    }
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
  });
});
