import {
  cast,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  DepthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput,
  engine,
  FusedConv2D,
  FusedDepthwiseConv2D,
  getBackend,
  getKernel,
  greater,
  less,
  logicalAnd,
  mul,
  type NamedAttrMap,
  sum,
  type Tensor1D,
  type Tensor4D,
  tidy,
} from '@tensorflow/tfjs-core';

/** A convolution with 'same' padding and bias, and ReLU6 where wanted, NHWC. */
export interface ConvOptions {
  /** Over all channels, or one filter per channel. */
  readonly kind: 'conv' | 'depthwise';
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

const inputKernel = { conv: Conv2DBackpropInput, depthwise: DepthwiseConv2dNativeBackpropInput } as const;
const filterKernel = { conv: Conv2DBackpropFilter, depthwise: DepthwiseConv2dNativeBackpropFilter } as const;

/** Input, output, gradient of the output and filter of a convolution that was run. */
interface ConvTensors {
  readonly x: Tensor4D;
  readonly y: Tensor4D;
  readonly dy: Tensor4D;
  readonly filter: Tensor4D;
}

/** Its gradients; dx is left out where it was not asked for. */
interface ConvGradients {
  readonly dx?: Tensor4D;
  readonly dFilter: Tensor4D;
  /** [out channels]. */
  readonly dBias: Tensor1D;
}

/**
 * The gradients of `convForward`, in one kernel where the backend has it. The input's is left out unless `needInput`: the
 * first trainable layer has no use for it. An activation at its corner, 0 or 6, passes no gradient. Keeps nothing else.
 */
export function convBackward(tensors: ConvTensors, options: ConvOptions, needInput: boolean): ConvGradients {
  const { x, y, dy, filter } = tensors;
  const { kind, relu6 } = options;
  const attributes = attributesOf(options);
  if (getKernel('ConvBackward', getBackend())) {
    const all = { ...attributes, activation: activationOf(options), kind, needInput };
    const gradients = engine().runKernel('ConvBackward', { x, y, dy, filter }, all);
    const [dFilter, dBias, dx] = gradients as unknown as [Tensor4D, Tensor1D, Tensor4D?];
    return dx ? { dx, dFilter, dBias } : { dFilter, dBias };
  }
  return tidy(() => {
    const dPre = relu6 ? mul<Tensor4D>(dy, relu6Slope(y)) : dy;
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

function activationOf({ relu6 }: ConvOptions): 'relu6' | 'linear' {
  return relu6 ? 'relu6' : 'linear';
}

function attributesOf({ stride }: ConvOptions): NamedAttrMap {
  return { strides: [stride, stride], pad: 'same', dataFormat: 'NHWC', dilations: [1, 1] };
}

/** 1 where the output y of a ReLU6 lies strictly between 0 and 6, else 0. */
function relu6Slope(y: Tensor4D): Tensor4D {
  return cast(logicalAnd<Tensor4D>(greater(y, 0), less(y, 6)), 'float32');
}
