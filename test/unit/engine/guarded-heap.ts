import { expect } from 'vitest';
import {
  compileKernels,
  instantiateKernels,
  type TrainingKernels,
} from '../../../src/engine/wasm/compile-kernels.js';
import { floatsAt, Heap } from '../../../src/engine/wasm/heap.js';

/** Floats on a heap. */
export interface Placed {
  readonly address: number;
  readonly values: Float32Array;
}

/** So large that it would show in any result that it finds its way into. */
const GUARD = 1e30;
const GUARDS = 16;

/** A heap on which every buffer lies between values that no kernel may change, nor see. */
export class GuardedHeap {
  private readonly guarded: Placed[] = [];

  private constructor(
    readonly heap: Heap,
    readonly kernels: TrainingKernels,
  ) {}

  /** @param kernels the build that the program would take, unless given */
  static async open(kernels = compileKernels()): Promise<GuardedHeap> {
    const heap = new Heap();
    const { module } = await kernels;
    return new GuardedHeap(heap, await instantiateKernels(module, heap.memory));
  }

  put(values: ArrayLike<number>): Placed {
    const length = values.length + 2 * GUARDS;
    const start = this.heap.allocateFloats(length);
    const whole = floatsAt(this.heap.memory, start, length).fill(GUARD);
    whole.set(values, GUARDS);
    this.guarded.push({ address: start, values: whole });
    return { address: start + GUARDS * 4, values: whole.subarray(GUARDS, length - GUARDS) };
  }

  room(floats: number): Placed {
    return this.put(new Float32Array(floats).fill(GUARD));
  }

  /** Nothing was written beside a buffer since the last time. */
  expectIntact(): void {
    for (const { values } of this.guarded.splice(0)) {
      const guards = [...values.subarray(0, GUARDS), ...values.subarray(-GUARDS)];
      expect(guards, `beside ${values.length - 2 * GUARDS} floats`).toEqual(
        Array<number>(2 * GUARDS).fill(Math.fround(GUARD)),
      );
    }
  }
}

/** Values in [from, to) that depend on nothing but their number and place (a Weyl sequence). */
export function spread(count: number, from: number, to: number, phase: number): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, i) => from + (to - from) * (((i + phase) * 0.6180339887) % 1),
  );
}

/** The largest difference in proportion to the largest value. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Infinity;
  let [scale, worst] = [1e-3, 0];
  expected.forEach((value, i) => {
    scale = Math.max(scale, Math.abs(value));
    // One NaN makes the result NaN, which is less than nothing.
    worst = Math.max(worst, Math.abs(value - (actual[i] ?? NaN)));
  });
  return worst / scale;
}
