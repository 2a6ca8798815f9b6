import { UsageError } from '../errors.js';
import { randomStream } from '../random.js';

/**
 * Batch normalization in training mode (Ioffe and Szegedy, arXiv 1502.03167, algorithm 1): by the mean and variance of the whole
 * mini-batch in training steps, by the running ones in evaluation.
 */
export interface BatchNormUnit {
  /** Added to the variance. */
  readonly epsilon: number;
  /** Share of the running statistics that a step keeps, as Keras counts it (PyTorch's momentum is 1 minus this). */
  readonly momentum: number;
}

/** A convolution, batch norm or a bias after it, and ReLU6 where the network has one. */
export interface ConvUnit {
  /**
   * Unique in the network. Parameters: `${name}/kernel` and `${name}/bias`; with `batchNorm` `${name}/kernel`, `${name}/gamma`,
   * `${name}/beta`, and as statistics that no gradient changes `${name}/mean` and `${name}/variance`, each [out].
   */
  readonly name: string;
  /** 'conv': filter [kh, kw, in, out]; 'depthwise': filter [kh, kw, channels, 1]. */
  readonly kind: 'conv' | 'depthwise';
  readonly stride: 1 | 2;
  /** Both kinds pad as TensorFlow's 'same' does (Keras's asymmetric ZeroPadding2D is the same at even sizes). */
  readonly relu6: boolean;
  /** [kh, kw, in, out] or [kh, kw, channels, 1]. */
  readonly filterShape: readonly [number, number, number, number];
  /** Absent where batch norm is folded into kernel and bias, as it is in every frozen unit. */
  readonly batchNorm?: BatchNormUnit;
}

/** Units in sequence; the block's input is added to its output where `residual`. */
export interface Block {
  readonly name: string;
  readonly units: readonly ConvUnit[];
  readonly residual: boolean;
}

/** The plan of a MobileNet without its classification layer: blocks in sequence, then a global average. */
export interface Backbone {
  readonly version: 1 | 2;
  /** Width multiplier, as read off the channels of V1's last block, V2's last inverted residual. */
  readonly alpha: number;
  /** Height and width in pixels that the weights were trained at. */
  readonly trainedSize: number;
  /** V1: the stem and 13 blocks. V2: the stem, 17 inverted residuals and Conv_1. */
  readonly blocks: readonly Block[];
  /** Channels of the last block: the length of the pooled feature vector. */
  readonly features: number;
}

/** Parameters by name, float32, in the order of the network. */
export type Parameters = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly values: Float32Array }
>;

/** Which part of the network is trained: `--trainable`. The head always is. */
export type TrainablePart = 'all' | 'head' | `last:${number}`;

/**
 * Index into `backbone.blocks` of the first block that is trained; `blocks.length` where none is.
 *
 * `last:N` counts inverted residuals (V2) or depthwise-separable blocks (V1) from the end; what follows
 * the last of them (V2: Conv_1) is trained with them, the stem is not. Throws UsageError where N is no
 * whole number of blocks that the network has.
 */
export function firstTrainableBlock(backbone: Backbone, trainable: TrainablePart): number {
  if (trainable === 'all') return 0;
  if (trainable === 'head') return backbone.blocks.length;
  const stem = 1;
  const after = backbone.version === 2 ? 1 : 0;
  const countable = backbone.blocks.length - stem - after;
  const digits = /^last:(\d+)$/.exec(trainable)?.[1];
  const wanted = digits === undefined ? NaN : Number(digits);
  if (!(wanted >= 1 && wanted <= countable)) {
    const kind = backbone.version === 2 ? 'inverted residuals' : 'depthwise-separable blocks';
    throw new UsageError(
      `trainable ${JSON.stringify(trainable)}: expected all, head, or last:N with N from 1 to ${countable}, ` +
        `the number of ${kind} of this MobileNet V${backbone.version}.`,
    );
  }
  return stem + countable - wanted;
}

/** Name of the new classification layer; its parameters are head/kernel and head/bias. */
export const HEAD = 'head';

/** Weights of the classification layer: kernel [features, classes] row by row, bias [classes]. */
export interface Head {
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
}

/**
 * A fresh head: kernel uniform in [-1/sqrt(features), 1/sqrt(features)), as torch.nn.Linear draws it, and
 * bias zero. It depends on the three numbers alone, so that all arms of a comparison start alike.
 */
export function initHead(features: number, classes: number, seed: number): Head {
  const stream = randomStream(seed, 'head');
  const bound = 1 / Math.sqrt(features);
  const kernel = Float32Array.from({ length: features * classes }, () => (2 * stream.uniform() - 1) * bound);
  return { kernel, bias: new Float32Array(classes) };
}

/**
 * Index of the first value that is NaN or infinite, or -1. A loop, because millions of weights are asked for, some after every
 * epoch, and a callback takes eight times as long.
 */
export function firstNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}
