import {
  engine,
  FusedConv2D,
  FusedDepthwiseConv2D,
  tidy,
  type Tensor1D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import {
  activationGradient,
  filterGradient,
  inputGradient,
  type ConvAttributes,
  type ConvKind,
} from './fused-gradient.js';

export { addInPlace, sgdUpdate, type SgdRates } from './update.js';

/** A convolution with 'same' padding and bias, and ReLU6 where wanted, NHWC. */
export interface ConvOptions {
  readonly kind: ConvKind;
  readonly stride: number;
  readonly relu6: boolean;
}

/** What the backward pass of a convolution returns; dx is left out where it was not asked for. */
export interface ConvGradients {
  readonly dx?: Tensor4D;
  readonly dFilter: Tensor4D;
  readonly dBias: Tensor1D;
}

const forwardKernel = { conv: FusedConv2D, depthwise: FusedDepthwiseConv2D } as const;

/**
 * y [batch, height / stride, width / stride, out] of x [batch, height, width, in], with a filter of
 * [kh, kw, in, out] ('conv') or [kh, kw, in, 1] ('depthwise') and a bias of [out].
 */
export function convForward(x: Tensor4D, filter: Tensor4D, bias: Tensor1D, options: ConvOptions): Tensor4D {
  const activation = options.relu6 ? 'relu6' : 'linear';
  const attributes = { ...attributesOf(options), activation };
  return engine().runKernel(forwardKernel[options.kind], { x, filter, bias }, attributes);
}

/**
 * Gradients of the input, filter and bias of `convForward`, from its input x, its output y and the gradient dy of y.
 * The input's is left out unless `needInput`: the first trainable layer has no use for it. Keeps nothing else.
 */
export function convBackward(
  tensors: { readonly x: Tensor4D; readonly y: Tensor4D; readonly dy: Tensor4D; readonly filter: Tensor4D },
  options: ConvOptions,
  needInput: boolean,
): ConvGradients {
  const { x, y, dy, filter } = tensors;
  const { kind } = options;
  const attributes = attributesOf(options);
  return tidy(() => {
    const [dPre, dBias] = activationGradient(dy, y, options.relu6 ? 'relu6' : 'linear');
    const dFilter = filterGradient(kind, x, dPre, filter.shape, attributes);
    const dx = needInput ? { dx: inputGradient(kind, x.shape, dPre, filter, attributes) } : {};
    return { ...dx, dFilter, dBias };
  });
}

function attributesOf({ stride }: ConvOptions): ConvAttributes {
  return { strides: [stride, stride], pad: 'same', dataFormat: 'NHWC', dilations: [1, 1] };
}
