import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Engine, FeatureInput } from '../../../src/engine/engine.js';
import { type NetworkSetup, termsOf, type TrainedState } from '../../../src/engine/params.js';
import type { ConvUnit, Parameters } from '../../../src/model/network.js';
import { relativeError, spread } from './guarded-heap.js';
import { NETWORKS, normalizedSetup, trainedNames } from './small-networks.js';

tf.enableProdMode();

/** A mini-batch of features. */
export interface FeatureBatch {
  readonly values: Float32Array;
  readonly labels: Int32Array;
}

/** Gradients of one step by name, and the state after it. */
export interface ReferenceStep {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly state: Required<TrainedState>;
}

/** Of one channel each; `count` values have made them. */
interface Moments {
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly count: number;
}

/**
 * The trained part of a network by tfjs's plain operations and its tape, in plain JavaScript: the whole mini-batch at once, batch norm by
 * its mean and variance, and SGD with momentum as the engines make it.
 */
export class BatchNormReference {
  private readonly weights = new Map<string, Float32Array>();
  private readonly velocities = new Map<string, Float32Array>();
  private readonly statistics = new Map<string, Float32Array>();
  private readonly shapes = new Map<string, readonly number[]>();

  constructor(
    private readonly setup: NetworkSetup,
    private readonly featureShape: readonly [number, number, number],
  ) {
    const { head, backbone, parameters } = setup;
    const given = (name: string) => parameters.get(name) ?? { shape: [], values: new Float32Array() };
    const trained = this.units().flatMap((unit) =>
      trainedNames(unit).map((name) => ({ name, ...given(name) })),
    );
    const classes = head.bias.length;
    for (const { name, shape, values } of [
      ...trained,
      { name: 'head/kernel', shape: [backbone.features, classes], values: head.kernel },
      { name: 'head/bias', shape: [classes], values: head.bias },
    ]) {
      this.shapes.set(name, shape);
      this.weights.set(name, values.slice());
      this.velocities.set(name, new Float32Array(values.length));
    }
    for (const { name, batchNorm } of this.units()) {
      if (batchNorm === undefined) continue;
      for (const part of ['mean', 'variance']) {
        this.statistics.set(`${name}/${part}`, given(`${name}/${part}`).values.slice());
      }
    }
  }

  step(batch: FeatureBatch, rates: { learningRate: number; momentum: number }): ReferenceStep {
    const moments = new Map<string, Moments>();
    const gradients = new Map<string, Float32Array>();
    const loss = this.differentiate(batch, moments, gradients);
    this.update(gradients, rates);
    this.follow(moments);
    return { loss, gradients, state: this.state() };
  }

  /** Answers the loss, and sets the moments of every unit and the gradients of every parameter. */
  private differentiate(
    { values, labels }: FeatureBatch,
    moments: Map<string, Moments>,
    gradients: Map<string, Float32Array>,
  ): number {
    const names = [...this.weights.keys()];
    const lossOf = (...tensors: tf.Tensor[]) => {
      const weights = new Map(names.map((name, i) => [name, tensors[i]!]));
      const normalize = (z: tf.Tensor4D, { name }: ConvUnit) => {
        const { mean, variance } = tf.moments(z, [0, 1, 2]);
        moments.set(name, {
          mean: Float32Array.from(mean.dataSync()),
          variance: Float32Array.from(variance.dataSync()),
          count: z.size / mean.size,
        });
        return { mean, variance };
      };
      return this.lossOf(this.forward(values, weights, normalize), labels);
    };
    const loss: number[] = [];
    tf.tidy(() => {
      const tensors = names.map((name) =>
        tf.tensor([...this.weights.get(name)!], [...this.shapes.get(name)!]),
      );
      const { value, grads } = tf.valueAndGrads(lossOf)(tensors);
      loss.push(value.dataSync()[0]!);
      names.forEach((name, i) => gradients.set(name, Float32Array.from(grads[i]!.dataSync())));
    });
    return loss[0]!;
  }

  /** By the running statistics. */
  logits(values: Float32Array): Float32Array {
    return tf.tidy(() => {
      const weights = new Map(
        [...this.weights].map(([name, held]) => [name, tf.tensor([...held], [...this.shapes.get(name)!])]),
      );
      const running = (_: tf.Tensor4D, { name }: ConvUnit) => ({
        mean: tf.tensor1d([...this.statistics.get(`${name}/mean`)!]),
        variance: tf.tensor1d([...this.statistics.get(`${name}/variance`)!]),
      });
      return Float32Array.from(this.forward(values, weights, running).dataSync());
    });
  }

  private forward(
    values: Float32Array,
    weights: ReadonlyMap<string, tf.Tensor>,
    moments: (z: tf.Tensor4D, unit: ConvUnit) => { mean: tf.Tensor; variance: tf.Tensor },
  ): tf.Tensor {
    const floats = this.featureShape.reduce((product, size) => product * size, 1);
    let x = tf.tensor4d(values, [values.length / floats, ...this.featureShape]);
    for (const { units, residual } of this.setup.backbone.blocks.slice(this.setup.firstTrained)) {
      const input = x;
      for (const unit of units) {
        const { name, kind, stride, relu6, batchNorm } = unit;
        const run = kind === 'conv' ? tf.conv2d : tf.depthwiseConv2d;
        const z = run(x, weights.get(`${name}/kernel`) as tf.Tensor4D, stride, 'same');
        let y: tf.Tensor;
        if (batchNorm === undefined) {
          y = tf.add(z, weights.get(`${name}/bias`)!);
        } else {
          const { mean, variance } = moments(z, unit);
          const standard = tf.div(tf.sub(z, mean), tf.sqrt(tf.add(variance, batchNorm.epsilon)));
          y = tf.add(tf.mul(standard, weights.get(`${name}/gamma`)!), weights.get(`${name}/beta`)!);
        }
        x = (relu6 ? tf.clipByValue(y, 0, 6) : y) as tf.Tensor4D;
      }
      if (residual) x = tf.add(x, input);
    }
    const head = tf.matMul(tf.mean(x, [1, 2]) as tf.Tensor2D, weights.get('head/kernel') as tf.Tensor2D);
    return tf.add(head, weights.get('head/bias')!);
  }

  private lossOf(logits: tf.Tensor, labels: Int32Array): tf.Scalar {
    const classes = this.setup.head.bias.length;
    const { labelSmoothing } = this.setup;
    const hot = tf.oneHot(tf.tensor1d(labels, 'int32'), classes);
    const target = tf.add(tf.mul(hot, 1 - labelSmoothing), labelSmoothing / classes);
    return tf.mean(tf.neg(tf.sum(tf.mul(target, tf.logSoftmax(logits)), -1)));
  }

  private update(
    gradients: ReadonlyMap<string, Float32Array>,
    { learningRate, momentum }: { learningRate: number; momentum: number },
  ): void {
    for (const [name, gradient] of gradients) {
      const [weights, velocities] = [this.weights.get(name)!, this.velocities.get(name)!];
      const { rateMultiplier, weightDecay } = termsOf(name, this.setup);
      gradient.forEach((slope, i) => {
        velocities[i] = momentum * velocities[i]! + slope + weightDecay * weights[i]!;
        weights[i]! -= learningRate * rateMultiplier * velocities[i]!;
      });
    }
  }

  /** The running variance follows the unbiased one. */
  private follow(moments: ReadonlyMap<string, Moments>): void {
    for (const { name, batchNorm } of this.units()) {
      if (batchNorm === undefined) continue;
      const { mean, variance, count } = moments.get(name)!;
      const move = (part: string, batch: Float32Array, factor: number) => {
        const running = this.statistics.get(`${name}/${part}`)!;
        const { momentum } = batchNorm;
        batch.forEach((value, c) => {
          running[c] = momentum * running[c]! + (1 - momentum) * value * factor;
        });
      };
      move('mean', mean, 1);
      move('variance', variance, count / (count - 1));
    }
  }

  private state(): Required<TrainedState> {
    const copy = (values: ReadonlyMap<string, Float32Array>) =>
      new Map([...values].map(([name, held]) => [name, held.slice()]));
    return {
      weights: copy(this.weights),
      velocities: copy(this.velocities),
      statistics: copy(this.statistics),
    };
  }

  private units(): ConvUnit[] {
    return this.setup.backbone.blocks.slice(this.setup.firstTrained).flatMap(({ units }) => units);
  }
}

/** Of the largest value, as batch norm and convolutions in another order of additions come to. */
export const ROUNDING = 1e-4;

/**
 * Errors in proportion to the largest value of the unit: the next batch norm takes away nearly all that a shift before a pointwise
 * convolution does, so that the shift's own gradient consists of what two large numbers differ by.
 */
export function expectClose(
  found: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, Float32Array>,
): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  const unitOf = (name: string) => name.slice(0, name.lastIndexOf('/') + 1);
  for (const [name, values] of expected) {
    const unit = [...expected].filter(([other]) => unitOf(other) === unitOf(name));
    const scale = Math.max(...unit.flatMap(([, numbers]) => [...numbers].map(Math.abs)));
    const worst = Math.max(...values.map((value, i) => Math.abs(value - found.get(name)![i]!)));
    expect(worst / scale, name).toBeLessThan(ROUNDING);
  }
}

/** What test/golden/oracles/batch-norm.py wrote of PyTorch. */
interface TorchRecord {
  readonly size: number;
  readonly batches: readonly number[];
  readonly rates: { readonly learningRate: number; readonly momentum: number };
  readonly losses: readonly number[];
  readonly firstGradients: Readonly<Record<string, readonly number[]>>;
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly statistics: Readonly<Record<string, readonly number[]>>;
  readonly logits: readonly number[];
}

const RECORDED = JSON.parse(
  readFileSync(new URL('../../golden/oracles/batch-norm.json', import.meta.url), 'utf8'),
) as TorchRecord;

const floatsOf = (values: Readonly<Record<string, readonly number[]>>) =>
  new Map(Object.entries(values).map(([name, numbers]) => [name, Float32Array.from(numbers)]));

/** The network of batch-norm.py, with the weights that it starts from. */
export function torchSetup(): NetworkSetup {
  const setup = normalizedSetup('V2', 0, RECORDED.size);
  const parameters = torchParameters();
  const values = (name: string) => parameters.get(`head/${name}`)!.values;
  return { ...setup, parameters, head: { kernel: values('kernel'), bias: values('bias') } };
}

function torchParameters(): Parameters {
  const parameters = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  const put = (name: string, shape: readonly number[], low: number, high: number, phase: number) => {
    const count = shape.reduce((product, length) => product * length, 1);
    parameters.set(name, { shape, values: spread(count, low, high, phase) });
  };
  const units = NETWORKS.V2.blocks.flatMap((block) => block.units);
  for (const [number, { name, kind, filterShape }] of units.entries()) {
    const [height, width, from, to] = filterShape;
    const bound = 1.5 / Math.sqrt(height * width * (kind === 'conv' ? from : 1));
    put(`${name}/kernel`, filterShape, -bound, bound, 100 * number);
    const channels = [kind === 'conv' ? to : from];
    put(`${name}/gamma`, channels, 0.5, 2.5, 100 * number + 1);
    put(`${name}/beta`, channels, -0.5, 3, 100 * number + 2);
    put(`${name}/mean`, channels, -0.5, 0.5, 100 * number + 3);
    put(`${name}/variance`, channels, 0.5, 2, 100 * number + 4);
  }
  put('head/kernel', [14, 3], -1, 1, 5000);
  put('head/bias', [3], -1, 1, 5001);
  return parameters;
}

/** Takes the recorded steps, and holds losses, the first gradients, weights, running statistics and logits against PyTorch's. */
export async function expectTorchSteps(engine: Engine): Promise<void> {
  const { size, rates, batches, losses, firstGradients, ...recorded } = RECORDED;
  const inputOf = (count: number, phase: number): FeatureInput => ({
    kind: 'features',
    values: spread(count * size * size * 3, -1, 1, phase),
    shape: [size, size, 3],
  });
  for (const [step, images] of batches.entries()) {
    const labels = Int32Array.from({ length: images }, (_, i) => (i + step) % 3);
    const { loss } = await engine.step(inputOf(images, 1000 * step), labels, rates);
    expect(Math.abs(loss / losses[step]! - 1)).toBeLessThan(ROUNDING);
    if (step > 0) continue;
    // The first velocity is the gradient and what weight decay adds to it.
    const { velocities } = await engine.snapshot();
    const decay = (name: string) => (name.endsWith('/kernel') ? 1e-2 : 0);
    const before = torchParameters();
    const gradients = [...velocities].map(([name, values]): [string, Float32Array] => [
      name,
      values.map((value, i) => value - decay(name) * before.get(name)!.values[i]!),
    ]);
    expectClose(new Map(gradients), floatsOf(firstGradients));
  }
  const { weights, statistics } = await engine.snapshot();
  expectClose(weights, floatsOf(recorded.weights));
  expectClose(statistics!, floatsOf(recorded.statistics));
  const logits = await engine.logits(inputOf(4, 9000));
  expect(relativeError(logits, Float32Array.from(recorded.logits))).toBeLessThan(ROUNDING);
}
