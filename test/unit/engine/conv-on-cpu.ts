import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import * as tf from '@tensorflow/tfjs-core';
import { filterShape, type ConvCase, type ConvInputs, type ConvResults } from './conv-cases.js';

tf.enableProdMode();

/** The same by tfjs's plain operations and its tape, in plain JavaScript. */
export function convOnCpu(shape: ConvCase, inputs: ConvInputs): ConvResults {
  const { kind, images, side, channels, stride, before, after } = shape;
  return tf.tidy(() => {
    const z = tf.tensor4d(inputs.z, [images, side, side, channels]);
    const filter = tf.tensor4d(inputs.filter, filterShape(shape));
    const bias = tf.tensor1d(inputs.bias);
    const forward = (input: tf.Tensor, weights: tf.Tensor, offset: tf.Tensor): tf.Tensor => {
      const run = kind === 'conv' ? tf.conv2d : tf.depthwiseConv2d;
      const x = before ? tf.relu6(input) : input;
      const sums = tf.add(run(x as tf.Tensor4D, weights as tf.Tensor4D, stride, 'same'), offset);
      return after ? tf.relu6(sums) : sums;
    };
    const y = forward(z, filter, bias);
    const [dz, dFilter, dBias] = tf.grads(forward)([z, filter, bias], tf.tensor(inputs.dy, y.shape));
    if (dz === undefined || dFilter === undefined || dBias === undefined) throw new Error('no gradients');
    return {
      y: read(y),
      dFilter: read(tf.add(dFilter, tf.tensor(inputs.dFilter, dFilter.shape))),
      dBias: read(tf.add(dBias, inputs.dBias)),
      dz: read(dz),
    };
  });
}

function read(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync());
}
