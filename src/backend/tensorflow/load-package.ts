import { createRequire } from 'node:module';
import util from 'node:util';
import type { KernelBackend } from '@tensorflow/tfjs-core';
import { Unavailable } from '../backend-info.js';
import type { TensorFlowPackage } from './find-package.js';

/** The native addon, as far as it is asked here. */
interface Binding {
  isUsingGpuDevice(): boolean;
  readonly TF_Version: string;
}

/** A native TensorFlow that was loaded; no backend is registered yet. */
export interface LoadedTensorFlow {
  readonly onGpu: boolean;
  /** Of libtensorflow. */
  readonly version: string;
  readonly createBackend: () => KernelBackend;
  readonly registerKernels: () => void;
}

/**
 * Loads tfjs-node's kernels on this program's own tfjs-core: the package brings the union package and with it perhaps
 * a second core, whose tensors and registries would be strangers to ours.
 * @param debug leaves TensorFlow's own log on stderr
 * @throws Unavailable where the native library does not load
 */
export function loadTensorFlow(found: TensorFlowPackage, debug: boolean): LoadedTensorFlow {
  restoreRemovedFunctions();
  // Read by the native library when it is loaded: 0 prints everything, 3 fatal errors alone.
  if (!debug) process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3';
  shareCore(found);
  try {
    const binding: Binding = found.require(found.binding);
    const kernelBackend: {
      NodeJSKernelBackend: new (binding: Binding, packageName: string) => KernelBackend;
    } = found.require('./dist/nodejs_kernel_backend');
    return {
      onGpu: binding.isUsingGpuDevice(),
      version: binding.TF_Version,
      createBackend: () => new kernelBackend.NodeJSKernelBackend(binding, found.name),
      registerKernels: () => void found.require('./dist/register_all_kernels'),
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new Unavailable(
      `${found.name} does not load: ${reason}`,
      `Reinstall it with: npm rebuild ${found.name}; the GPU package also needs CUDA 11.2 and cuDNN 8.1.`,
    );
  }
}

/** tfjs-node 4.22 uses two functions that Node 23 removed (tensorflow/tfjs issue 8609). */
function restoreRemovedFunctions(): void {
  const removed = {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  };
  for (const [name, restored] of Object.entries(removed)) {
    if (!(name in util)) Object.defineProperty(util, name, { value: restored, configurable: true });
  }
}

/** Whoever asks for the core or the union package inside tfjs-node gets our core, which has all that kernels use. */
function shareCore({ require }: TensorFlowPackage): void {
  const own = createRequire(import.meta.url).resolve('@tensorflow/tfjs-core');
  for (const name of ['@tensorflow/tfjs', '@tensorflow/tfjs-core']) {
    const path = require.resolve(name);
    const core = require.cache[own];
    if (path !== own && core !== undefined) require.cache[path] = core;
  }
}
