import {
  backend_util,
  Conv2D,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  DepthwiseConv2dNative,
  DepthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput,
  FusedConv2D,
  FusedDepthwiseConv2D,
  type KernelFunc,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import type { Heap } from './heap.js';

type Arguments = Parameters<KernelFunc>[0];
type Shape4D = [number, number, number, number];

/** What the kernels below read of a convolution's attributes; tfjs types each kernel's on its own. */
interface ConvAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  readonly activation?: string;
  readonly inputShape?: Shape4D;
  readonly filterShape?: Shape4D;
}

/** The bounds between which an activation clamps; those not listed stay with the backend. */
const limits: Readonly<Record<string, readonly [number, number]>> = {
  linear: [-Infinity, Infinity],
  relu: [0, Infinity],
  relu6: [0, 6],
};

/** A kernel of ours, or the answer that this case is not ours. */
export type PartialKernel = (args: Arguments) => TensorInfo | undefined;

/**
 * The convolutions and their gradients for float32, NHWC, dilation 1; undefined for anything else.
 * Unlike the backend's own they do not keep a packed copy of the filter, so it may be updated in place.
 */
export function convKernels(heap: Heap): ReadonlyMap<string, PartialKernel> {
  return new Map([
    [FusedConv2D, (args) => forward(heap, 'conv', args)],
    [Conv2D, (args) => forward(heap, 'conv', args)],
    [FusedDepthwiseConv2D, (args) => forward(heap, 'depthwise', args)],
    [DepthwiseConv2dNative, (args) => forward(heap, 'depthwise', args)],
    [Conv2DBackpropInput, (args) => inputGradient(heap, 'conv', args)],
    [DepthwiseConv2dNativeBackpropInput, (args) => inputGradient(heap, 'depthwise', args)],
    [Conv2DBackpropFilter, (args) => filterGradient(heap, 'conv', args)],
    [DepthwiseConv2dNativeBackpropFilter, (args) => filterGradient(heap, 'depthwise', args)],
  ] satisfies [string, PartialKernel][]);
}

function forward(heap: Heap, kind: 'conv' | 'depthwise', args: Arguments): TensorInfo | undefined {
  const { x, filter, bias, preluActivationWeights } = args.inputs;
  const attributes = readAttributes(args);
  const range = limits[attributes.activation ?? 'linear'];
  if (!x || !filter || !range || preluActivationWeights || !isOurs(attributes, x, filter, bias))
    return undefined;
  const info = convInfo(x.shape, filter.shape, attributes, kind);
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== info.outChannels)) return undefined;
  const y = heap.output(info.outShape);
  const [geometry, scratch] = prepare(heap, info, kind);
  const run = kind === 'conv' ? heap.kernels.convForward : heap.kernels.depthwiseForward;
  const biasAddress = bias ? heap.address(bias) : 0;
  run(geometry, heap.address(x), heap.address(filter), biasAddress, heap.address(y), scratch, ...range);
  return y;
}

function inputGradient(heap: Heap, kind: 'conv' | 'depthwise', args: Arguments): TensorInfo | undefined {
  const { dy, filter } = args.inputs;
  const attributes = readAttributes(args);
  const { inputShape } = attributes;
  if (!dy || !filter || !inputShape || !isOurs(attributes, dy, filter)) return undefined;
  const info = convInfo(inputShape, filter.shape, attributes, kind);
  const dx = heap.output(inputShape);
  const [geometry, scratch] = prepare(heap, info, kind);
  const run = kind === 'conv' ? heap.kernels.convInputGradient : heap.kernels.depthwiseInputGradient;
  run(geometry, heap.address(dy), heap.address(filter), heap.address(dx), scratch);
  return dx;
}

function filterGradient(heap: Heap, kind: 'conv' | 'depthwise', args: Arguments): TensorInfo | undefined {
  const { x, dy } = args.inputs;
  const attributes = readAttributes(args);
  const { filterShape } = attributes;
  if (!x || !dy || !filterShape || !isOurs(attributes, x, dy)) return undefined;
  const info = convInfo(x.shape, filterShape, attributes, kind);
  const dFilter = heap.output(filterShape);
  const [geometry, scratch] = prepare(heap, info, kind);
  const run = kind === 'conv' ? heap.kernels.convFilterGradient : heap.kernels.depthwiseFilterGradient;
  run(geometry, heap.address(x), heap.address(dy), heap.address(dFilter), scratch);
  return dFilter;
}

function readAttributes(args: Arguments): ConvAttributes {
  return args.attrs as unknown as ConvAttributes;
}

function isOurs(attributes: ConvAttributes, ...tensors: (TensorInfo | undefined)[]): boolean {
  const { dataFormat, dilations } = attributes;
  const dilated = dilations !== undefined && [dilations].flat().some((dilation) => dilation !== 1);
  const floats = tensors.every((tensor) => !tensor || tensor.dtype === 'float32');
  return dataFormat !== 'NCHW' && !dilated && floats;
}

function convInfo(
  x: readonly number[],
  filter: readonly number[],
  attributes: ConvAttributes,
  kind: 'conv' | 'depthwise',
): backend_util.Conv2DInfo {
  const { strides, pad, dimRoundingMode } = attributes;
  const depthwise = kind === 'depthwise';
  return backend_util.computeConv2DInfo(
    shape4D(x),
    shape4D(filter),
    strides,
    [1, 1],
    pad,
    dimRoundingMode,
    depthwise,
  );
}

function shape4D([a, b, c, d, ...rest]: readonly number[]): Shape4D {
  if (a === undefined || b === undefined || c === undefined || d === undefined || rest.length > 0) {
    throw new Error('A convolution wants four-dimensional tensors.');
  }
  return [a, b, c, d];
}

/** The addresses of the geometry and of enough scratch; call it after all outputs are allocated. */
function prepare(heap: Heap, info: backend_util.Conv2DInfo, kind: 'conv' | 'depthwise'): [number, number] {
  const geometry = heap.geometry(info);
  const { convScratchBytes, depthwiseScratchBytes } = heap.kernels;
  const bytes = kind === 'conv' ? convScratchBytes(geometry) : depthwiseScratchBytes(geometry);
  return [geometry, heap.scratch(bytes)];
}
