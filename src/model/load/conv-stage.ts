import { z } from 'zod';
import { UsageError } from '../../errors.js';
import { describe, type LayerGraph, type LayerNode } from './graph.js';

/** A convolution of the graph with the layers that belong to it: zero padding, batch norm, activation. */
export interface ConvStage {
  /** Name of the convolution's layer. */
  readonly name: string;
  readonly kind: 'conv' | 'depthwise';
  readonly kernelSize: readonly [number, number];
  readonly stride: 1 | 2;
  readonly useBias: boolean;
  /** Output channels; undefined for a depthwise convolution, which keeps its input's. */
  readonly filters: number | undefined;
  readonly batchNorm: BatchNormLayer | undefined;
  readonly relu6: boolean;
  /** The last of its layers: whoever takes its output takes the stage's. */
  readonly end: LayerNode;
  /** Height and width of the output where the network's input is as declared. */
  readonly outputSize: number;
}

/** What must be known of a batch norm layer besides its weights. */
interface BatchNormLayer {
  readonly name: string;
  readonly epsilon: number;
  /** Share of the running statistics that a training step keeps. */
  readonly momentum: number;
  readonly scale: boolean;
  readonly center: boolean;
}

const pair = z.union([
  z.number().transform((n): [number, number] => [n, n]),
  z.tuple([z.number(), z.number()]),
]);
const ones = pair.refine(([a, b]) => a === 1 && b === 1, 'expected 1').optional();
const convSchema = z.object({
  kernel_size: pair,
  strides: pair
    .default([1, 1])
    .refine(([a, b]) => a === b && (a === 1 || a === 2), 'expected 1 or 2, alike in both directions'),
  padding: z.enum(['same', 'valid']).default('valid'),
  data_format: z.literal('channels_last').nullish(),
  dilation_rate: ones,
  groups: z.literal(1).optional(),
  depth_multiplier: z.literal(1).optional(),
  filters: z.number().nullish(),
  use_bias: z.boolean().default(true),
  activation: z.unknown(),
});
const batchNormSchema = z.object({
  axis: z
    .union([z.literal(-1), z.literal(3), z.array(z.union([z.literal(-1), z.literal(3)])).length(1)])
    .default(-1),
  epsilon: z.number().nonnegative().default(1e-3),
  momentum: z.number().min(0).max(1).default(0.99),
  scale: z.boolean().default(true),
  center: z.boolean().default(true),
});
const kinds = { Conv2D: 'conv', DepthwiseConv2D: 'depthwise' } as const;

/**
 * Reads [ZeroPadding2D] convolution [BatchNormalization] [ReLU6] from the graph, where `first` are the
 * layers that take the output of `after` and `inputSize` is that output's height and width.
 *
 * Throws UsageError, with what was expected and what was found, for any other layer, for padding that is
 * not TensorFlow's 'same', and for options that MobileNet has not (dilation, groups, channels first).
 */
export function readConvStage(
  graph: LayerGraph,
  after: LayerNode,
  first: readonly LayerNode[],
  inputSize: number,
  expected: string,
): ConvStage {
  let [layer, ...others] = first;
  let padding: Padding | undefined;
  if (layer?.className === 'ZeroPadding2D' && others.length === 0) {
    padding = zeroPaddingOf(layer);
    [layer, ...others] = graph.consumers(layer);
  }
  const kind =
    layer?.className === 'Conv2D' || layer?.className === 'DepthwiseConv2D'
      ? kinds[layer.className]
      : undefined;
  if (layer === undefined || kind === undefined || others.length > 0) {
    const found = layer === undefined ? describe() : describe(layer, ...others);
    throw new UsageError(`expected ${expected} after «${after.name}», found ${found}`);
  }
  const config = parseConfig(convSchema, layer);
  const stride = config.strides[0] === 2 ? 2 : 1;
  requireSamePadding(layer, { size: inputSize, kernel: config.kernel_size, stride }, config.padding, padding);
  const own = readActivation(layer, config.activation);
  const normLayer = onlyConsumer(graph, layer, 'BatchNormalization');
  if (normLayer !== undefined && own === 'relu6') {
    throw new UsageError(
      `${describe(normLayer)} follows the activation of «${layer.name}»; it cannot be folded into it`,
    );
  }
  const beforeActivation = normLayer ?? layer;
  const activation =
    own === 'relu6' ? undefined : onlyConsumer(graph, beforeActivation, 'ReLU', 'Activation');
  const relu6 = own === 'relu6' || (activation !== undefined && readActivation(activation) === 'relu6');
  return {
    name: layer.name,
    kind,
    kernelSize: config.kernel_size,
    stride,
    useBias: config.use_bias,
    filters: kind === 'conv' ? (config.filters ?? undefined) : undefined,
    batchNorm: normLayer && { name: normLayer.name, ...parseConfig(batchNormSchema, normLayer) },
    relu6,
    end: activation ?? beforeActivation,
    outputSize: Math.ceil(inputSize / stride),
  };
}

function onlyConsumer(graph: LayerGraph, layer: LayerNode, ...classNames: string[]): LayerNode | undefined {
  const [next, ...others] = graph.consumers(layer);
  return next !== undefined && others.length === 0 && classNames.includes(next.className) ? next : undefined;
}

function parseConfig<Schema extends z.ZodType>(schema: Schema, layer: LayerNode): z.output<Schema> {
  const parsed = schema.safeParse(layer.config);
  if (!parsed.success) throw new UsageError(`${describe(layer)}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** Zeros around an image: [[top, bottom], [left, right]] pixels. */
type Padding = readonly [readonly [number, number], readonly [number, number]];

interface Window {
  /** Height and width of the input in pixels. */
  readonly size: number;
  readonly kernel: readonly [number, number];
  readonly stride: number;
}

const both = z.number().transform((n): [number, number] => [n, n]);
const side = z.union([both, z.tuple([z.number(), z.number()])]);
const paddingSchema = z.union([
  z.number().transform((n): [[number, number], [number, number]] => [
    [n, n],
    [n, n],
  ]),
  z.tuple([side, side]),
]);

/** What a ZeroPadding2D layer adds; throws UsageError where its option is none. */
function zeroPaddingOf(layer: LayerNode): Padding {
  const parsed = paddingSchema.safeParse(layer.config['padding'] ?? 1);
  if (!parsed.success) throw new UsageError(`${describe(layer)}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/**
 * TensorFlow's 'same': as many zeros as make the output ceil(size / stride), the odd one after the
 * image. At even sizes and stride 2 that is [0, 1] for a 3 x 3 window, at odd sizes [1, 1].
 */
export function samePadding({ size, kernel, stride }: Window): Padding {
  const outputSize = Math.ceil(size / stride);
  const along = (window: number): [number, number] => {
    const total = Math.max((outputSize - 1) * stride + window - size, 0);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  };
  return [along(kernel[0]), along(kernel[1])];
}

/**
 * Throws UsageError unless zero padding and the convolution's own option together pad as 'same' does at
 * this input size. Symmetric padding before stride 2 (PyTorch's, and that of the oldest Keras weights) puts
 * every window one pixel further up and left: the weights would run, and be worse without a word.
 */
function requireSamePadding(layer: LayerNode, window: Window, own: 'same' | 'valid', zeros?: Padding): void {
  if (own === 'same' && zeros === undefined) return;
  const wanted = samePadding(window);
  const found = zeros ?? [
    [0, 0],
    [0, 0],
  ];
  if (own === 'valid' && JSON.stringify(found) === JSON.stringify(wanted)) return;
  throw new UsageError(
    `${describe(layer)}: expected padding like 'same', which is ${JSON.stringify(wanted)} at ${window.size} pixels with ` +
      `stride ${window.stride}, found '${own}' after zero padding of ${JSON.stringify(found)}; convert the weights from a ` +
      'network that pads as TensorFlow does.',
  );
}

/**
 * The activation of a convolution (its own option) or of a ReLU or Activation layer: ReLU6 or none.
 * Throws UsageError for any other: the network would be computed wrongly.
 */
function readActivation(layer: LayerNode, option: unknown = layer.config['activation']): 'relu6' | 'linear' {
  const found = layer.className === 'ReLU' ? reluInWords(layer) : (option ?? 'linear');
  if (found === 'relu6' || found === 'linear') return found;
  throw new UsageError(
    `${describe(layer)}: expected the activation relu6 or linear, found ${typeof found === 'string' ? found : JSON.stringify(found)}`,
  );
}

function reluInWords({ config }: LayerNode): string {
  const { max_value: max, negative_slope: slope, threshold } = config;
  if (max === 6 && (slope ?? 0) === 0 && (threshold ?? 0) === 0) return 'relu6';
  return `relu with ${JSON.stringify({ max_value: max ?? null, negative_slope: slope ?? 0, threshold: threshold ?? 0 })}`;
}
