import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { UsageError } from '../errors/errors.js';
import {
  BACKENDS,
  Unavailable,
  type BackendInfo,
  type BackendName,
  type BackendRequest,
} from './backend-info.js';
import { cpuModel } from './processor.js';
import { versionsOf } from './versions.js';

export type { BackendInfo } from './backend-info.js';

/** What choosing tells about, and how loud native libraries may be. */
export interface ChoiceOptions {
  readonly debug?: boolean;
  /** Receives one line: what computes, and why nothing better does. */
  readonly note?: (line: string) => void;
}

/**
 * Starts a tfjs backend and makes it the current one. `auto` takes the first that really works: TensorFlow on a GPU, a
 * hardware WebGPU adapter, wasm, cpu.
 * @throws UsageError where the one asked for is not to be had; it says how to get it
 */
export async function startBackend(
  wanted: string,
  { debug = false, note = () => undefined }: ChoiceOptions = {},
): Promise<BackendInfo> {
  tf.enableProdMode();
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

/** Starts one backend. Throws Unavailable where it cannot work; nothing of it is left behind then. */
export async function tryBackend(name: BackendName, request: BackendRequest): Promise<BackendInfo> {
  switch (name) {
    case 'tensorflow': {
      const { startTensorFlow } = await import('./tensorflow/start.js');
      return startTensorFlow(request);
    }
    case 'webgpu': {
      const { startWebGpu } = await import('./webgpu/start.js');
      return startWebGpu(request);
    }
    case 'wasm': {
      await startWasmOrSay();
      return onProcessor('wasm', '@tensorflow/tfjs-backend-wasm');
    }
    case 'cpu':
      await import('@tensorflow/tfjs-backend-cpu');
      await tf.setBackend('cpu');
      return onProcessor('cpu', '@tensorflow/tfjs-backend-cpu');
  }
}

async function startWasmOrSay(): Promise<void> {
  try {
    const { startWasm } = await import('./wasm/start.js');
    await startWasm();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Unavailable(`it does not start: ${reason}`, 'Reinstall the program: npm ci && npm run build.');
  }
}

function onProcessor(name: 'wasm' | 'cpu', backendPackage: string): BackendInfo {
  return {
    name,
    device: cpuModel(),
    gpu: false,
    driver: null,
    limits: {},
    versions: versionsOf('@tensorflow/tfjs-core', backendPackage),
  };
}

function deviceWords({ name, device }: BackendInfo): string {
  const cores = availableParallelism();
  return name === 'wasm' ? `${cores} ${cores === 1 ? 'core' : 'cores'}` : device;
}
