import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { Backbone, Parameters } from '../../../src/model/network.js';
import { randomStream } from '../../../src/random.js';

/** Two images in [-1, 1], the network's input range: waves of random direction and phase, with some noise. */
export function randomImages(size: number): tf.Tensor4D {
  const stream = randomStream(3, 'images');
  const waves = Array.from(
    { length: 6 },
    () => [stream.uniform(), stream.uniform(), stream.uniform()] as const,
  );
  const values = Float32Array.from({ length: 2 * size * size * 3 }, (_, i) => {
    const [fy, fx, phase] = waves[(i % 3) + (i < size * size * 3 ? 0 : 3)]!;
    const [y, x] = [(Math.floor(i / (3 * size)) % size) / size, (Math.floor(i / 3) % size) / size];
    return 0.8 * Math.sin(20 * (fy * y + fx * x) + 6 * phase) + 0.2 * (2 * stream.uniform() - 1);
  });
  return tf.tensor4d(values, [2, size, size, 3]);
}

/** Pooled features [images, features] of a plan in evaluation, spelled with tfjs's own operations. */
export function features(backbone: Backbone, parameters: Parameters, images: tf.Tensor4D): Float32Array {
  return tf.tidy(() => {
    const parameter = (name: string) => {
      const { values, shape } = parameters.get(name)!;
      return tf.tensor(values, [...shape]);
    };
    let x = images;
    for (const block of backbone.blocks) {
      const start = x;
      for (const unit of block.units) {
        const kernel = parameter(`${unit.name}/kernel`) as tf.Tensor4D;
        const run = unit.kind === 'conv' ? tf.conv2d : tf.depthwiseConv2d;
        const z = run(x, kernel, unit.stride, 'same');
        if (unit.batchNorm === undefined) x = tf.add(z, parameter(`${unit.name}/bias`));
        else {
          const [mean, variance, beta, gamma] = ['mean', 'variance', 'beta', 'gamma'].map(
            (part) => parameter(`${unit.name}/${part}`) as tf.Tensor1D,
          );
          x = tf.batchNorm(z, mean!, variance!, beta, gamma, unit.batchNorm.epsilon) as tf.Tensor4D;
        }
        if (unit.relu6) x = tf.relu6(x);
      }
      if (block.residual) x = tf.add(start, x);
    }
    return tf.mean(x, [1, 2]).dataSync() as Float32Array;
  });
}

/** The same by tfjs-layers: the output of the pooling layer `gap` if there is one, else the mean of the last. */
export function layersFeatures(model: tfl.LayersModel, images: tf.Tensor4D): Float32Array {
  return tf.tidy(() => {
    const pooled = model.layers.find((layer) => layer.name === 'gap')?.output as
      tfl.SymbolicTensor | undefined;
    const cut = tfl.model({ inputs: model.inputs, outputs: pooled ?? model.outputs });
    const output = cut.predict(images) as tf.Tensor;
    return (pooled === undefined ? tf.mean(output, [1, 2]) : output).dataSync() as Float32Array;
  });
}

/** Largest difference over the largest value; also refuses features that would prove nothing. */
export function relativeError(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Infinity;
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const distinct = new Set(expected).size;
  if (largest < 0.01 || distinct < expected.length / 20) return NaN;
  return found.reduce((max, value, i) => Math.max(max, Math.abs(value - expected[i]!)), 0) / largest;
}
