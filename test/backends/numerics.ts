import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { readValues } from '../../src/engine/backends/device-failure.js';
import {
  batchNormBackward,
  batchNormForward,
  convBackward,
  convForward,
  type ConvOptions,
} from '../../src/engine/tfjs/conv.js';
import { addInPlace } from '../../src/engine/tfjs/local-engine.js';
import { rateTensor, sgdUpdate } from '../../src/engine/tfjs/sgd.js';
import { randomStream } from '../../src/random.js';
import { BACKEND, onCpu, relativeError, startBoth } from './backend-under-test.js';

// Against the 'cpu' backend, which computes in plain JavaScript: errors in units of the largest reference value. Sums
// of n products in float32 differ by their order, by about sqrt(n) times 6e-8.
const FORWARD = 5e-6;
const GRADIENT = 2e-5;

beforeAll(async () => {
  const { name, device } = await startBoth();
  console.log(`under test: ${name} on ${device}`);
});

type Case = readonly [
  kind: ConvOptions['kind'],
  kernel: number,
  stride: number,
  image: readonly [batch: number, height: number, width: number],
  channels: readonly [number, number],
  relu6: boolean,
];

// Channels beside, on and over the edges of tiles of 16 and 32; maps with odd sides; sums over 1 to 30000 positions.
const CASES: readonly Case[] = [
  ['conv', 1, 1, [2, 7, 7], [16, 8], true],
  ['conv', 1, 1, [3, 5, 9], [33, 31], false],
  ['conv', 1, 1, [1, 1, 1], [5, 3], false],
  ['conv', 1, 1, [8, 1, 1], [1280, 10], false],
  ['conv', 1, 1, [4, 14, 14], [96, 32], true],
  ['conv', 1, 1, [2, 3, 3], [112, 448], true],
  ['conv', 1, 1, [3, 15, 11], [36, 68], true],
  ['conv', 1, 1, [2, 31, 33], [24, 144], false],
  // So many positions that a workgroup takes 64 or 128 of them.
  ['conv', 1, 1, [1, 181, 182], [4, 8], true],
  ['conv', 1, 1, [1, 257, 256], [8, 4], false],
  ['conv', 1, 1, [3, 100, 100], [7, 5], true],
  ['conv', 3, 2, [2, 32, 32], [3, 16], true],
  ['conv', 3, 2, [2, 33, 31], [3, 17], true],
  ['conv', 3, 1, [1, 6, 5], [4, 6], false],
  ['depthwise', 3, 1, [2, 8, 8], [16, 16], true],
  ['depthwise', 3, 2, [2, 8, 8], [17, 17], true],
  ['depthwise', 3, 2, [3, 9, 7], [48, 48], true],
  ['depthwise', 3, 1, [1, 1, 1], [5, 5], false],
  ['depthwise', 3, 1, [3, 56, 57], [40, 40], true],
  ['depthwise', 5, 2, [2, 11, 11], [6, 6], true],
];

describe('convolutions', () => {
  test.each(CASES)(
    '%s of side %i, stride %i, images %j, channels %j',
    async (kind, kernel, stride, image, [from, to], relu6) => {
      const inputs = {
        x: uniform('x', [...image, from], 6),
        filter: uniform('w', kind === 'conv' ? [kernel, kernel, from, to] : [kernel, kernel, from, 1], 1),
        bias: uniform('b', [to], 1),
        dy: uniform('dy', [image[0], Math.ceil(image[1] / stride), Math.ceil(image[2] / stride), to], 1),
      };
      const own = await gradientsOf(inputs, { kind, stride, relu6 });
      const expected = await onCpu(() => gradientsOf(inputs, { kind, stride, relu6 }));
      expect(relativeError(own.y, expected.y)).toBeLessThan(FORWARD);
      for (const name of ['dx', 'dFilter', 'dBias'] as const) {
        expect(relativeError(own[name], expected[name]), name).toBeLessThan(GRADIENT);
      }
      const again = await gradientsOf(inputs, { kind, stride, relu6 });
      expect(again, 'the same bits when repeated').toEqual(own);
    },
  );

  test('leave out the input gradient where nobody needs it', async () => {
    const before = tf.memory().numTensors;
    const x = tf.ones<tf.Rank.R4>([1, 4, 4, 3]);
    const filter = tf.ones<tf.Rank.R4>([1, 1, 3, 2]);
    const bias = tf.zeros<tf.Rank.R1>([2]);
    const y = convForward(x, filter, bias, { kind: 'conv', stride: 1, relu6: false });
    const gradients = convBackward(
      { x, y, dy: y, filter },
      { kind: 'conv', stride: 1, relu6: false },
      { input: false, bias: true },
    );
    expect(gradients.dx).toBeUndefined();
    // 16 positions, y = 3 everywhere: each weight gets 16 * 1 * 3, each bias 16 * 3.
    expect(await readValues(gradients.dFilter)).toEqual(new Float32Array(6).fill(48));
    expect(await readValues(gradients.dBias!)).toEqual(new Float32Array(2).fill(48));
    tf.dispose([x, filter, bias, y, gradients.dFilter, gradients.dBias!]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('batch norm in training mode', () => {
  test.each<[image: readonly number[], channels: number, relu6: boolean]>([
    [[2, 7, 7], 16, true],
    [[3, 5, 9], 33, false],
    [[3, 20, 21], 24, false],
    [[2, 9, 7], 96, true],
    [[4, 1, 1], 5, true],
    // Of so many values some are so near an end of ReLU6 that rounding decides whether they pass a gradient: here none is cut.
    [[3, 100, 100], 7, false],
  ])('of images %j, %i channels', async (image, channels, relu6) => {
    const inputs = {
      // Far from mean 0, where a difference of squares would lose its digits.
      z: uniform('z', [...image, channels], 6, 20),
      dy: uniform('dy', [...image, channels], 1),
      gamma: uniform('gamma', [channels], 2, 2),
      beta: uniform('beta', [channels], 2, 2),
      mean: uniform('mean', [channels], 1),
      variance: uniform('variance', [channels], 1, 1),
    };
    const options = { epsilon: 1e-3, momentum: 0.9, relu6 };
    const own = await normalizedOf(inputs, options);
    const expected = await onCpu(() => normalizedOf(inputs, options));
    for (const name of ['y', 'mean', 'variance', 'dz', 'dGamma', 'dBeta'] as const) {
      expect(relativeError(own[name], expected[name]), name).toBeLessThan(GRADIENT);
    }
    expect(await normalizedOf(inputs, options), 'the same bits when repeated').toEqual(own);
  });
});

describe('updates', () => {
  test('SGD with momentum and weight decay, by hand, also after its weights were read', async () => {
    const weight = tf.variable(tf.tensor1d([1, -2, 0.5]));
    const velocity = tf.variable(tf.zeros([3]));
    const gradient = tf.tensor1d([0.5, 1, -1]);
    const rates = { learningRate: 0.1, momentum: 0.9 };
    const onDevice = rateTensor(rates);
    const update = () =>
      sgdUpdate(
        { weight, velocity, gradient },
        { ...rates, onDevice },
        { rateMultiplier: 1, weightDecay: 0.01 },
      );
    update();
    // v = g + 0.01 w = [0.51, 0.98, -0.995]; w -= 0.1 v
    expect(relativeError(await readValues(weight), [0.949, -2.098, 0.5995])).toBeLessThan(1e-6);
    update();
    // v = 0.9 v + g + 0.01 w = [0.96849, 1.86102, -1.889505]
    expect(relativeError(await readValues(velocity), [0.96849, 1.86102, -1.889505])).toBeLessThan(1e-6);
    expect(relativeError(await readValues(weight), [0.852151, -2.284102, 0.7884505])).toBeLessThan(1e-6);
    tf.dispose([weight, velocity, gradient, onDevice]);
  });

  test('sums in place, more values than one dispatch has threads', async () => {
    const n = 70_000 * 64 + 1;
    const target = tf.variable(tf.fill([n], 1.5));
    const source = tf.fill([n], 0.25);
    addInPlace(target, source);
    const values = await readValues(target);
    expect(values.every((value) => value === 1.75)).toBe(true);
    tf.dispose([target, source]);
  });
});

test(`${BACKEND} is what computed all this`, () => {
  expect(tf.getBackend()).toBe(BACKEND);
});

interface ConvInputs {
  readonly x: Values;
  readonly filter: Values;
  readonly bias: Values;
  readonly dy: Values;
}

interface Values {
  readonly values: Float32Array;
  readonly shape: number[];
}

function uniform(name: string, shape: number[], width: number, centre = 0): Values {
  const random = randomStream(7, name, ...shape);
  const length = shape.reduce((product, side) => product * side, 1);
  const values = Float32Array.from({ length }, () => centre + width * (random.uniform() - 0.5));
  return { values, shape };
}

/** Batch norm and its gradients; all that it made is given back. */
async function normalizedOf(
  inputs: Readonly<Record<'z' | 'dy' | 'gamma' | 'beta' | 'mean' | 'variance', Values>>,
  options: Parameters<typeof batchNormForward>[2],
) {
  const before = tf.memory().numTensors;
  const [z, dy] = [inputs.z, inputs.dy].map(({ values, shape }) =>
    tf.tensor<tf.Rank.R4>(values, shape as [number, number, number, number]),
  );
  const [gamma, beta] = [inputs.gamma, inputs.beta].map(({ values }) => tf.tensor1d(values));
  const [mean, variance] = [inputs.mean, inputs.variance].map(({ values }) => {
    const first = tf.tensor1d(values);
    const variable = tf.variable(first, false);
    first.dispose();
    return variable;
  });
  const norm = { gamma: gamma!, beta: beta!, mean: mean!, variance: variance! };
  const { y, normalized } = batchNormForward(z!, norm, options);
  const gradients = batchNormBackward(dy!, y, normalized, gamma!, options);
  const read = {
    y: await readValues(y),
    mean: await readValues(mean!),
    variance: await readValues(variance!),
    dz: await readValues(gradients.dz),
    dGamma: await readValues(gradients.dGamma),
    dBeta: await readValues(gradients.dBeta),
  };
  tf.dispose([z!, dy!, y, ...Object.values(norm), ...Object.values(normalized), ...Object.values(gradients)]);
  expect(tf.memory().numTensors, 'tensors left').toBe(before);
  return read;
}

async function gradientsOf(inputs: ConvInputs, options: ConvOptions) {
  const before = tf.memory().numTensors;
  const load = <R extends tf.Rank>({ values, shape }: Values) =>
    tf.tensor<R>(values, shape as tf.ShapeMap[R]);
  const [x, filter, dy] = [inputs.x, inputs.filter, inputs.dy].map((part) => load<tf.Rank.R4>(part));
  const bias = load<tf.Rank.R1>(inputs.bias);
  const y = convForward(x!, filter!, bias, options);
  const { dx, dFilter, dBias } = convBackward({ x: x!, y, dy: dy!, filter: filter! }, options, {
    input: true,
    bias: true,
  });
  const read = {
    y: await readValues(y),
    dx: await readValues(dx!),
    dFilter: await readValues(dFilter),
    dBias: await readValues(dBias!),
  };
  tf.dispose([x!, filter!, dy!, bias, y, dx!, dFilter, dBias!]);
  expect(tf.memory().numTensors, 'tensors left').toBe(before);
  return read;
}
