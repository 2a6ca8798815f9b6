import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import * as tf from '@tensorflow/tfjs-core';
import { type NetworkSetup, termsOf, type TrainedState } from '../../../src/engine/params.js';
import type { ConvUnit } from '../../../src/model/network.js';
import { trainedNames } from './small-networks.js';

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
