import type { Tensor } from '@tensorflow/tfjs-core';
import { setTimeout as pause } from 'node:timers/promises';
import { RunError } from '../../errors.js';

/** A driver reports failures as events, which arrive a little after the call that failed. */
const EVENT_DELAY_MS = 100;

let failure: RunError | undefined;
const waiting = new Set<(error: RunError) => void>();

/**
 * The device died or refused work. GPU errors never throw where they arise, and what is read afterwards may be zeros:
 * from here on every reading fails with this message.
 */
export function reportDeviceFailure(message: string): void {
  failure ??= new RunError(
    `${message} The run cannot go on; its last checkpoint is kept, and train --resume goes on from there.`,
  );
  for (const reject of waiting) reject(failure);
  waiting.clear();
}

/** A new device is in use. */
export function forgetDeviceFailure(): void {
  failure = undefined;
}

/** A copy of a tensor's values. Throws RunError where the device has failed, also while waiting for it. */
export async function readValues(tensor: Tensor): Promise<Float32Array> {
  if (failure !== undefined) throw failure;
  let giveUp: (error: RunError) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (giveUp = reject));
  waiting.add(giveUp);
  try {
    const values = await Promise.race([tensor.data<'float32'>(), failed]);
    if (failure !== undefined) throw failure;
    // On wasm and cpu, data() may hand out the backend's own memory.
    return Float32Array.from(values);
  } finally {
    waiting.delete(giveUp);
  }
}

/** Runs work on the device; where it throws because the device has failed, says that instead. */
export async function onDevice<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (failure === undefined) await pause(EVENT_DELAY_MS);
    throw failure ?? exhausted(error) ?? error;
  }
}

/** TensorFlow throws what WebGPU reports: a device without enough memory. */
function exhausted(error: unknown): RunError | undefined {
  const message = error instanceof Error ? error.message : '';
  if (!/\bOOM\b|ResourceExhausted|out of memory/i.test(message)) return undefined;
  return new RunError(
    `The device has too little memory for this run (${message.split('\n')[0]?.slice(0, 200) ?? ''}). Lower --batch-size or --image-size; the last checkpoint is kept.`,
  );
}
