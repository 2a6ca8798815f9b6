import {
  BatchMatMul,
  Conv2D,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  DepthwiseConv2dNative,
  DepthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput,
  FusedConv2D,
  FusedDepthwiseConv2D,
  util,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import {
  activationLimits,
  convInfo,
  isOurs,
  prepare,
  readAttributes,
  type ConvKind,
  type KernelArguments,
} from './conv-arguments.js';
import type { Heap } from './heap.js';
import { matMul } from './matmul-kernel.js';

/** A kernel of ours, or the answer that this case is not ours. */
export type PartialKernel = (args: KernelArguments) => TensorInfo | undefined;

/**
 * The convolutions, their gradients and matrix products for float32, NHWC, dilation 1; undefined for anything else.
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
    [BatchMatMul, (args) => matMul(heap, args)],
  ] satisfies [string, PartialKernel][]);
}

function forward(heap: Heap, kind: ConvKind, args: KernelArguments): TensorInfo | undefined {
  const { x, filter, bias, preluActivationWeights } = args.inputs;
  const attributes = readAttributes(args);
  const range = activationLimits[attributes.activation ?? 'linear'];
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

function inputGradient(heap: Heap, kind: ConvKind, args: KernelArguments): TensorInfo | undefined {
  const { dy, filter } = args.inputs;
  const attributes = readAttributes(args);
  const { inputShape } = attributes;
  if (!dy || !filter || !inputShape || !isOurs(attributes, dy, filter)) return undefined;
  const info = convInfo(inputShape, filter.shape, attributes, kind);
  util.assertShapesMatch(dy.shape, info.outShape);
  const dx = heap.output(inputShape);
  const [geometry, scratch] = prepare(heap, info, kind);
  const run = kind === 'conv' ? heap.kernels.convInputGradient : heap.kernels.depthwiseInputGradient;
  run(geometry, heap.address(dy), heap.address(filter), heap.address(dx), scratch);
  return dx;
}

function filterGradient(heap: Heap, kind: ConvKind, args: KernelArguments): TensorInfo | undefined {
  const { x, dy } = args.inputs;
  const attributes = readAttributes(args);
  const { filterShape } = attributes;
  if (!x || !dy || !filterShape || !isOurs(attributes, x, dy)) return undefined;
  const info = convInfo(x.shape, filterShape, attributes, kind);
  util.assertShapesMatch(dy.shape, info.outShape);
  const dFilter = heap.output(filterShape);
  const [geometry, scratch] = prepare(heap, info, kind);
  const run = kind === 'conv' ? heap.kernels.convFilterGradient : heap.kernels.depthwiseFilterGradient;
  run(geometry, heap.address(x), heap.address(dy), heap.address(dFilter), scratch);
  return dFilter;
}
