import {
  backend,
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelConfig,
  type KernelFunc,
} from '@tensorflow/tfjs-core';
import { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { registerFusedGradients } from '../fused-gradient.js';
import { ConvBackward, convBackwardKernel } from './backward-kernel.js';
import { convKernels, type PartialKernel } from './conv-kernels.js';
import { openHeap } from './heap.js';
import { imageInputKernel } from './image-kernel.js';
import { rowKernels } from './row-kernels.js';
import { updateKernels } from './update-kernels.js';

const registered = new WeakMap<BackendWasm, Promise<void>>();
/** The backend's own kernels by name, undefined where it has none. */
const originals = new Map<string, KernelConfig | undefined>();

/**
 * Gives the wasm backend, which must be the current one, the kernels that training needs: gradients of
 * convolutions, forward convolutions that allow filters to be updated in place, and the updates themselves.
 * A second call does nothing.
 */
export function registerTrainingKernels(): Promise<void> {
  const current = backend();
  if (!(current instanceof BackendWasm)) throw new Error('The current tfjs backend is not wasm.');
  const done = registered.get(current) ?? register(current);
  registered.set(current, done);
  return done;
}

async function register(current: BackendWasm): Promise<void> {
  const heap = await openHeap(current);
  for (const [name, kernel] of convKernels(heap)) replace(name, (original) => orElse(name, kernel, original));
  replace(ConvBackward, () => convBackwardKernel(heap));
  for (const [name, kernel] of [...updateKernels(heap), ...rowKernels(heap)]) replace(name, () => kernel);
  replace('ImageInput', () => imageInputKernel(heap));
  registerFusedGradients();
}

function replace(kernelName: string, make: (original: KernelFunc | undefined) => KernelFunc): void {
  const existing = getKernel(kernelName, 'wasm');
  if (!originals.has(kernelName)) originals.set(kernelName, existing);
  if (existing) unregisterKernel(kernelName, 'wasm');
  const original = originals.get(kernelName);
  // The original's setup still runs when the backend is set again: cases that are not ours go to it.
  registerKernel({ ...original, kernelName, backendName: 'wasm', kernelFunc: make(original?.kernelFunc) });
}

function orElse(name: string, ours: PartialKernel, original: KernelFunc | undefined): KernelFunc {
  return (args) => {
    const result = ours(args) ?? original?.(args);
    if (result) return result;
    throw new Error(`${name} on the wasm backend wants float32 tensors, NHWC, and dilation 1.`);
  };
}
