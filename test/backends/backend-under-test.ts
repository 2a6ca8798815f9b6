import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { BackendInfo } from '../../src/engine/backends/backend-info.js';
import { startBackend } from '../../src/engine/backends/choose.js';

/** The backend that this process tests. */
export const BACKEND = process.env['BACKEND'] ?? 'wasm';

/** Whether it is one of TensorFlow.js; then that is what computes, and what could keep tensors. */
export const IS_TFJS = BACKEND !== 'wasm';

/** Starts it beside cpu, the reference. */
export async function startBoth(): Promise<BackendInfo> {
  await startBackend('cpu');
  return startBackend(BACKEND);
}

/** Runs work of TensorFlow.js on cpu and comes back to the backend under test; tensors do not follow. */
export async function onCpu<T>(work: () => Promise<T>): Promise<T> {
  await tf.setBackend('cpu');
  try {
    return await work();
  } finally {
    if (IS_TFJS) await tf.setBackend(BACKEND);
  }
}

/** Largest difference between two lists, in units of the reference's largest value. */
export function relativeError(values: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (values.length !== reference.length) return Infinity;
  let scale = 1e-12;
  let worst = 0;
  for (let i = 0; i < reference.length; i++) {
    const [value = NaN, expected = NaN] = [values[i], reference[i]];
    if (!Number.isFinite(value) || !Number.isFinite(expected)) return Infinity;
    scale = Math.max(scale, Math.abs(expected));
    worst = Math.max(worst, Math.abs(value - expected));
  }
  return worst / scale;
}
