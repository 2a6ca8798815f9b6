import {
  cast,
  clone,
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
  registerGradient,
  sum,
  tidy,
  type GradConfig,
  type NamedAttrMap,
  type Tensor,
  type Tensor1D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

/** A convolution over all channels, or one filter per channel. */
export type ConvKind = 'conv' | 'depthwise';

/** An activation that is fused with a convolution and whose gradient can be told from its output. */
export type Activation = 'linear' | 'relu' | 'relu6';

/** Attributes that the forward kernel and both gradient kernels of a convolution share. */
export type ConvAttributes = NamedAttrMap;

const inputKernel = { conv: Conv2DBackpropInput, depthwise: DepthwiseConv2dNativeBackpropInput } as const;
const filterKernel = { conv: Conv2DBackpropFilter, depthwise: DepthwiseConv2dNativeBackpropFilter } as const;

/**
 * From the gradient of a fused convolution's output y (of the same shape), [batch, height, width, channels], the
 * gradient before the activation and its sum per channel, the gradient of the bias. At 0 and 6 the gradient is 0.
 */
export function activationGradient(dy: Tensor4D, y: Tensor4D, activation: Activation): [Tensor4D, Tensor1D] {
  if (getKernel('ActivationBiasGrad', getBackend())) {
    return engine().runKernel('ActivationBiasGrad', { dy, y }, { activation }) as [Tensor4D, Tensor1D];
  }
  return tidy(() => {
    const dPre = activation === 'linear' ? clone(dy) : mul<Tensor4D>(dy, passes(y, activation));
    return [dPre, sum<Tensor1D>(dPre, [0, 1, 2])];
  });
}

function passes(y: Tensor4D, activation: 'relu' | 'relu6'): Tensor4D {
  const positive = greater<Tensor4D>(y, 0);
  return cast(activation === 'relu6' ? logicalAnd<Tensor4D>(positive, less(y, 6)) : positive, 'float32');
}

/** The gradient of a convolution's input of shape `inputShape`, from that of its output before bias and activation. */
export function inputGradient(
  kind: ConvKind,
  inputShape: [number, number, number, number],
  dPre: Tensor4D,
  filter: Tensor4D,
  attributes: ConvAttributes,
): Tensor4D {
  return engine().runKernel(inputKernel[kind], { dy: dPre, filter }, { ...attributes, inputShape });
}

/** The gradient of a convolution's filter of shape `filterShape`, from that of its output before bias and activation. */
export function filterGradient(
  kind: ConvKind,
  x: Tensor4D,
  dPre: Tensor4D,
  filterShape: [number, number, number, number],
  attributes: ConvAttributes,
): Tensor4D {
  return engine().runKernel(filterKernel[kind], { x, dy: dPre }, { ...attributes, filterShape });
}

/**
 * Makes `runKernel('FusedConv2D' | 'FusedDepthwiseConv2D', ...)` differentiable on every backend, for the
 * activations linear, relu and relu6: tfjs has no gradient for them (and `tf.fused` none for relu6).
 */
export function registerFusedGradients(): void {
  registerGradient(fusedGradient(FusedConv2D, 'conv'));
  registerGradient(fusedGradient(FusedDepthwiseConv2D, 'depthwise'));
}

function fusedGradient(kernelName: string, kind: ConvKind): GradConfig {
  return {
    kernelName,
    inputsToSave: ['x', 'filter'],
    outputsToSave: [true],
    gradFunc: (dy, saved, attrs) => {
      const [x, filter, y] = saved as [Tensor4D, Tensor4D, Tensor4D];
      const { activation = 'linear', ...rest } = attrs;
      const attributes = { dilations: [1, 1], ...rest };
      if (!isActivation(activation)) {
        throw new Error(`${kernelName} has no gradient for the activation "${String(activation)}".`);
      }
      const [dPre, dBias] = activationGradient(only4D(dy), y, activation);
      return {
        x: () => inputGradient(kind, x.shape, dPre, filter, attributes),
        filter: () => filterGradient(kind, x, dPre, filter.shape, attributes),
        bias: () => clone(dBias),
      };
    },
  };
}

function isActivation(name: unknown): name is Activation {
  return name === 'linear' || name === 'relu' || name === 'relu6';
}

function only4D(dy: Tensor | Tensor[]): Tensor4D {
  return (Array.isArray(dy) ? dy[0] : dy) as Tensor4D;
}
