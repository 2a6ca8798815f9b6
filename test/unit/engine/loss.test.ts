import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { batchWeight } from '../../../src/engine/params.js';
import { crossEntropy, lossTensors } from '../../../src/engine/tfjs/loss.js';
import { softmaxCrossEntropyInPlace } from '../../../src/engine/wasm/slice-pass.js';

tf.enableProdMode();

const { cases } = JSON.parse(
  readFileSync(new URL('../../golden/oracles/cross-entropy.json', import.meta.url), 'utf8'),
) as {
  readonly cases: readonly {
    readonly smoothing: number;
    readonly classes: number;
    readonly logits: readonly number[];
    readonly labels: readonly number[];
    readonly loss: number;
    readonly gradient: readonly number[];
    /** Of `weights`, which are a weight a class. */
    readonly weights: readonly number[];
    readonly weightedLoss: number;
    readonly weightedGradient: readonly number[];
    /** What torch has with `weight` where nothing is smoothed; null elsewhere. */
    readonly torchWeight: { readonly loss: number; readonly gradient: readonly number[] } | null;
  }[];
};

beforeAll(async () => {
  await tf.setBackend('cpu');
});

interface Loss {
  readonly lossSum: number;
  readonly gradient: readonly number[];
}

type LossOf = (
  logits: readonly number[],
  classes: number,
  labels: readonly number[],
  smoothing: number,
  batchWeight: number,
  classWeights?: readonly number[],
) => Loss;

const onTfjs: LossOf = (logits, classes, labels, labelSmoothing, weight, classWeights) => {
  const made = tf.tensor2d([...logits], [labels.length, classes]);
  const terms = { labelSmoothing, ...(classWeights && { classWeights }) };
  const given = lossTensors(Int32Array.from(labels), classes, terms, weight);
  const { lossSum, dLogits } = crossEntropy(made, given, weight);
  const values = { lossSum: lossSum.dataSync()[0]!, gradient: [...dLogits.dataSync()] };
  tf.dispose([made, ...given, lossSum, dLogits]);
  return values;
};

const inPlace: LossOf = (logits, _, labels, labelSmoothing, weight, classWeights) => {
  const values = Float32Array.from(logits);
  const lossSum = softmaxCrossEntropyInPlace(
    values,
    Int32Array.from(labels),
    { labelSmoothing, classWeights },
    weight,
  );
  return { lossSum, gradient: [...values] };
};

describe.each([
  ['by tfjs', onTfjs],
  ['in place', inPlace],
])('%s', (_, lossOf) => {
  test('without smoothing: -log p of the right class, gradient p - onehot', () => {
    // exp(ln 3) : exp(0) = 3 : 1, so p = [3/4, 1/4]. Right class 0: -ln(3/4); gradient [-1/4, 1/4].
    // Second image, right class 1: -ln(1/4); gradient [3/4, -3/4].
    const { lossSum, gradient } = lossOf([Math.log(3), 0, Math.log(3), 0], 2, [0, 1], 0, 1);
    expect(lossSum).toBeCloseTo(Math.log(4 / 3) + Math.log(4), 6);
    [-0.25, 0.25, 0.75, -0.75].forEach((value, i) => expect(gradient[i]).toBeCloseTo(value, 6));
  });

  test('with smoothing 0.2 over 2 classes: the target is [0.9, 0.1]', () => {
    // 1 - 0.2 + 0.2 / 2 = 0.9 and 0.2 / 2 = 0.1; p = [3/4, 1/4] as above.
    // loss = 0.9 ln(4/3) + 0.1 ln 4; gradient p - target = [-0.15, 0.15].
    const { lossSum, gradient } = lossOf([Math.log(3), 0], 2, [0], 0.2, 1);
    expect(lossSum).toBeCloseTo(0.9 * Math.log(4 / 3) + 0.1 * Math.log(4), 6);
    [-0.15, 0.15].forEach((value, i) => expect(gradient[i]).toBeCloseTo(value, 6));
  });

  test('a slice has its own loss sum, but its gradient is over the whole batch', () => {
    const whole = lossOf([Math.log(3), 0], 2, [0], 0.2, 1);
    const slice = lossOf([Math.log(3), 0], 2, [0], 0.2, 8);
    expect(slice.lossSum).toBe(whole.lossSum);
    slice.gradient.forEach((value, i) => expect(value).toBeCloseTo(whole.gradient[i]! / 8, 7));
  });

  test.each(cases)('equals torch for $classes classes with smoothing $smoothing', (oracle) => {
    const { logits, classes, labels, smoothing } = oracle;
    const { lossSum, gradient } = lossOf(logits, classes, labels, smoothing, labels.length);
    // torch gives the mean.
    expect(lossSum / labels.length).toBeCloseTo(oracle.loss, 4);
    gradient.forEach((value, i) => expect(value).toBeCloseTo(oracle.gradient[i]!, 5));
  });

  test('an image counts as its class weighs, over the weight of the whole batch', () => {
    // p = [3/4, 1/4] of both images. Weights 1/2 of class 0, 2 of class 1: with labels 0 and 1 they add to 5/2.
    // losses 1/2 ln(4/3) and 2 ln 4; gradients (1/2) (p - [1, 0]) / (5/2) and 2 (p - [0, 1]) / (5/2).
    const { lossSum, gradient } = lossOf([Math.log(3), 0, Math.log(3), 0], 2, [0, 1], 0, 2.5, [0.5, 2]);
    expect(lossSum).toBeCloseTo(0.5 * Math.log(4 / 3) + 2 * Math.log(4), 6);
    [-0.05, 0.05, 0.6, -0.6].forEach((value, i) => expect(gradient[i]).toBeCloseTo(value, 6));
  });

  test('weights of 1 change no bit', () => {
    const [{ logits, classes, labels }] = [cases[1]!];
    const plain = lossOf(logits, classes, labels, 0.1, labels.length);
    const ones = Array.from({ length: classes }, () => 1);
    expect(lossOf(logits, classes, labels, 0.1, labels.length, ones)).toEqual(plain);
  });

  test.each(cases)('weighted, equals torch for $classes classes with smoothing $smoothing', (oracle) => {
    const { logits, classes, labels, smoothing, weights } = oracle;
    const weight = batchWeight(Int32Array.from(labels), weights);
    const { lossSum, gradient } = lossOf(logits, classes, labels, smoothing, weight, weights);
    expect(lossSum / weight).toBeCloseTo(oracle.weightedLoss, 4);
    gradient.forEach((value, i) => expect(value).toBeCloseTo(oracle.weightedGradient[i]!, 5));
    // Without smoothing that is what torch's own `weight` means.
    if (oracle.torchWeight === null) return;
    expect(lossSum / weight).toBeCloseTo(oracle.torchWeight.loss, 4);
    gradient.forEach((value, i) => expect(value).toBeCloseTo(oracle.torchWeight!.gradient[i]!, 5));
  });

  test('has the gradient that differences of the loss have', () => {
    const { logits, classes, labels, weights } = cases[0]!;
    const weight = batchWeight(Int32Array.from(labels), weights);
    const lossAt = (shifted: readonly number[]) =>
      lossOf(shifted, classes, labels, 0.1, weight, weights).lossSum / weight;
    const { gradient } = lossOf(logits, classes, labels, 0.1, weight, weights);
    const step = 1 / 16;
    gradient.forEach((value, i) => {
      const [up, down] = [step, -step].map((by) => logits.map((logit, k) => (k === i ? logit + by : logit)));
      expect((lossAt(up!) - lossAt(down!)) / (2 * step)).toBeCloseTo(value, 3);
    });
  });

  test('logits far apart neither overflow nor vanish', () => {
    const { lossSum, gradient } = lossOf([1000, -1000, -1000, 1000], 2, [0, 0], 0, 2);
    expect(lossSum).toBe(2000);
    expect(gradient).toEqual([0, 0, -0.5, 0.5]);
  });

  test('logits that are no numbers give a loss that is none', () => {
    expect(lossOf([NaN, 1, 0, 1], 2, [1, 0], 0.1, 2).lossSum).toBeNaN();
    expect(lossOf([Infinity, 1], 2, [1], 0.1, 1).lossSum).toBeNaN();
  });
});

test('keeps no other tensors', () => {
  const logits = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  const given = lossTensors(Int32Array.of(0, 1), 2, { labelSmoothing: 0.1, classWeights: [1, 3] }, 4);
  const before = tf.memory().numTensors;
  const { lossSum, dLogits } = crossEntropy(logits, given, 4);
  expect(tf.memory().numTensors).toBe(before + 2);
  tf.dispose([logits, lossSum, dLogits]);
});
