import {
  cast,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  DepthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput,
  engine,
  getBackend,
  getKernel,
  greater,
  less,
  logicalAnd,
  mul,
  sum,
  tidy,
  type NamedAttrMap,
  type Tensor1D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

/** A convolution over all channels, or one filter per channel. */
export type ConvKind = 'conv' | 'depthwise';

/** An activation that is fused with a convolution and whose gradient can be told from its output. */
export type Activation = 'linear' | 'relu6';

const inputKernel = { conv: Conv2DBackpropInput, depthwise: DepthwiseConv2dNativeBackpropInput } as const;
const filterKernel = { conv: Conv2DBackpropFilter, depthwise: DepthwiseConv2dNativeBackpropFilter } as const;

/** A fused convolution that was run: its input, its output, the output's gradient and the filter, all NHWC. */
export interface ConvTensors {
  readonly x: Tensor4D;
  readonly y: Tensor4D;
  readonly dy: Tensor4D;
  readonly filter: Tensor4D;
}

/** Its gradients; dx is left out where it was not asked for. */
export interface ConvGradients {
  readonly dx?: Tensor4D;
  readonly dFilter: Tensor4D;
  /** [out channels]. */
  readonly dBias: Tensor1D;
}

/**
 * The gradients of a fused convolution with the attributes of its forward kernel, on any backend; in one kernel
 * where the backend has it. An activation at its corner, 0 or 6, passes no gradient. Keeps nothing else.
 */
export function convGradients(
  kind: ConvKind,
  tensors: ConvTensors,
  activation: Activation,
  attributes: NamedAttrMap,
  needInput: boolean,
): ConvGradients {
  const { x, y, dy, filter } = tensors;
  if (getKernel('ConvBackward', getBackend())) {
    const all = { ...attributes, activation, kind, needInput };
    const gradients = engine().runKernel('ConvBackward', { x, y, dy, filter }, all);
    const [dFilter, dBias, dx] = gradients as unknown as [Tensor4D, Tensor1D, Tensor4D?];
    return dx ? { dx, dFilter, dBias } : { dFilter, dBias };
  }
  return tidy(() => {
    const dPre = activation === 'linear' ? dy : mul<Tensor4D>(dy, passes(y));
    const dFilter: Tensor4D = engine().runKernel(
      filterKernel[kind],
      { x, dy: dPre },
      { ...attributes, filterShape: filter.shape },
    );
    const dBias = sum<Tensor1D>(dPre, [0, 1, 2]);
    if (!needInput) return { dFilter, dBias };
    const dx: Tensor4D = engine().runKernel(
      inputKernel[kind],
      { dy: dPre, filter },
      { ...attributes, inputShape: x.shape },
    );
    return { dx, dFilter, dBias };
  });
}

/** 1 where ReLU6 had a slope, else 0. */
function passes(y: Tensor4D): Tensor4D {
  return cast(logicalAnd<Tensor4D>(greater(y, 0), less(y, 6)), 'float32');
}
