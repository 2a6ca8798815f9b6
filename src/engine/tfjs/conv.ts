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
  type Rank,
  relu6,
  reshape,
  rsqrt,
  square,
  sub,
  sum,
  type Tensor1D,
  type Tensor4D,
  tidy,
  type Variable,
} from '@tensorflow/tfjs-core';

/** A convolution with 'same' padding, and ReLU6 where wanted, NHWC. */
export interface ConvOptions {
  /** Over all channels, or one filter per channel. */
  readonly kind: 'conv' | 'depthwise';
  readonly stride: number;
  readonly relu6: boolean;
}

const forwardKernel = { conv: FusedConv2D, depthwise: FusedDepthwiseConv2D } as const;

/**
 * y [batch, height / stride, width / stride, out] of x [batch, height, width, in], with a filter of
 * [kh, kw, in, out] ('conv') or [kh, kw, in, 1] ('depthwise') and a bias of [out], if any.
 */
export function convForward(
  x: Tensor4D,
  filter: Tensor4D,
  bias: Tensor1D | undefined,
  options: ConvOptions,
): Tensor4D {
  const attributes = { ...attributesOf(options), activation: activationOf(options) };
  const inputs = { x, filter, ...(bias !== undefined && { bias }) };
  if (getKernel('ConvForward', getBackend())) {
    const results: unknown = engine().runKernel('ConvForward', inputs, { ...attributes, kind: options.kind });
    return (results as [Tensor4D])[0];
  }
  return engine().runKernel(forwardKernel[options.kind], inputs, attributes);
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

/** Its gradients; those are left out that were not asked for. */
interface ConvGradients {
  readonly dx?: Tensor4D | undefined;
  readonly dFilter: Tensor4D;
  /** [out channels]. */
  readonly dBias?: Tensor1D | undefined;
}

/** Which gradients of a convolution are wanted beside its filter's. */
export interface Wanted {
  readonly input: boolean;
  readonly bias: boolean;
}

/**
 * The gradients of `convForward`, in one kernel where the backend has it. The first trainable layer has no use for its input's, a
 * layer before batch norm has no bias. An activation at its corner, 0 or 6, passes no gradient. Keeps nothing else.
 */
export function convBackward(tensors: ConvTensors, options: ConvOptions, wanted: Wanted): ConvGradients {
  const { x, y, dy, filter } = tensors;
  const { kind } = options;
  const attributes = attributesOf(options);
  if (getKernel('ConvBackward', getBackend())) {
    const [needInput, needBias] = [wanted.input, wanted.bias];
    const all = { ...attributes, activation: activationOf(options), kind, needInput, needBias };
    const gradients: unknown = engine().runKernel('ConvBackward', { x, y, dy, filter }, all);
    const [dFilter, ...others] = gradients as [Tensor4D, ...(Tensor1D | Tensor4D)[]];
    const dBias = needBias ? (others.shift() as Tensor1D) : undefined;
    return { dFilter, dBias, dx: others[0] as Tensor4D | undefined };
  }
  return tidy(() => {
    const dPre = options.relu6 ? mul<Tensor4D>(dy, relu6Slope(y)) : dy;
    const dFilter: Tensor4D = engine().runKernel(
      filterKernel[kind],
      { x, dy: dPre },
      { ...attributes, filterShape: filter.shape },
    );
    const dBias = wanted.bias ? sum<Tensor1D>(dPre, [0, 1, 2]) : undefined;
    if (!wanted.input) return { dFilter, dBias };
    const dx: Tensor4D = engine().runKernel(
      inputKernel[kind],
      { dy: dPre, filter },
      { ...attributes, inputShape: x.shape },
    );
    return { dx, dFilter, dBias };
  });
}

function activationOf(options: ConvOptions): 'relu6' | 'linear' {
  return options.relu6 ? 'relu6' : 'linear';
}

function attributesOf({ stride }: ConvOptions): NamedAttrMap {
  return { strides: [stride, stride], pad: 'same', dataFormat: 'NHWC', dilations: [1, 1] };
}

/** 1 where the output y of a ReLU6 lies strictly between 0 and 6, else 0. */
function relu6Slope(y: Tensor4D): Tensor4D {
  return cast(logicalAnd<Tensor4D>(greater(y, 0), less(y, 6)), 'float32');
}

/** What batch norm is computed with besides its input, each [channels]. */
export interface BatchNormTensors {
  readonly gamma: Tensor1D;
  readonly beta: Tensor1D;
  /** The running statistics. */
  readonly mean: Variable<Rank.R1>;
  readonly variance: Variable<Rank.R1>;
}

/** Batch norm after a convolution, and ReLU6 after that where wanted. */
interface NormOptions extends Pick<ConvOptions, 'relu6'> {
  /** Added to the variance. */
  readonly epsilon: number;
  /** Share of the running statistics that a step keeps. */
  readonly momentum: number;
}

/** What a training step's batch norm keeps for its gradients; the caller disposes all. */
export interface Normalized {
  /** Its input, [batch, height, width, channels]. */
  readonly z: Tensor4D;
  /** Of the batch, [channels]. */
  readonly mean: Tensor1D;
  /** 1 / sqrt(variance + epsilon), [channels]. */
  readonly scale: Tensor1D;
}

/**
 * Batch norm of a training step (Ioffe and Szegedy, arXiv 1502.03167, algorithm 1) of z [batch, height, width, channels]: by the
 * mean and the biased variance of all its n positions. The running statistics take in the batch's, the variance as n / (n - 1) of
 * it, as torch.nn.BatchNorm2d and Keras do. Throws RangeError where a channel has a single value, which has no variance.
 */
export function batchNormForward(
  z: Tensor4D,
  norm: BatchNormTensors,
  { epsilon, momentum, relu6: activated }: NormOptions,
): { readonly y: Tensor4D; readonly normalized: Normalized } {
  const n = positions(z);
  if (n < 2) throw new RangeError('batch norm in training mode needs more than one value a channel');
  if (getKernel('BatchNormForward', getBackend())) {
    const inputs = { z, ...norm, runningMean: norm.mean, runningVariance: norm.variance };
    const results: unknown = engine().runKernel('BatchNormForward', inputs, {
      epsilon,
      momentum,
      relu6: activated,
    });
    const [y, mean, scale] = results as [Tensor4D, Tensor1D, Tensor1D];
    return { y, normalized: { z, mean, scale } };
  }
  const { y, mean, scale } = tidy(() => {
    const mean = mul<Tensor1D>(sum(z, [0, 1, 2]), 1 / n);
    const centred = sub<Tensor4D>(z, mean);
    const variance = mul<Tensor1D>(sum(square(centred), [0, 1, 2]), 1 / n);
    const scale = rsqrt<Tensor1D>(add(variance, epsilon));
    const linear = add<Tensor4D>(mul(mul(centred, scale), norm.gamma), norm.beta);
    takeIn(norm.mean, mean, momentum);
    takeIn(norm.variance, mul(variance, n / (n - 1)), momentum);
    return { y: activated ? relu6<Tensor4D>(linear) : linear, mean, scale };
  });
  return { y, normalized: { z, mean, scale } };
}

/** running = momentum running + (1 - momentum) batch. */
function takeIn(running: Variable<Rank.R1>, batch: Tensor1D, momentum: number): void {
  tidy(() => running.assign(add(mul(running, momentum), mul(batch, 1 - momentum))));
}

/** The gradients of `batchNormForward`, those that the statistics pass on included. Keeps nothing else. */
export function batchNormBackward(
  dy: Tensor4D,
  y: Tensor4D,
  { z, mean, scale }: Normalized,
  gamma: Tensor1D,
  options: Pick<ConvOptions, 'relu6'>,
): { readonly dz: Tensor4D; readonly dGamma: Tensor1D; readonly dBeta: Tensor1D } {
  if (getKernel('BatchNormBackward', getBackend())) {
    const inputs = { dy, y, z, mean, scale, gamma };
    const results: unknown = engine().runKernel('BatchNormBackward', inputs, { relu6: options.relu6 });
    const [dz, dGamma, dBeta] = results as [Tensor4D, Tensor1D, Tensor1D];
    return { dz, dGamma, dBeta };
  }
  const n = positions(dy);
  return tidy(() => {
    const values = mul<Tensor4D>(sub(z, mean), scale);
    const dLinear = options.relu6 ? mul<Tensor4D>(dy, relu6Slope(y)) : dy;
    const dBeta = sum<Tensor1D>(dLinear, [0, 1, 2]);
    const dGamma = sum<Tensor1D>(mul(dLinear, values), [0, 1, 2]);
    const throughStatistics = mul(add(mul(values, dGamma), dBeta), 1 / n);
    const dz = mul<Tensor4D>(sub(dLinear, throughStatistics), mul(gamma, scale));
    return { dz, dGamma, dBeta };
  });
}

/** The filter and bias that do what a convolution and batch norm by the running statistics do; the caller disposes both. */
export function foldedFilter(
  filter: Tensor4D,
  { gamma, beta, mean, variance }: BatchNormTensors,
  { kind, epsilon }: Pick<ConvOptions, 'kind'> & Pick<NormOptions, 'epsilon'>,
): { readonly filter: Tensor4D; readonly bias: Tensor1D } {
  return tidy(() => {
    const scale = mul<Tensor1D>(gamma, rsqrt(add(variance, epsilon)));
    // A depthwise filter has its channels before the last axis.
    const aligned = kind === 'conv' ? scale : reshape(scale, [scale.size, 1]);
    return { filter: mul<Tensor4D>(filter, aligned), bias: sub<Tensor1D>(beta, mul(mean, scale)) };
  });
}

function positions({ shape: [batch, height, width] }: Tensor4D): number {
  return batch * height * width;
}
