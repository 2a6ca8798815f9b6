import type { KernelBackend } from '@tensorflow/tfjs-core';
import { Unavailable, type BackendInfo, type BackendRequest } from '../backend-info.js';
import { setLargestBuffer } from '../device-limits.js';
import { forgetDeviceFailure, reportDeviceFailure } from '../device-failure.js';
import { versionsOf } from '../versions.js';
import { findAdapter, type FoundAdapter } from './find-adapter.js';

/** Matrix products in tiles; type 1, which the backend may choose itself, adds with atomics in an order that varies. */
const PACKED_PRODUCT = 3;

/**
 * Makes the WebGPU backend (Dawn) the current one, ready to train.
 * @throws Unavailable, leaving nothing behind, where a part is missing or only software would compute and `gpuOnly`
 */
export async function startWebGpu({ gpuOnly }: BackendRequest): Promise<BackendInfo> {
  const found = await findAdapter({ gpuOnly });
  if (found.software && gpuOnly) {
    throw new Unavailable(
      `only a software adapter (${found.device})`,
      "Install the graphics card's driver, or say --backend webgpu to compute on this one all the same.",
    );
  }
  const device = await requestDevice(found);
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  const unwatch = watch(device);
  try {
    await useDevice(found, device);
  } catch (error) {
    unwatch();
    await unregister();
    device.destroy();
    if (before === undefined) Reflect.deleteProperty(globalThis, 'navigator');
    else Object.defineProperty(globalThis, 'navigator', before);
    throw error instanceof Unavailable
      ? error
      : new Unavailable(`the device failed: ${String(error)}`, UPDATE);
  }
  const largestBuffer = Math.min(device.limits.maxBufferSize, device.limits.maxStorageBufferBindingSize);
  setLargestBuffer(largestBuffer);
  return {
    name: 'webgpu',
    device: found.software ? `${found.device} (software, on the processor)` : found.device,
    gpu: !found.software,
    driver: found.driver,
    limits: {
      largestBuffer,
      workgroupMemory: device.limits.maxComputeWorkgroupStorageSize,
    },
    versions: versionsOf('@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgpu', 'webgpu'),
  };
}

const UPDATE = "Update the graphics card's driver, or use another backend.";

async function requestDevice({ adapter }: FoundAdapter): Promise<GPUDevice> {
  const { limits } = adapter;
  try {
    return await adapter.requestDevice({
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      },
    });
  } catch (error) {
    throw new Unavailable(`the adapter gives no device: ${String(error)}`, UPDATE);
  }
}

async function useDevice({ gpu, globals, adapter }: FoundAdapter, device: GPUDevice): Promise<void> {
  Object.assign(globalThis, globals);
  // The backend asks the browser's navigator whether there is WebGPU; Node has none, or one without it.
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu, userAgent: 'node' },
    configurable: true,
    writable: true,
  });
  // tfjs takes a while to load: not where there is no adapter.
  const { enableProdMode, env, ready, registerBackend, setBackend } = await import('@tensorflow/tfjs-core');
  const { WebGPUBackend } = await import('@tensorflow/tfjs-backend-webgpu');
  enableProdMode();
  await unregister();
  registerBackend('webgpu', (): KernelBackend => new WebGPUBackend(device, adapter.info), 3);
  env().set('WEBGPU_MATMUL_PROGRAM_TYPE', PACKED_PRODUCT);
  if (!(await setBackend('webgpu'))) throw new Error('TensorFlow.js refused it');
  await ready();
  const { registerTrainingKernels } = await import('./register.js');
  registerTrainingKernels();
}

async function unregister(): Promise<void> {
  const { findBackendFactory, removeBackend } = await import('@tensorflow/tfjs-core');
  if (findBackendFactory('webgpu') !== null) removeBackend('webgpu');
}

/**
 * Errors of a GPU never throw: they arrive as events, and what is computed afterwards is zeros.
 * @returns stops watching a device that is not used after all
 */
function watch(device: GPUDevice): () => void {
  forgetDeviceFailure();
  let used = true;
  device.addEventListener('uncapturederror', (event) => {
    event.preventDefault();
    if (!used) return;
    const { error } = event;
    const memory = /memory|allocat/i.test(error.message);
    reportDeviceFailure(
      memory
        ? `The graphics card has too little memory for this run (${oneLine(error.message)}). Lower --batch-size or --image-size.`
        : `The graphics card reports an error: ${oneLine(error.message)}`,
    );
  });
  void device.lost.then(({ message, reason }) => {
    if (used) reportDeviceFailure(`The graphics card was lost (${oneLine(message) || reason}).`);
  });
  return () => {
    used = false;
    forgetDeviceFailure();
  };
}

function oneLine(message: string): string {
  return message.split('\n')[0]?.slice(0, 200) ?? '';
}
