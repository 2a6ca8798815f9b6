import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import {
  backend_util,
  BatchMatMul,
  Conv2DBackpropFilter,
  Conv2DBackpropInput,
  DepthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput,
  getKernel,
  type KernelFunc,
  registerKernel,
  type TensorInfo,
  unregisterKernel,
} from '@tensorflow/tfjs-core';
import { addInPlace, reluGradient, sgdMomentum } from './elementwise.js';
import { depthwiseFilterGradient, filterGradient } from './filter-gradients.js';
import { columnSums } from './sums.js';

type Arguments = Parameters<KernelFunc>[0];
type Attributes = NonNullable<Arguments['attrs']>;

/** Where ReLU6 stops passing gradients. */
const CEILING = 6;

/** Gives the WebGPU backend kernels for training that use the whole device: its own take one thread per weight. */
export function registerTrainingKernels(): void {
  replace('ConvBackward', convBackward);
  replace('SgdMomentum', ({ backend, inputs, attrs }) => {
    const rates = {
      learningRate: Number(attrs?.['learningRate']),
      momentum: Number(attrs?.['momentum']),
      weightDecay: Number(attrs?.['weightDecay']),
    };
    const weight = given(inputs['weight']);
    const velocity = given(inputs['velocity']);
    sgdMomentum(webGpu(backend), { weight, velocity, gradient: given(inputs['gradient']) }, rates);
    return [];
  });
  replace('ColumnSums', ({ backend, inputs }) => columnSums(webGpu(backend), given(inputs['x'])));
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

/** All gradients of a fused convolution: { x, y, dy, filter } -> [dFilter, dBias], and dx where `needInput`. */
function convBackward({ backend, inputs, attrs = {} }: Arguments): TensorInfo[] {
  const gpu = webGpu(backend);
  const [x, y, dy, filter] = ['x', 'y', 'dy', 'filter'].map((name) => given(inputs[name]));
  if (!x || !y || !dy || !filter) throw new Error('ConvBackward wants x, y, dy and filter.');
  const depthwise = attrs['kind'] === 'depthwise';
  const info = convInfo(x.shape, filter.shape, attrs, depthwise);
  const dPre = attrs['activation'] === 'relu6' ? reluGradient(gpu, dy, y, CEILING) : dy;
  const dFilter = (depthwise ? depthwiseFilterGradient : filterGradient)(gpu, x, dPre, info);
  const gradients = [dFilter, columnSums(gpu, dPre)];
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
  const inputShape = info.inShape;
  const pointwise =
    info.filterHeight * info.filterWidth === 1 && info.strideHeight === 1 && info.strideWidth === 1;
  if (!depthwise && pointwise) {
    const rows = info.batchSize * info.inHeight * info.inWidth;
    const a = { ...dy, shape: [1, rows, info.outChannels] };
    const b = { ...filter, shape: [1, info.inChannels, info.outChannels] };
    const product = run(BatchMatMul, { a, b }, { transposeA: false, transposeB: true }, backend);
    return { ...product, shape: inputShape };
  }
  const kernel = depthwise ? DepthwiseConv2dNativeBackpropInput : Conv2DBackpropInput;
  return run(kernel, { dy, filter }, { ...attributes, inputShape }, backend);
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

function webGpu(backend: unknown): WebGPUBackend {
  if (!(backend instanceof WebGPUBackend)) throw new Error('These kernels belong to the WebGPU backend.');
  return backend;
}
