import type { KernelBackend } from '@tensorflow/tfjs-core';
import type * as Dawn from 'webgpu';
import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../errors.js';
import { type BackendInfo, type BackendRequest, Unavailable, versionsOf } from '../backend-info.js';
import { setLargestBuffer } from '../current.js';
import { forgetDeviceFailure, reportDeviceFailure } from '../device-failure.js';

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
  const { backend, enableProdMode, env, ready, registerBackend, setBackend } =
    await import('@tensorflow/tfjs-core');
  const { WebGPUBackend } = await import('@tensorflow/tfjs-backend-webgpu');
  enableProdMode();
  await unregister();
  registerBackend('webgpu', (): KernelBackend => new WebGPUBackend(device, adapter.info), 3);
  env().set('WEBGPU_MATMUL_PROGRAM_TYPE', PACKED_PRODUCT);
  if (!(await setBackend('webgpu'))) throw new Error('TensorFlow.js refused it');
  await ready();
  const { registerTrainingKernels } = await import('./register.js');
  const started = backend();
  if (!(started instanceof WebGPUBackend)) throw new Error('TensorFlow.js took another backend');
  registerTrainingKernels(started);
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

/** A graphics adapter that answered, and what it is. */
export interface FoundAdapter {
  readonly adapter: GPUAdapter;
  readonly gpu: GPU;
  /** Constants and classes that the WebGPU backend expects to find as globals. */
  readonly globals: object;
  /** As its driver calls it. */
  readonly device: string;
  readonly driver: string | null;
  /** Whether the processor does the work of a graphics card. */
  readonly software: boolean;
}

const SOFTWARE = /swiftshader|software|llvmpipe|lavapipe|basic render/i;

const INSTALL = {
  package:
    'Install it with: npm install webgpu (it is an optional dependency with binaries for common systems).',
  driver: {
    linux:
      'Install the graphics driver and the Vulkan loader (Debian: apt-get install libvulkan1 mesa-vulkan-drivers; NVIDIA cards: its own driver); vulkaninfo --summary shows what Vulkan sees.',
    other: "Update the graphics card's driver.",
  },
};

/**
 * Asks Dawn for the best adapter; takes 1 to 50 ms beside loading the library.
 * @throws Unavailable where the package, the Vulkan loader or an adapter is missing
 */
export async function findAdapter({ gpuOnly }: { readonly gpuOnly: boolean }): Promise<FoundAdapter> {
  if (process.platform === 'linux') {
    if (gpuOnly && !hasGraphicsDevice()) throw new Unavailable('no graphics card', INSTALL.driver.linux);
    requireVulkanLoader();
  }
  const { create, globals } = await loadDawn();
  const gpu = create([`backend=${dawnBackend()}`]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) {
    throw new Unavailable(
      'no graphics adapter answered',
      process.platform === 'linux' ? INSTALL.driver.linux : INSTALL.driver.other,
    );
  }
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const words = [vendor, architecture, device, description];
  return {
    adapter,
    gpu,
    globals,
    device: (/^(0x|$)/.test(device) ? description || vendor : device).replace(/-+$/, ''),
    driver: description === '' ? null : description,
    software: isFallbackAdapter === true || SOFTWARE.test(words.join(' ')),
  };
}

/** Whether the kernel knows a card: asked before the drivers in software, which take their time and print warnings. */
function hasGraphicsDevice(): boolean {
  const names = ['/dev', '/dev/dri'].flatMap((folder) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  });
  return names.some((name) => /^(renderD\d+|nvidia\d+|dxg|mali\d+)$/.test(name));
}

/** Asked before Dawn, which would print a warning of its own on stderr. */
function requireVulkanLoader(): void {
  const loader = 'libvulkan.so.1';
  try {
    process.dlopen({ exports: {} }, loader, constants.dlopen.RTLD_LAZY);
  } catch (error) {
    // A library that is no addon was loaded if this is all there is to complain of.
    const loaded = error instanceof Error && error.message.includes('did not self-register');
    if (!loaded) throw new Unavailable(`no Vulkan loader (${loader})`, INSTALL.driver.linux);
  }
  if (!hasVulkanDriver()) throw new Unavailable('no Vulkan driver', INSTALL.driver.linux);
}

/** Vulkan's drivers are announced by JSON files in these folders and in those that the environment names. */
function hasVulkanDriver(): boolean {
  const { VK_ICD_FILENAMES, VK_DRIVER_FILES, VK_ADD_DRIVER_FILES, XDG_DATA_DIRS, XDG_DATA_HOME, HOME } =
    process.env;
  if (
    [VK_ICD_FILENAMES, VK_DRIVER_FILES, VK_ADD_DRIVER_FILES].some(
      (files) => files !== undefined && files !== '',
    )
  ) {
    return true;
  }
  const roots = [
    '/etc',
    '/etc/xdg',
    '/usr/local/etc',
    XDG_DATA_HOME ?? `${HOME ?? ''}/.local/share`,
    ...(XDG_DATA_DIRS ?? '/usr/local/share:/usr/share').split(':'),
  ];
  return roots.some((root) => {
    try {
      return readdirSync(join(root, 'vulkan/icd.d')).some((file) => file.endsWith('.json'));
    } catch {
      return false;
    }
  });
}

async function loadDawn(): Promise<typeof Dawn> {
  try {
    return await import('webgpu');
  } catch (error) {
    const missing = error instanceof Error && /ERR_MODULE_NOT_FOUND/.test(`${codeOf(error)}`);
    const why = missing
      ? 'the package webgpu is not installed'
      : `the package webgpu does not load: ${firstLine(error)}`;
    throw new Unavailable(why, INSTALL.package);
  }
}

function dawnBackend(): string {
  if (process.platform === 'darwin') return 'metal';
  return process.platform === 'win32' ? 'd3d12' : 'vulkan';
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}
