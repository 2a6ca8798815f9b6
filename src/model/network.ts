import { UsageError } from '../errors.js';
import { normal, randomStream } from '../random.js';

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

/** Output channels of a unit. */
export function outputChannels({ kind, filterShape }: Pick<ConvUnit, 'kind' | 'filterShape'>): number {
  return filterShape[kind === 'conv' ? 3 : 2];
}

/** A backbone with another stride of its first convolution, or another momentum of its batch norm; as it is where neither is given. */
export function adaptedBackbone(
  backbone: Backbone,
  {
    stemStride,
    bnMomentum,
  }: { readonly stemStride?: number | undefined; readonly bnMomentum?: number | undefined },
): Backbone {
  const stem = backbone.blocks[0]?.units[0];
  const adapted = (unit: ConvUnit): ConvUnit => ({
    ...unit,
    ...(unit === stem && stemStride !== undefined && { stride: stemStride === 1 ? 1 : 2 }),
    ...(unit.batchNorm !== undefined &&
      bnMomentum !== undefined && { batchNorm: { ...unit.batchNorm, momentum: bnMomentum } }),
  });
  const blocks = backbone.blocks.map((block) => ({ ...block, units: block.units.map(adapted) }));
  return { ...backbone, blocks };
}

/** Names of a unit's parameters that training changes by gradients, and of its running statistics, each in the order of records. */
export function parameterNames({ name, batchNorm }: ConvUnit): {
  readonly trained: readonly string[];
  readonly statistics: readonly string[];
} {
  if (batchNorm === undefined) return { trained: [`${name}/kernel`, `${name}/bias`], statistics: [] };
  return {
    trained: [`${name}/kernel`, `${name}/gamma`, `${name}/beta`],
    statistics: [`${name}/mean`, `${name}/variance`],
  };
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
export function firstTrainableBlock(
  backbone: Pick<Backbone, 'version'> & { readonly blocks: { readonly length: number } },
  trainable: TrainablePart,
): number {
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
      `--trainable ${JSON.stringify(trainable)}: expected all, head, or last:N with N from 1 to ${countable}, ` +
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
 * PyTorch's default (there 1 - 0.9). Keras's MobileNets have 0.999, made for hundreds of thousands of steps: after a fine-tuning
 * of a hundred the running statistics would still be those of the old weights, and evaluation at chance.
 */
export const BN_MOMENTUM = 0.9;

/** Batch norm of a fresh network: epsilon as Keras Applications has it. */
const FRESH_BATCH_NORM: BatchNormUnit = { epsilon: 1e-3, momentum: BN_MOMENTUM };

/** MobileNetV2, arXiv 1801.04381, table 2: expansion, channels at a width of 1, blocks, and stride of the first of them. */
const V2_STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** MobileNetV1, arXiv 1704.04861, table 1: channels of the separable blocks at a width of 1, and their strides. */
const V1_BLOCKS = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
] as const;

/**
 * The plan of a MobileNet V1 of any width, with batch norm after each convolution, named as Keras Applications names its layers.
 * @param alpha width multiplier: channels are rounded down
 */
export function mobileNetV1(alpha: number): Backbone {
  let channels = Math.floor(32 * alpha);
  const stem = { name: 'conv1', units: [freshUnit('conv1', [3, 3, 3, channels], 2, true)], residual: false };
  const blocks: Block[] = [stem];
  for (const [i, [atWidth1, stride]] of V1_BLOCKS.entries()) {
    const out = Math.floor(atWidth1 * alpha);
    const units = [
      freshUnit(`conv_dw_${i + 1}`, [3, 3, channels, 1], stride, true),
      freshUnit(`conv_pw_${i + 1}`, [1, 1, channels, out], 1, true),
    ];
    blocks.push({ name: `block_${i + 1}`, units, residual: false });
    channels = out;
  }
  return { version: 1, alpha, trainedSize: 224, blocks, features: channels };
}

/** Both MobileNets have windows of 3 x 3 in the stem and in depthwise convolutions alone. */
function freshUnit(
  name: string,
  filterShape: ConvUnit['filterShape'],
  stride: 1 | 2,
  relu6: boolean,
): ConvUnit {
  const kind = filterShape[0] === 3 && filterShape[3] === 1 ? 'depthwise' : 'conv';
  return { name, kind, stride, relu6, filterShape, batchNorm: FRESH_BATCH_NORM };
}

/**
 * The plan of a MobileNet V2 of any width, with batch norm after each convolution, named as Keras Applications names its layers.
 * @param alpha width multiplier: channels are rounded to multiples of 8, and never down by more than a tenth
 */
export function freshBackbone(alpha: number): Backbone {
  let channels = multipleOf8(32 * alpha);
  const stem = { name: 'Conv1', units: [freshUnit('Conv1', [3, 3, 3, channels], 2, true)], residual: false };
  const blocks: Block[] = [stem];
  for (const [expansion, atWidth1, repeats, firstStride] of V2_STAGES) {
    for (let i = 0; i < repeats; i++) {
      // Keras counts from the first block that expands.
      const name = blocks.length === 1 ? 'expanded_conv' : `block_${blocks.length - 1}`;
      const stride = i === 0 ? firstStride : 1;
      const wide = expansion * channels;
      const out = multipleOf8(Math.floor(atWidth1 * alpha));
      const units = [
        ...(expansion === 1 ? [] : [freshUnit(`${name}_expand`, [1, 1, channels, wide], 1, true)]),
        freshUnit(`${name}_depthwise`, [3, 3, wide, 1], stride, true),
        freshUnit(`${name}_project`, [1, 1, wide, out], 1, false),
      ];
      blocks.push({ name, units, residual: stride === 1 && out === channels });
      channels = out;
    }
  }
  const features = alpha > 1 ? multipleOf8(1280 * alpha) : 1280;
  const last = freshUnit('Conv_1', [1, 1, channels, features], 1, true);
  blocks.push({ name: last.name, units: [last], residual: false });
  return { version: 2, alpha, trainedSize: 224, blocks, features };
}

function multipleOf8(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

/**
 * Initial weights of a network with batch norm: kernels normal with a deviation of sqrt(2 / inputs of one output) (He et al.,
 * arXiv 1502.01852, section 2.2), gamma and variance 1, beta and mean 0. Each kernel is drawn from a stream of its own name, so
 * that it depends on the seed and its shape alone.
 */
export function initWeights(backbone: Backbone, seed: number): Parameters {
  const parameters = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  for (const unit of backbone.blocks.flatMap(({ units }) => units)) {
    const { name, kind, filterShape } = unit;
    const [height, width, inputs, outputs] = filterShape;
    const deviation = Math.sqrt(2 / (height * width * (kind === 'conv' ? inputs : 1)));
    const stream = randomStream(seed, 'weights', name);
    const length = height * width * inputs * outputs;
    const kernel = Float32Array.from({ length }, () => deviation * normal(stream));
    const out = outputChannels(unit);
    parameters.set(`${name}/kernel`, { shape: filterShape, values: kernel });
    for (const [part, value] of Object.entries({ gamma: 1, beta: 0, mean: 0, variance: 1 })) {
      parameters.set(`${name}/${part}`, { shape: [out], values: new Float32Array(out).fill(value) });
    }
  }
  return parameters;
}

/**
 * Index of the first value that is NaN or infinite, or -1. A loop, because millions of weights are asked for, some after every
 * epoch, and a callback takes eight times as long.
 */
export function firstNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}
