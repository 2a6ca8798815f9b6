import {
  engine,
  FusedConv2D,
  FusedDepthwiseConv2D,
  type NamedAttrMap,
  type Tensor1D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { convGradients, type ConvGradients, type ConvKind, type ConvTensors } from './fused-gradient.js';

export { addInPlace, sgdUpdate, type SgdRates } from './update.js';

/** A convolution with 'same' padding and bias, and ReLU6 where wanted, NHWC. */
export interface ConvOptions {
  readonly kind: ConvKind;
  readonly stride: number;
  readonly relu6: boolean;
}

const forwardKernel = { conv: FusedConv2D, depthwise: FusedDepthwiseConv2D } as const;

/**
 * y [batch, height / stride, width / stride, out] of x [batch, height, width, in], with a filter of
 * [kh, kw, in, out] ('conv') or [kh, kw, in, 1] ('depthwise') and a bias of [out].
 */
export function convForward(x: Tensor4D, filter: Tensor4D, bias: Tensor1D, options: ConvOptions): Tensor4D {
  const attributes = { ...attributesOf(options), activation: activationOf(options) };
  return engine().runKernel(forwardKernel[options.kind], { x, filter, bias }, attributes);
}

/**
 * Gradients of the input, filter and bias of `convForward`, from its input x, its output y and the gradient dy of y.
 * The input's is left out unless `needInput`: the first trainable layer has no use for it. Keeps nothing else.
 */
export function convBackward(tensors: ConvTensors, options: ConvOptions, needInput: boolean): ConvGradients {
  return convGradients(options.kind, tensors, activationOf(options), attributesOf(options), needInput);
}

function activationOf({ relu6 }: ConvOptions): 'relu6' | 'linear' {
  return relu6 ? 'relu6' : 'linear';
}

function attributesOf({ stride }: ConvOptions): NamedAttrMap {
  return { strides: [stride, stride], pad: 'same', dataFormat: 'NHWC', dilations: [1, 1] };
}
