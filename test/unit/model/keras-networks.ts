import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { randomStream } from '../../../src/random.js';

tf.enableProdMode();

/** How a Keras network spells what is always the same mathematics. */
export interface Spelling {
  readonly alpha: number;
  readonly size: number;
  readonly batchNorm: 'full' | 'no scale' | 'no center' | 'none';
  readonly bias: boolean;
  /** ZeroPadding2D and 'valid' before stride 2, as Keras Applications does; else 'same'. */
  readonly zeroPadding: boolean;
  readonly relu6: 'ReLU' | 'Activation' | 'option';
  readonly top: 'none' | 'dense' | 'conv';
}

export const plain: Spelling = {
  alpha: 0.25,
  size: 32,
  batchNorm: 'full',
  bias: false,
  zeroPadding: true,
  relu6: 'ReLU',
  top: 'none',
};

/** Builds networks as Keras Applications does, with weights drawn from a fixed seed. */
class Builder {
  readonly input: tfl.SymbolicTensor;
  at: tfl.SymbolicTensor;

  constructor(readonly spelling: Spelling) {
    this.input = tfl.input({ shape: [spelling.size, spelling.size, 3] });
    this.at = this.input;
  }

  add(layer: { apply: (x: tfl.SymbolicTensor) => unknown }): void {
    this.at = layer.apply(this.at) as tfl.SymbolicTensor;
  }

  unit(name: string, channels: number | 'depthwise', window: number, stride: number, relu6: boolean): void {
    const { batchNorm, bias, zeroPadding } = this.spelling;
    const padded = stride === 2 && zeroPadding;
    const activated = relu6 && this.spelling.relu6 === 'option';
    if (padded) {
      // As Keras Applications' correct_pad has it: one more before the image where its size is odd.
      const sides: [number, number] = [(this.at.shape[1] ?? 0) % 2, 1];
      this.add(tfl.layers.zeroPadding2d({ padding: [sides, sides], name: `${name}_pad` }));
    }
    const config = {
      name,
      kernelSize: window,
      strides: stride,
      padding: padded ? ('valid' as const) : ('same' as const),
      useBias: bias,
      ...(activated ? { activation: 'relu6' as const } : {}),
    };
    this.add(
      channels === 'depthwise'
        ? tfl.layers.depthwiseConv2d(config)
        : tfl.layers.conv2d({ ...config, filters: channels }),
    );
    if (batchNorm !== 'none') {
      const [scale, center] = [batchNorm !== 'no scale', batchNorm !== 'no center'];
      this.add(tfl.layers.batchNormalization({ name: `${name}_BN`, scale, center, epsilon: 0.01 }));
    }
    if (!relu6 || activated) return;
    if (this.spelling.relu6 === 'ReLU') this.add(tfl.layers.reLU({ maxValue: 6, name: `${name}_relu` }));
    else this.add(tfl.layers.activation({ activation: 'relu6', name: `${name}_relu` }));
  }

  finish(seed: number): tfl.LayersModel {
    const { top } = this.spelling;
    if (top !== 'none') this.add(tfl.layers.globalAveragePooling2d({ name: 'gap' }));
    if (top === 'dense') this.add(tfl.layers.dense({ units: 7, activation: 'softmax', name: 'predictions' }));
    if (top === 'conv') {
      const features = this.at.shape[1] as number;
      this.add(tfl.layers.reshape({ targetShape: [1, 1, features], name: 'reshape_1' }));
      this.add(tfl.layers.dropout({ rate: 0.001, name: 'dropout' }));
      this.add(tfl.layers.conv2d({ filters: 7, kernelSize: 1, name: 'conv_preds' }));
      this.add(tfl.layers.flatten({ name: 'reshape_2' }));
      this.add(tfl.layers.activation({ activation: 'softmax', name: 'act_softmax' }));
    }
    const model = tfl.model({ inputs: this.input, outputs: this.at });
    randomize(model, seed);
    return model;
  }
}

/** Keras's rounding of channels: to multiples of 8, never down by more than a tenth. */
function divisible(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

/** MobileNetV1 (arXiv 1704.04861, table 1) with the layer names of Keras Applications. */
export function mobileNetV1(changes: Partial<Spelling> = {}, seed = 1): tfl.LayersModel {
  const builder = new Builder({ ...plain, ...changes });
  const channels = (at1: number) => Math.floor(at1 * builder.spelling.alpha);
  builder.unit('conv1', channels(32), 3, 2, true);
  const table = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024];
  for (const [i, out] of table.entries()) {
    builder.unit(`conv_dw_${i + 1}`, 'depthwise', 3, [1, 3, 5, 11].includes(i) ? 2 : 1, true);
    builder.unit(`conv_pw_${i + 1}`, channels(out), 1, 1, true);
  }
  return builder.finish(seed);
}

/** MobileNetV2 (arXiv 1801.04381, table 2) with the layer names of Keras Applications. */
export function mobileNetV2(changes: Partial<Spelling> = {}, seed = 2): tfl.LayersModel {
  const builder = new Builder({ ...plain, ...changes });
  const { alpha } = builder.spelling;
  let before = divisible(32 * alpha);
  builder.unit('Conv1', before, 3, 2, true);
  // prettier-ignore
  const table = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]] as const;
  let id = 0;
  for (const [expansion, at1, repeats, firstStride] of table) {
    for (let i = 0; i < repeats; i++) {
      const name = id === 0 ? 'expanded_conv' : `block_${id}`;
      const stride = i === 0 ? firstStride : 1;
      const out = divisible(at1 * alpha);
      const start = builder.at;
      if (expansion !== 1) builder.unit(`${name}_expand`, before * expansion, 1, 1, true);
      builder.unit(`${name}_depthwise`, 'depthwise', 3, stride, true);
      builder.unit(`${name}_project`, out, 1, 1, false);
      if (before === out && stride === 1) {
        builder.at = tfl.layers.add({ name: `${name}_add` }).apply([start, builder.at]) as tfl.SymbolicTensor;
      }
      before = out;
      id++;
    }
  }
  builder.unit('Conv_1', alpha > 1 ? divisible(1280 * alpha) : 1280, 1, 1, true);
  return builder.finish(seed);
}

// Chosen so that activations lie between 0 and 6 and a change of the input by 1e-6 stays near 1e-6 at the end: with a
// wider range 50 layers amplify float32's rounding a thousandfold, and nothing could be compared.
const ranges: Readonly<Record<string, readonly [number, number]>> = {
  gamma: [0.4, 1.2],
  beta: [-0.5, 1],
  moving_mean: [-0.3, 0.3],
  moving_variance: [0.6, 2],
  bias: [-0.5, 0.5],
};

/** Draws all weights, each from a stream of its own name; batch norms are far from the identity. */
function randomize(model: tfl.LayersModel, seed: number): void {
  const values = model.weights.map((weight) => {
    const shape = weight.shape as number[];
    const [kind = ''] = weight.originalName.split('/').slice(-1);
    const fanIn = kind === 'depthwise_kernel' ? 9 : product(shape.slice(0, -1));
    const bound = Math.sqrt(6 / fanIn);
    const [low, high] = ranges[kind] ?? [-bound, bound];
    const stream = randomStream(seed, weight.originalName);
    return tf.tensor(
      Float32Array.from({ length: product(shape) }, () => low + (high - low) * stream.uniform()),
      shape,
    );
  });
  model.setWeights(values);
  for (const tensor of values) tensor.dispose();
}

function product(lengths: readonly number[]): number {
  return lengths.reduce((a, b) => a * b, 1);
}
