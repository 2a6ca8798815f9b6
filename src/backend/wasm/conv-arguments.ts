import { backend_util, util, type KernelFunc, type TensorInfo } from '@tensorflow/tfjs-core';
import type { Heap } from './heap.js';

/** What a tfjs kernel is called with. */
export type KernelArguments = Parameters<KernelFunc>[0];

type Shape4D = [number, number, number, number];

/** What the kernels read of a convolution's attributes; tfjs types each kernel's on its own. */
export interface ConvAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  readonly activation?: string;
  readonly inputShape?: Shape4D;
  readonly filterShape?: Shape4D;
}

/** Whether a convolution has one filter per channel. */
export type ConvKind = 'conv' | 'depthwise';

/** The bounds between which an activation clamps; those not listed stay with the backend. */
export const activationLimits: Readonly<Record<string, readonly [number, number]>> = {
  linear: [-Infinity, Infinity],
  relu: [0, Infinity],
  relu6: [0, 6],
};

/** The attributes of a convolution kernel's call: tfjs gives them no type. */
export function readAttributes(args: KernelArguments): ConvAttributes {
  return args.attrs as unknown as ConvAttributes;
}

/** Whether the training kernels apply: float32, NHWC, dilation 1. */
export function isOurs(attributes: ConvAttributes, ...tensors: (TensorInfo | undefined)[]): boolean {
  const { dataFormat, dilations } = attributes;
  const dilated = dilations !== undefined && [dilations].flat().some((dilation) => dilation !== 1);
  const floats = tensors.every((tensor) => !tensor || tensor.dtype === 'float32');
  return dataFormat !== 'NCHW' && !dilated && floats;
}

/** Sizes and paddings of a convolution of x with a filter, of these shapes. */
export function convInfo(
  x: readonly number[],
  filter: readonly number[],
  attributes: ConvAttributes,
  kind: ConvKind,
): backend_util.Conv2DInfo {
  const { strides, pad, dimRoundingMode } = attributes;
  const depthwise = kind === 'depthwise';
  // The kernels trust the shapes: a wrong one would have them read elsewhere in the heap.
  util.assert(
    x[3] === filter[2],
    () => `A filter of [${filter.join()}] does not fit an input of [${x.join()}].`,
  );
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
export function prepare(heap: Heap, info: backend_util.Conv2DInfo, kind: ConvKind): [number, number] {
  const geometry = heap.geometry(info);
  const { convScratchBytes, depthwiseScratchBytes } = heap.kernels;
  const bytes = kind === 'conv' ? convScratchBytes(geometry) : depthwiseScratchBytes(geometry);
  return [geometry, heap.scratch(bytes)];
}
