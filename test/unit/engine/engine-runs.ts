import { expect, onTestFinished } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import { fingerprint } from '../../../src/engine/params.js';
import { randomBatch } from './random-batch.js';

/** Full batches of 8, and last ones of an epoch: of one slice of 3, of two, of a single image. */
const SIZES = [8, 8, 5, 3, 1, 7];

export const RATES = { learningRate: 0.01, momentum: 0.9 };

/** An engine that is disposed with the test. */
export async function opened<E extends Engine>(opening: E | Promise<E>): Promise<E> {
  const engine = await opening;
  onTestFinished(() => engine.dispose());
  return engine;
}

/** Losses and the state's bits after each step. */
export async function trainOn(engine: Engine, sizes: readonly number[] = SIZES): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const [step, size] of sizes.entries()) {
    const { input, labels } = randomBatch(size, step);
    const rates = { learningRate: 0.001 * (step + 1), momentum: 0.9 - 0.01 * step };
    const { loss, rates: held } = await engine.step(input, labels, rates);
    expect(held).toEqual(rates);
    expect(loss).toBeGreaterThan(0);
    seen.push({ loss, state: fingerprint(await engine.snapshot()) });
  }
  // Every step did something.
  expect(new Set(seen.map((step) => JSON.stringify(step))).size).toBe(sizes.length);
  return seen;
}

/** Restoring a state of which the last values of a part do not fit fails, and leaves the engine as it was. */
export async function expectRefusedWhole(
  engine: Engine,
  trained: Engine,
  part: 'weights' | 'velocities',
): Promise<void> {
  await trainOn(trained);
  const state = await trained.snapshot();
  const cut = new Map([...state[part], ['head/bias', new Float32Array(2)]]);
  const before = fingerprint(await engine.snapshot());
  await expect(engine.restore({ ...state, [part]: cut })).rejects.toThrow(/does not fit.*head\/bias/);
  expect(fingerprint(await engine.snapshot())).toBe(before);
}

export const bits = (values: Float32Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex');
