import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { startBackend, type BackendInfo } from '../../src/backend/choose.js';
import { registerFusedGradients } from '../../src/backend/fused-gradient.js';

/** The backend that this process tests. */
export const BACKEND = process.env['BACKEND'] ?? 'wasm';

/** Starts it beside cpu, the reference. */
export async function startBoth(): Promise<BackendInfo> {
  await startBackend('cpu');
  registerFusedGradients();
  return startBackend(BACKEND);
}

/** Runs work on one backend and comes back to the one under test; tensors do not follow. */
export async function on<T>(backend: string, work: () => Promise<T>): Promise<T> {
  await tf.setBackend(backend);
  try {
    return await work();
  } finally {
    await tf.setBackend(BACKEND);
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
