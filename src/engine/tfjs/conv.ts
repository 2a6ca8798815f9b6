import {
  add,
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
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
  tidy,
  type Variable,
} from '@tensorflow/tfjs-core';

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

/** A convolution over all channels, or one filter per channel. */
type ConvKind = 'conv' | 'depthwise';

/** An activation that is fused with a convolution and whose gradient can be told from its output. */
type Activation = 'linear' | 'relu6';

const inputKernel = { conv: Conv2DBackpropInput, depthwise: DepthwiseConv2dNativeBackpropInput } as const;
const filterKernel = { conv: Conv2DBackpropFilter, depthwise: DepthwiseConv2dNativeBackpropFilter } as const;

/** A fused convolution that was run: its input, its output, the output's gradient and the filter, all NHWC. */
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
 * The gradients of a fused convolution with the attributes of its forward kernel, on any backend; in one kernel
 * where the backend has it. An activation at its corner, 0 or 6, passes no gradient. Keeps nothing else.
 */
function convGradients(
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

/** The numbers of one step of SGD. */
interface SgdRates {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/**
 * One step of SGD with momentum in float32, as torch.optim.SGD does it (dampening 0, no Nesterov): g += weightDecay w;
 * v = momentum v + g; w -= learningRate v. Weight and velocity change, the gradient does not.
 */
export function sgdUpdate(weight: Variable, velocity: Variable, gradient: Tensor, rates: SgdRates): void {
  const { learningRate, momentum, weightDecay } = rates;
  if (getKernel('SgdMomentum', getBackend())) {
    engine().runKernel(
      'SgdMomentum',
      { weight, velocity, gradient },
      { learningRate, momentum, weightDecay },
    );
    return;
  }
  tidy(() => {
    const decayed = add(gradient, mul(weight, weightDecay));
    velocity.assign(add(mul(velocity, momentum), decayed));
    weight.assign(sub(weight, mul(velocity, learningRate)));
  });
}

/** target += source, of equal shapes. */
export function addInPlace(target: Variable, source: Tensor): void {
  if (getKernel('AddInPlace', getBackend())) {
    engine().runKernel('AddInPlace', { target, source });
    return;
  }
  tidy(() => target.assign(add(target, source)));
}
