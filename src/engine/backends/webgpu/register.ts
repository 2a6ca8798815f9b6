import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import {
  backend_util,
  BatchMatMul,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  DepthwiseConv2dNativeBackpropFilter,
  FusedConv2D,
  FusedDepthwiseConv2D,
  getKernel,
  type KernelFunc,
  registerKernel,
  type TensorInfo,
  unregisterKernel,
} from '@tensorflow/tfjs-core';
import { setRecorder } from '../replay.js';
import { batchNormBackward, batchNormForward } from './batch-norm.js';
import { addInPlace, sgdMomentum } from './elementwise.js';
import { depthwiseFilterGradient, depthwiseInputGradient } from './depthwise.js';
import { filterGradient } from './filter-gradients.js';
import {
  isPacked,
  pointwiseFilterGradient,
  pointwiseForward,
  pointwiseInputGradient,
  type PointwiseSizes,
} from './products.js';
import { webGpuRecorder } from './recording.js';
import { columnSums, relu6ColumnSums } from './sums.js';

type Arguments = Parameters<KernelFunc>[0];
type Attributes = NonNullable<Arguments['attrs']>;

/**
 * Gives the WebGPU backend kernels for training that use the whole device, where its own take one thread per weight, and what
 * records a step.
 */
export function registerTrainingKernels(backend: WebGPUBackend): void {
  setRecorder(backend, webGpuRecorder(backend));
  replace('ConvForward', convForward);
  replace('ConvBackward', convBackward);
  replace('SgdMomentum', ({ backend, inputs, attrs }) => {
    const [weight, velocity, gradient, rates] = all(inputs, ['weight', 'velocity', 'gradient', 'rates']);
    const terms = {
      rateMultiplier: Number(attrs?.['rateMultiplier']),
      weightDecay: Number(attrs?.['weightDecay']),
    };
    sgdMomentum(webGpu(backend), { weight, velocity, gradient, rates }, terms);
    return [];
  });
  replace('BatchNormForward', ({ backend, inputs, attrs }) => {
    const names = ['z', 'gamma', 'beta', 'runningMean', 'runningVariance'] as const;
    const [z, gamma, beta, runningMean, runningVariance] = all(inputs, names);
    const { y, mean, scale } = batchNormForward(
      webGpu(backend),
      { z, gamma, beta, runningMean, runningVariance },
      {
        epsilon: Number(attrs?.['epsilon']),
        momentum: Number(attrs?.['momentum']),
        relu6: attrs?.['relu6'] === true,
      },
    );
    return [y, mean, scale];
  });
  replace('BatchNormBackward', ({ backend, inputs, attrs }) => {
    const [dy, y, z, mean, scale, gamma] = all(inputs, ['dy', 'y', 'z', 'mean', 'scale', 'gamma']);
    const { dz, dGamma, dBeta } = batchNormBackward(
      webGpu(backend),
      { dy, y, z, mean, scale, gamma },
      attrs?.['relu6'] === true,
    );
    return [dz, dGamma, dBeta];
  });
  replace('AddInPlace', ({ backend, inputs }) => {
    addInPlace(webGpu(backend), given(inputs['target']), given(inputs['source']));
    return [];
  });
  replace(Conv2DBackpropFilter, ({ backend, inputs, attrs = {} }) => {
    const x = given(inputs['x']);
    const info = convInfo(x.shape, shapeIn(attrs, 'filterShape'), attrs, false);
    return filterGradient(webGpu(backend), x, given(inputs['dy']), info);
  });
  replace(DepthwiseConv2dNativeBackpropFilter, ({ backend, inputs, attrs = {} }) => {
    const x = given(inputs['x']);
    const info = convInfo(x.shape, shapeIn(attrs, 'filterShape'), attrs, true);
    return depthwiseFilterGradient(webGpu(backend), x, given(inputs['dy']), info);
  });
}

/** The gradients of a fused convolution: { x, y, dy, filter } -> [dFilter], then dBias where `needBias`, dx where `needInput`. */
function convBackward({ backend, inputs, attrs = {} }: Arguments): TensorInfo[] {
  const gpu = webGpu(backend);
  const [x, y, dy, filter] = all(inputs, ['x', 'y', 'dy', 'filter']);
  const depthwise = attrs['kind'] === 'depthwise';
  const info = convInfo(x.shape, filter.shape, attrs, depthwise);
  const relu = attrs['activation'] === 'relu6' ? relu6ColumnSums(gpu, dy, y) : undefined;
  const dPre = relu?.through ?? dy;
  const sizes = depthwise ? undefined : pointwiseSizes(info);
  const gradients: TensorInfo[] = [];
  if (sizes !== undefined && isPacked(sizes.inChannels, sizes.outChannels))
    gradients.push(pointwiseFilterGradient(gpu, { x, dy: dPre }, sizes));
  else gradients.push((depthwise ? depthwiseFilterGradient : filterGradient)(gpu, x, dPre, info));
  if (attrs['needBias'] === true) gradients.push(relu?.sums ?? columnSums(gpu, dy));
  else if (relu) gpu.disposeData(relu.sums.dataId);
  if (attrs['needInput'] === true) gradients.push(inputGradient(gpu, dPre, filter, info, depthwise, attrs));
  if (dPre !== dy) gpu.disposeData(dPre.dataId);
  return gradients;
}

function inputGradient(
  backend: WebGPUBackend,
  dy: TensorInfo,
  filter: TensorInfo,
  info: backend_util.Conv2DInfo,
  depthwise: boolean,
  attributes: Attributes,
): TensorInfo {
  if (depthwise) return depthwiseInputGradient(backend, dy, filter, info);
  const inputShape = info.inShape;
  const sizes = pointwiseSizes(info);
  if (sizes === undefined)
    return run(Conv2DBackpropInput, { dy, filter }, { ...attributes, inputShape }, backend);
  if (isPacked(sizes.inChannels, sizes.outChannels))
    return pointwiseInputGradient(backend, { dy, filter }, sizes);
  const a = { ...dy, shape: [1, sizes.rows, info.outChannels] };
  const b = { ...filter, shape: [1, info.inChannels, info.outChannels] };
  const product = run(BatchMatMul, { a, b }, { transposeA: false, transposeB: true }, backend);
  return { ...product, shape: inputShape };
}

/** Of a 1 x 1 convolution with stride 1; undefined for another. */
function pointwiseSizes(info: backend_util.Conv2DInfo): PointwiseSizes | undefined {
  const { filterHeight, filterWidth, strideHeight, strideWidth, inChannels, outChannels } = info;
  if (filterHeight * filterWidth * strideHeight * strideWidth !== 1) return undefined;
  return { rows: info.batchSize * info.inHeight * info.inWidth, inChannels, outChannels };
}

/** A convolution with bias and ReLU6, if any: { x, filter, bias? } -> [y]. */
function convForward({ backend, inputs, attrs = {} }: Arguments): TensorInfo[] {
  const gpu = webGpu(backend);
  const [x, filter] = all(inputs, ['x', 'filter']);
  const bias = inputs['bias'];
  const depthwise = attrs['kind'] === 'depthwise';
  const sizes = depthwise ? undefined : pointwiseSizes(convInfo(x.shape, filter.shape, attrs, false));
  if (sizes !== undefined && isPacked(sizes.inChannels, sizes.outChannels))
    return [pointwiseForward(gpu, { x, filter, bias }, sizes, attrs['activation'] === 'relu6')];
  const given = { x, filter, ...(bias !== undefined && { bias }) };
  return [run(depthwise ? FusedDepthwiseConv2D : FusedConv2D, given, attrs, gpu)];
}

function run(
  name: string,
  inputs: Record<string, TensorInfo>,
  attrs: Attributes,
  backend: WebGPUBackend,
): TensorInfo {
  const result = getKernel(name, 'webgpu').kernelFunc({ inputs, attrs, backend });
  if (Array.isArray(result)) throw new Error(`${name} gave several tensors.`);
  return result;
}

function replace(kernelName: string, kernelFunc: KernelFunc): void {
  if (getKernel(kernelName, 'webgpu')) unregisterKernel(kernelName, 'webgpu');
  registerKernel({ kernelName, backendName: 'webgpu', kernelFunc });
}

function convInfo(
  inputShape: readonly number[],
  filterShape: readonly number[],
  attributes: Attributes,
  depthwise: boolean,
): backend_util.Conv2DInfo {
  const pad: unknown = attributes['pad'];
  if (pad !== 'same' && pad !== 'valid' && typeof pad !== 'number') {
    throw new Error(
      `Expected 'same', 'valid' or a number of pixels for the padding but received ${String(pad)}.`,
    );
  }
  const pair = (name: string): [number, number] => {
    const [y = 1, x = 1] = [attributes[name] ?? 1].flat().map(Number);
    return [y, x];
  };
  const [height, width, depth, last] = filterShape;
  return backend_util.computeConv2DInfo(
    four(inputShape),
    four([height ?? 0, width ?? 0, depth ?? 0, last ?? 0]),
    pair('strides'),
    pair('dilations'),
    pad,
    undefined,
    depthwise,
  );
}

function four(shape: readonly number[]): [number, number, number, number] {
  const [a, b, c, d] = shape;
  if (a === undefined || b === undefined || c === undefined || d === undefined) {
    throw new Error(`Expected four dimensions but received [${shape.join(', ')}].`);
  }
  return [a, b, c, d];
}

function shapeIn(attributes: Attributes, name: string): number[] {
  const shape = attributes[name];
  if (!Array.isArray(shape)) throw new Error(`The attribute ${name} is missing.`);
  return shape.map(Number);
}

function given(tensor: TensorInfo | undefined): TensorInfo {
  if (tensor === undefined) throw new Error('An input of the kernel is missing.');
  return tensor;
}

/** The inputs of these names, in their order. */
function all<const Names extends readonly string[]>(
  inputs: Arguments['inputs'],
  names: Names,
): { readonly [i in keyof Names]: TensorInfo } {
  return names.map((name) => given(inputs[name])) as unknown as { readonly [i in keyof Names]: TensorInfo };
}

function webGpu(backend: unknown): WebGPUBackend {
  if (!(backend instanceof WebGPUBackend)) throw new Error('These kernels belong to the WebGPU backend.');
  return backend;
}
