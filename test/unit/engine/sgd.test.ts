import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { Sgd } from '../../../src/engine/tfjs/sgd.js';

tf.enableProdMode();

type Numbers = Readonly<Record<string, readonly number[]>>;

const oracle = JSON.parse(
  readFileSync(new URL('../../golden/oracles/sgd.json', import.meta.url), 'utf8'),
) as {
  readonly weightDecay: number;
  readonly headLrMultiplier: number;
  readonly initial: Numbers;
  readonly steps: readonly {
    readonly learningRate: number;
    readonly momentum: number;
    readonly gradients: Numbers;
    readonly weights: Numbers;
    readonly velocities: Numbers;
  }[];
};

beforeAll(async () => {
  await tf.setBackend('cpu');
});

function variables(values: Numbers): Map<string, tf.Variable> {
  return new Map(
    Object.entries(values).map(([name, list]) => [name, tf.tidy(() => tf.variable(tf.tensor1d([...list])))]),
  );
}

const tensors = (values: Numbers) =>
  new Map(Object.entries(values).map(([name, list]) => [name, tf.tensor1d([...list])]));

const valuesOf = (held: ReadonlyMap<string, tf.Tensor>, name: string) => [...held.get(name)!.dataSync()];

test('v = m v + g + decay w, then w -= rate v; the head faster, biases without decay', () => {
  const weights = variables({ 'a/kernel': [1, -2], 'a/bias': [4], 'head/kernel': [1] });
  const sgd = new Sgd(weights, { weightDecay: 0.5, headLrMultiplier: 4 });
  const gradients = tensors({ 'a/kernel': [0.5, 1], 'a/bias': [2], 'head/kernel': [0.5] });

  // All numbers are exact in binary. Momentum meets velocities of zero.
  //   a/kernel: v = [0.5 + 0.5 x 1, 1 + 0.5 x -2] = [1, 0];  w = [1 - 0.25 x 1, -2 - 0.25 x 0] = [0.75, -2]
  //   a/bias:   v = 2 (no decay);                            w = 4 - 0.25 x 2 = 3.5
  //   head:     v = 0.5 + 0.5 x 1 = 1;                       w = 1 - 4 x 0.25 x 1 = 0
  sgd.apply(gradients, { learningRate: 0.25, momentum: 0.5 });
  expect(valuesOf(weights, 'a/kernel')).toEqual([0.75, -2]);
  expect(valuesOf(weights, 'a/bias')).toEqual([3.5]);
  expect(valuesOf(weights, 'head/kernel')).toEqual([0]);

  // Another rate and another momentum, as a cycle has them:
  //   a/kernel: v = [0.25 x 1 + 0.5 + 0.5 x 0.75, 0.25 x 0 + 1 + 0.5 x -2] = [1.125, 0]
  //             w = [0.75 - 0.5 x 1.125, -2] = [0.1875, -2]
  //   a/bias:   v = 0.25 x 2 + 2 = 2.5;            w = 3.5 - 0.5 x 2.5 = 2.25
  //   head:     v = 0.25 x 1 + 0.5 + 0.5 x 0 = 0.75;  w = 0 - 4 x 0.5 x 0.75 = -1.5
  sgd.apply(gradients, { learningRate: 0.5, momentum: 0.25 });
  expect(valuesOf(weights, 'a/kernel')).toEqual([0.1875, -2]);
  expect(valuesOf(weights, 'a/bias')).toEqual([2.25]);
  expect(valuesOf(weights, 'head/kernel')).toEqual([-1.5]);
  expect(valuesOf(sgd.buffers, 'a/kernel')).toEqual([1.125, 0]);
  expect(valuesOf(sgd.buffers, 'a/bias')).toEqual([2.5]);
  expect(valuesOf(sgd.buffers, 'head/kernel')).toEqual([0.75]);
  sgd.dispose();
  tf.dispose([...weights.values(), ...gradients.values()]);
});

test('equals torch.optim.SGD over steps of cycled momentum, two groups and weight decay', () => {
  const weights = variables(oracle.initial);
  const sgd = new Sgd(weights, oracle);
  for (const { learningRate, momentum, gradients, ...expected } of oracle.steps) {
    const given = tensors(gradients);
    expect(sgd.apply(given, { learningRate, momentum })).toEqual({ learningRate, momentum });
    tf.dispose([...given.values()]);
    for (const name of weights.keys()) {
      valuesOf(weights, name).forEach((value, i) =>
        expect(value).toBeCloseTo(expected.weights[name]![i]!, 5),
      );
      valuesOf(sgd.buffers, name).forEach((value, i) =>
        expect(value).toBeCloseTo(expected.velocities[name]![i]!, 5),
      );
    }
  }
  sgd.dispose();
  tf.dispose([...weights.values()]);
});

test('keeps no tensors beyond its buffers, and gives those back', () => {
  const weights = variables(oracle.initial);
  const gradients = tensors(oracle.initial);
  const before = tf.memory().numTensors;
  const sgd = new Sgd(weights, { weightDecay: 0.1, headLrMultiplier: 1 });
  expect(tf.memory().numTensors).toBe(before + weights.size);
  for (let step = 0; step < 3; step++) sgd.apply(gradients, { learningRate: 0.1, momentum: 0.9 });
  expect(tf.memory().numTensors).toBe(before + weights.size);
  sgd.dispose();
  expect(tf.memory().numTensors).toBe(before);
  tf.dispose([...weights.values(), ...gradients.values()]);
});

test('a missing gradient is named', () => {
  const weights = variables({ 'a/kernel': [1] });
  const sgd = new Sgd(weights, { weightDecay: 0, headLrMultiplier: 1 });
  expect(() => sgd.apply(new Map(), { learningRate: 0.1, momentum: 0.9 })).toThrow(
    /no gradient for a\/kernel/,
  );
});
