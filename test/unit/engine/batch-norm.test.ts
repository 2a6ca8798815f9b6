import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { fingerprint, type NetworkSetup, type TrainedState } from '../../../src/engine/params.js';
import { Classifier } from '../../../src/engine/tfjs/classifier.js';
import { batchNormBackward, batchNormForward } from '../../../src/engine/tfjs/conv.js';
import { LocalEngine } from '../../../src/engine/tfjs/local-engine.js';
import { foldBatchNorms } from '../../../src/model/load/fold.js';
import { randomStream } from '../../../src/random.js';
import { expectTorchSteps, torchSetup } from './batch-norm-reference.js';
import { opened, RATES, trainOn } from './engine-runs.js';
import { randomBatch } from './random-batch.js';
import { normalizedSetup } from './small-networks.js';

tf.enableProdMode();

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** The largest difference over the largest value, or over `least` where that is more. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>, least = 0): number {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(least, ...Array.from(expected, Math.abs));
  expect(largest).toBeGreaterThan(0);
  return Math.max(...Array.from(expected, (value, i) => Math.abs(value - actual[i]!))) / largest;
}

/**
 * What gradients are held against that are smaller: a thousandth of the largest of all. What beta adds before a linear convolution
 * of 1 x 1 the next batch norm subtracts again, so that its gradient is zero but for rounding.
 */
function leastOf(gradients: Iterable<ArrayLike<number>>): number {
  return 1e-3 * Math.max(...[...gradients].flatMap((values) => Array.from(values, Math.abs)));
}

describe('by hand', () => {
  const norm = () => ({
    gamma: tf.tensor1d([2]),
    beta: tf.tensor1d([1]),
    mean: tf.variable(tf.tensor1d([0])),
    variance: tf.variable(tf.tensor1d([1])),
  });
  const options = { epsilon: 0.5, momentum: 0.75, relu6: true };

  test('forward, running statistics and gradients', () => {
    const tensors = norm();
    const z = tf.tensor4d([1, 2, 3, 6], [2, 1, 2, 1]);
    const before = tf.memory().numTensors;
    const { y, normalized } = batchNormForward(z, tensors, options);
    // mean 3, biased variance (4 + 1 + 0 + 9) / 4 = 3.5, and 1 / sqrt(3.5 + 0.5) = 0.5.
    expect([...normalized.scale.dataSync()]).toEqual([0.5]);
    expect([...normalized.mean.dataSync()]).toEqual([3]);
    expect(normalized.z).toBe(z);
    // x = [-1, -0.5, 0, 1.5], 2 x + 1 = -1, 0, 1, 4, of which ReLU6 cuts the first.
    expect([...y.dataSync()]).toEqual([0, 0, 1, 4]);
    // 0.75 x 0 + 0.25 x 3, and of the unbiased variance 14 / 3: 0.75 x 1 + 0.25 x 14 / 3.
    expect([...tensors.mean.dataSync()]).toEqual([0.75]);
    expect(tensors.variance.dataSync()[0]).toBeCloseTo(0.75 + 14 / 12, 6);

    const dy = tf.tensor4d([1, 1, 1, 2], [2, 1, 2, 1]);
    const gradients = batchNormBackward(dy, y, normalized, tensors.gamma, options);
    // Behind ReLU6 [0, 0, 1, 2]; dBeta is its sum, dGamma its product with x: 1.5 x 2.
    expect([...gradients.dBeta.dataSync()]).toEqual([3]);
    expect([...gradients.dGamma.dataSync()]).toEqual([3]);
    // gamma scale = 1 times [0, 0, 1, 2] less (3 + 3 x) / 4 = [0, 0.375, 0.75, 1.875].
    expect([...gradients.dz.dataSync()]).toEqual([0, -0.375, 0.25, 0.125]);
    tf.dispose([y, dy, normalized.mean, normalized.scale, ...Object.values(gradients)]);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([z, ...Object.values(tensors)]);
  });

  test('without ReLU6 nothing is cut', () => {
    const z = tf.tensor4d([1, 2, 3, 6], [1, 2, 2, 1]);
    const { y } = batchNormForward(z, norm(), { ...options, relu6: false });
    expect([...y.dataSync()]).toEqual([-1, 0, 1, 4]);
  });

  test('a single value has no variance', () => {
    const tensors = norm();
    expect(() => batchNormForward(tf.tensor4d([1], [1, 1, 1, 1]), tensors, options)).toThrow(
      'batch norm in training mode needs more than one value a channel',
    );
    expect([...tensors.mean.dataSync()]).toEqual([0]);
  });
});

/** The same network by tfjs's own operations and its own tape: batch norm of a training step with tf.moments. */
function byTape({ backbone, parameters, head }: NetworkSetup, images: tf.Tensor4D, dLogits: tf.Tensor2D) {
  const all = new Map<string, tf.Variable>();
  for (const [name, { values, shape }] of parameters) {
    if (!/\/(mean|variance)$/.test(name)) all.set(name, tf.variable(tf.tensor(values, [...shape])));
  }
  all.set('head/kernel', tf.variable(tf.tensor(head.kernel, [backbone.features, head.bias.length])));
  all.set('head/bias', tf.variable(tf.tensor1d(head.bias)));
  const outputs: tf.Tensor[] = [];
  const forward = (): tf.Tensor => {
    let x = images;
    for (const { units, residual } of backbone.blocks) {
      const start = x;
      for (const { name, kind, stride, relu6, batchNorm } of units) {
        const z = (kind === 'conv' ? tf.conv2d : tf.depthwiseConv2d)(
          x,
          all.get(`${name}/kernel`) as tf.Tensor4D,
          stride,
          'same',
        );
        if (batchNorm === undefined) x = tf.add(z, all.get(`${name}/bias`)!);
        else {
          const { mean, variance } = tf.moments(z, [0, 1, 2]);
          const normalized = tf.div(tf.sub(z, mean), tf.sqrt(tf.add(variance, batchNorm.epsilon)));
          x = tf.add(tf.mul(normalized, all.get(`${name}/gamma`)!), all.get(`${name}/beta`)!);
        }
        if (relu6) {
          x = tf.relu6(x);
          outputs.push(tf.keep(x));
        }
      }
      if (residual) x = tf.add(start, x);
    }
    return tf.add(tf.matMul(tf.mean(x, [1, 2]), all.get('head/kernel')!), all.get('head/bias')!);
  };
  const logits = tf.tidy(() => forward().dataSync() as Float32Array);
  const { grads } = tf.variableGrads(
    () => tf.sum(tf.mul(forward(), dLogits)) as tf.Scalar,
    [...all.values()],
  );
  const gradients = new Map([...all].map(([name, { name: key }]) => [name, grads[key]!.dataSync()]));
  const reached = outputs.flatMap((output) => [...output.dataSync()]);
  return { logits, gradients, ends: [0, 6].map((end) => reached.filter((value) => value === end).length) };
}

describe.each(['V1', 'V2', 'narrow V2'] as const)('a small Mobile%s against the tape of tfjs', (network) => {
  test.each([
    [0, 16],
    [1, 17],
    [3, 16],
  ])('trained from block %i on, at %i pixels', (firstTrained, size) => {
    const setup = normalizedSetup(network, firstTrained, size);
    const stream = randomStream(3, network, size);
    const draw = (length: number) => Float32Array.from({ length }, () => 2 * stream.uniform() - 1);
    const images = tf.tensor4d(draw(4 * size * size * 3), [4, size, size, 3]);
    const dLogits = tf.tensor2d(draw(4 * 3), [4, 3]);
    const expected = byTape(setup, images, dLogits);
    for (const count of expected.ends) expect(count).toBeGreaterThan(0);

    const before = tf.memory().numTensors;
    const classifier = new Classifier(setup.backbone, firstTrained, setup.parameters, setup.head);
    const made = tf.memory().numTensors;
    const features = classifier.features(images);
    const { logits, tape } = classifier.forward(features);
    const gradients = classifier.backward(tape, dLogits);
    expect(relativeError(logits.dataSync(), expected.logits)).toBeLessThan(1e-4);
    expect([...gradients.keys()].sort()).toEqual([...classifier.trained.keys()].sort());
    const least = leastOf(expected.gradients.values());
    for (const [name, gradient] of gradients) {
      const error = relativeError(gradient.dataSync(), expected.gradients.get(name)!, least);
      expect(error, name).toBeLessThan(1e-4);
    }
    tf.dispose([features, logits, ...gradients.values()]);
    expect(tf.memory().numTensors).toBe(made);
    classifier.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test("three steps are those of PyTorch's BatchNorm2d in training mode", async () => {
  await expectTorchSteps(await opened(new LocalEngine(torchSetup(), 2)));
});

describe('an engine', () => {
  test('normalizes over the whole batch, however it is cut for evaluation', async () => {
    const setup = normalizedSetup('V2', 1);
    const [whole, cut] = [await opened(new LocalEngine(setup, 8)), await opened(new LocalEngine(setup, 3))];
    expect(await trainOn(cut, [8, 5, 8])).toEqual(await trainOn(whole, [8, 5, 8]));
  });

  test('evaluates by the running statistics, which evaluation leaves alone', async () => {
    const setup = normalizedSetup('V2', 1);
    const engine = await opened(new LocalEngine(setup, 4));
    await trainOn(engine, [8, 8]);
    const state = await engine.snapshot();
    const { input } = randomBatch(5, 9);
    const logits = await engine.logits(input);
    expect(fingerprint(await engine.snapshot())).toBe(fingerprint(state));
    // Each image by itself has the same: nothing of a batch is in it.
    const alone = await opened(new LocalEngine(setup, 1));
    await alone.restore(state);
    expect(await alone.logits(input)).toEqual(logits);
    // Folded in double precision it is the same network.
    const trained = new Map([...state.weights, ...state.statistics!]);
    const parameters = new Map(
      [...setup.parameters].map(([name, { shape, values }]) => [
        name,
        { shape, values: trained.get(name) ?? values },
      ]),
    );
    const head = { kernel: trained.get('head/kernel')!, bias: trained.get('head/bias')! };
    const folded = foldBatchNorms({ backbone: setup.backbone, parameters });
    const frozen = await opened(new LocalEngine({ ...setup, ...folded, head, firstTrained: 1 }, 4));
    expect(relativeError(await frozen.logits(input), logits)).toBeLessThan(1e-5);
  });

  test('goes on from a restored state with the same bits', async () => {
    const setup = normalizedSetup('V1', 1);
    const [first, other] = [await opened(new LocalEngine(setup, 4)), await opened(new LocalEngine(setup, 4))];
    await trainOn(first, [8, 5]);
    const state = await first.snapshot();
    const before = fingerprint(state);
    const rest = await trainOn(first, [8, 7, 2]);
    expect(fingerprint(state)).toBe(before);
    await other.restore(state);
    expect(fingerprint(await other.snapshot())).toBe(before);
    expect(await trainOn(other, [8, 7, 2])).toEqual(rest);
  });

  test.each<[string, (state: TrainedState) => TrainedState]>([
    ['without statistics', ({ weights, velocities }) => ({ weights, velocities })],
    [
      'whose last statistic is too long',
      (state) => ({
        ...state,
        statistics: new Map([...state.statistics!, ['last/conv/variance', new Float32Array(99)]]),
      }),
    ],
  ])('refuses a state %s, and is as it was', async (_, damage) => {
    const engine = await opened(new LocalEngine(normalizedSetup('V2', 1), 4));
    const other = await opened(new LocalEngine(normalizedSetup('V2', 1), 4));
    await trainOn(other, [8]);
    const before = fingerprint(await engine.snapshot());
    await expect(engine.restore(damage(await other.snapshot()))).rejects.toThrow(
      /does not fit the network at .*\/(mean|variance)/,
    );
    expect(fingerprint(await engine.snapshot())).toBe(before);
  });

  test('has running statistics in its fingerprint', async () => {
    const state = await (await opened(new LocalEngine(normalizedSetup('V2', 1), 4))).snapshot();
    const [[name, values] = ['', new Float32Array()]] = state.statistics!;
    const other = new Map(state.statistics).set(
      name,
      values.map((value) => value + 1),
    );
    expect(fingerprint({ ...state, statistics: other })).not.toBe(fingerprint(state));
  });

  test('gives all tensors back', async () => {
    const before = tf.memory().numTensors;
    for (const first of [0, 1, 4]) {
      const engine = new LocalEngine(normalizedSetup('V2', first), 3);
      const held = tf.memory().numTensors;
      const { input, labels } = randomBatch(8);
      for (let step = 0; step < 2; step++) await engine.step(input, labels, RATES);
      await engine.features(input);
      await engine.logits(input);
      await engine.restore(await engine.snapshot());
      expect(tf.memory().numTensors).toBe(held);
      await engine.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  test('takes no batch norm that is frozen', () => {
    const { backbone, parameters, head } = normalizedSetup('V2', 1);
    expect(() => new Classifier(backbone, 2, parameters, head)).toThrow(
      /batch norm of a\/expand, which is frozen, is not folded/,
    );
  });
});
