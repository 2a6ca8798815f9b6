import { availableParallelism } from 'node:os';
import { messageOf, UsageError } from '../../errors.js';
import { limitReached } from '../../system.js';
import { compileKernels, instantiateKernels } from '../wasm/compile-kernels.js';
import { Heap } from '../wasm/heap.js';
import {
  type Arithmetic,
  type BackendInfo,
  type BackendName,
  type BackendRequest,
  BACKENDS,
  cpuModel,
  Unavailable,
  versionsOf,
} from './backend-info.js';
import { setCurrentBackend } from './current.js';

export interface ChoiceOptions {
  readonly debug?: boolean;
  /** Receives one line: what computes, and why nothing better does. */
  readonly note?: (line: string) => void;
}

/**
 * Starts a backend and makes it the current one. `auto` takes the first that really works: TensorFlow on a GPU, a
 * hardware WebGPU adapter, wasm, cpu.
 * @throws UsageError where the one asked for is not to be had; it says how to get it
 */
export async function startBackend(
  wanted: string,
  { debug = false, note = () => undefined }: ChoiceOptions = {},
): Promise<BackendInfo> {
  if (wanted === 'auto') return firstThatWorks(debug, note);
  const name = BACKENDS.find((known) => known === wanted);
  if (name === undefined) {
    throw new UsageError(
      `Expected auto, ${BACKENDS.join(', ')} for --backend but received ${wanted}. Leave it out to take the best.`,
    );
  }
  try {
    const info = await tryBackend(name, { gpuOnly: false, debug });
    if (!info.gpu && name !== 'wasm' && name !== 'cpu') note(`Computing on ${name}: ${info.device}.`);
    return info;
  } catch (error) {
    if (error instanceof Unavailable)
      throw new UsageError(`--backend ${name}: ${error.why}. ${error.remedy}`);
    throw error;
  }
}

async function firstThatWorks(debug: boolean, note: (line: string) => void): Promise<BackendInfo> {
  const passed: string[] = [];
  for (const name of BACKENDS) {
    try {
      const info = await tryBackend(name, { gpuOnly: name === 'tensorflow' || name === 'webgpu', debug });
      const why = passed.length === 0 ? '' : ` (${passed.join('; ')})`;
      note(`Computing on ${name}, ${deviceWords(info)}${why}.`);
      return info;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      passed.push(`${name}: ${error.why}`);
    }
  }
  throw new UsageError(`No backend works here: ${passed.join('; ')}.`);
}

/** Starts one backend and makes it the current one. Throws Unavailable where it cannot work; nothing of it is left behind then. */
export async function tryBackend(name: BackendName, request: BackendRequest): Promise<BackendInfo> {
  const info = await start(name, request);
  setCurrentBackend(name);
  return info;
}

async function start(name: BackendName, request: BackendRequest): Promise<BackendInfo> {
  // Each is imported where it is tried alone: tfjs takes a while to load, and wasm does without it.
  switch (name) {
    case 'tensorflow': {
      const { startTensorFlow } = await import('./tensorflow.js');
      return startTensorFlow(request);
    }
    case 'webgpu': {
      const { startWebGpu } = await import('./webgpu/start.js');
      return startWebGpu(request);
    }
    case 'wasm':
      return { ...onProcessor('wasm'), arithmetic: await compileOrSay() };
    case 'cpu': {
      const { enableProdMode, setBackend } = await import('@tensorflow/tfjs-core');
      await import('@tensorflow/tfjs-backend-cpu');
      enableProdMode();
      await setBackend('cpu');
      return onProcessor('cpu', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu');
    }
  }
}

async function compileOrSay(): Promise<Arithmetic> {
  let heap: Heap | undefined;
  try {
    heap = new Heap();
    const { module, arithmetic } = await compileKernels();
    await instantiateKernels(module, heap.memory);
    return arithmetic;
  } catch (error) {
    const limit = limitReached(error);
    if (error instanceof UsageError || limit !== undefined) throw limit ?? error;
    const reason = messageOf(error);
    throw new Unavailable(`it does not start: ${reason}`, 'Reinstall the program: npm ci && npm run build.');
  } finally {
    heap?.close();
  }
}

function onProcessor(name: 'wasm' | 'cpu', ...packages: readonly string[]): BackendInfo {
  return {
    name,
    device: cpuModel(),
    gpu: false,
    driver: null,
    limits: {},
    versions: versionsOf(...packages),
  };
}

function deviceWords({ name, device }: BackendInfo): string {
  const cores = availableParallelism();
  return name === 'wasm' ? `${cores} ${cores === 1 ? 'core' : 'cores'}` : device;
}
