import type { KernelBackend } from '@tensorflow/tfjs-core';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import util, { promisify } from 'node:util';
import { type BackendInfo, type BackendRequest, cpuModel, Unavailable, versionsOf } from './backend-info.js';

/**
 * Makes native TensorFlow (tfjs-node-gpu or tfjs-node) the current backend, ready to train.
 * @throws Unavailable, with nothing registered, where it is not installed, does not load, or finds no GPU and `gpuOnly`
 */
export async function startTensorFlow({ gpuOnly, debug }: BackendRequest): Promise<BackendInfo> {
  const found = findTensorFlow();
  // Loading the native library takes half a second: not where there is nothing for it to find.
  if (gpuOnly && !hasNvidiaDriver()) throw new Unavailable('no NVIDIA driver', NO_GPU);
  const { enableProdMode, findBackendFactory, ready, registerBackend, removeBackend, setBackend } =
    await import('@tensorflow/tfjs-core');
  enableProdMode();
  const loaded = loadTensorFlow(found, debug);
  if (gpuOnly && !loaded.onGpu) throw new Unavailable(`${found.name} finds no GPU that it can use`, NO_GPU);
  registerBackend('tensorflow', loaded.createBackend, 3);
  if (!(await setBackend('tensorflow'))) {
    if (findBackendFactory('tensorflow') !== null) removeBackend('tensorflow');
    throw new Unavailable(`${found.name} did not start`, `Reinstall it with: npm rebuild ${found.name}.`);
  }
  await ready();
  loaded.registerKernels();
  const card = loaded.onGpu ? await nvidiaCard() : undefined;
  return {
    name: 'tensorflow',
    device: loaded.onGpu ? (card?.name ?? 'a CUDA GPU') : `${cpuModel()} (no GPU in use)`,
    gpu: loaded.onGpu,
    driver: card === undefined ? null : `NVIDIA ${card.driver}`,
    limits: card === undefined ? {} : { memory: card.memory },
    versions: {
      ...versionsOf('@tensorflow/tfjs-core'),
      [found.name.replace('@tensorflow/', '')]: versionIn(found.require),
      libtensorflow: loaded.version,
    },
  };
}

const NO_GPU =
  'It needs an NVIDIA card, its driver, CUDA 11.2 and cuDNN 8.1; --backend tensorflow computes on the processor without.';

function versionIn(require: NodeJS.Require): string {
  const { version }: { version: string } = require('./package.json');
  return version;
}

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
 * Loads tfjs-node's kernels on this program's own tfjs-core: the package may bring a second core, which would know neither our
 * tensors nor our registry of kernels.
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

/** Makes our core answer tfjs-node's imports of the core and of the union package. */
function shareCore({ require }: TensorFlowPackage): void {
  const own = createRequire(import.meta.url).resolve('@tensorflow/tfjs-core');
  for (const name of ['@tensorflow/tfjs', '@tensorflow/tfjs-core']) {
    const path = require.resolve(name);
    const core = require.cache[own];
    if (path !== own && core !== undefined) require.cache[path] = core;
  }
}

const GPU_PACKAGE = '@tensorflow/tfjs-node-gpu';
const CPU_PACKAGE = '@tensorflow/tfjs-node';

/** An installed native TensorFlow for Node. */
export interface TensorFlowPackage {
  readonly name: typeof GPU_PACKAGE | typeof CPU_PACKAGE;
  readonly folder: string;
  /** The native addon. */
  readonly binding: string;
  /** Loads modules as that package would. */
  readonly require: NodeJS.Require;
}

const INSTALL = `Install it with: npm install ${GPU_PACKAGE} (NVIDIA card with CUDA 11.2 and cuDNN 8.1 on Linux or Windows) or npm install ${CPU_PACKAGE}; NODE_PATH may name a node_modules folder elsewhere.`;

/**
 * Looks for tfjs-node-gpu, then tfjs-node, where Node finds this program's packages, NODE_PATH included. Loads nothing.
 * @throws Unavailable where there is none, or its native addon was never fetched
 */
export function findTensorFlow(): TensorFlowPackage {
  const require = createRequire(import.meta.url);
  const broken: string[] = [];
  for (const name of [GPU_PACKAGE, CPU_PACKAGE] as const) {
    const manifest = resolved(require, `${name}/package.json`);
    if (manifest === undefined) continue;
    const inside = createRequire(manifest);
    const folder = dirname(manifest);
    const binding = bindingOf(inside, manifest);
    if (binding !== undefined && existsSync(binding)) return { name, folder, binding, require: inside };
    broken.push(name);
  }
  const [name] = broken;
  if (name === undefined) throw new Unavailable('tfjs-node-gpu is not installed', INSTALL);
  throw new Unavailable(
    `${name} is installed without its native part (tfjs_binding.node)`,
    `Fetch it with: npm rebuild ${name} (needs the host storage.googleapis.com, or TFJS_NODE_CDN_STORAGE for a mirror).`,
  );
}

/** node-pre-gyp knows which of the package's addons fits this Node. */
function bindingOf(require: NodeJS.Require, manifest: string): string | undefined {
  try {
    const { find }: { find: (manifest: string) => string } = require('@mapbox/node-pre-gyp');
    return find(manifest);
  } catch {
    return undefined;
  }
}

function resolved(require: NodeJS.Require, request: string): string | undefined {
  try {
    return require.resolve(request);
  } catch {
    return undefined;
  }
}

/** The first NVIDIA card, as its own tool describes it. */
export interface NvidiaCard {
  readonly name: string;
  readonly driver: string;
  /** Bytes. */
  readonly memory: number;
}

/** Whether there is an NVIDIA driver at all; asks nothing but the file system. */
export function hasNvidiaDriver(): boolean {
  if (process.platform === 'win32') {
    return existsSync(join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'nvcuda.dll'));
  }
  return ['/dev/nvidiactl', '/proc/driver/nvidia/version', '/dev/dxg'].some((path) => existsSync(path));
}

/** Asks nvidia-smi; undefined where it is not there or has nothing to say. */
export async function nvidiaCard(): Promise<NvidiaCard | undefined> {
  try {
    const { stdout } = await promisify(execFile)(
      'nvidia-smi',
      ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader,nounits'],
      { timeout: 5000 },
    );
    const [name = '', driver = '', mebibytes = ''] = (stdout.split('\n')[0] ?? '').split(', ');
    return name === '' ? undefined : { name, driver, memory: Number(mebibytes) * 2 ** 20 };
  } catch {
    return undefined;
  }
}
