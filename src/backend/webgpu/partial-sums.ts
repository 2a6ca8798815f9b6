import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { launch } from './program.js';

/** Enough workgroups to fill a large graphics card. A constant: results must not depend on the device. */
const WANTED_GROUPS = 1024;

/** How a sum over many rows is shared out. */
export interface Chunks {
  readonly count: number;
  /** Rows of each chunk but perhaps the last. */
  readonly rows: number;
}

/**
 * Shares out a sum over `rows` among workgroups: the partial sums are added in a second pass, always in the same
 * order, which atomic additions would not be.
 * @param groups workgroups that each chunk takes
 * @param fewest rows that are worth a workgroup
 */
export function chunksOf(rows: number, groups: number, fewest: number): Chunks {
  const wanted = Math.min(Math.ceil(rows / fewest), Math.ceil(WANTED_GROUPS / groups));
  const each = Math.ceil(rows / Math.max(1, wanted));
  return { count: Math.ceil(rows / each), rows: each };
}

/** The second pass: adds partial sums [chunks, n] up to a tensor of the given shape and frees them. */
export function sumChunks(
  backend: WebGPUBackend,
  partial: TensorInfo,
  count: number,
  shape: readonly number[],
): TensorInfo {
  if (count === 1) return { ...partial, shape: [...shape] };
  const total = launch(backend, {
    key: 'sum-chunks',
    inputs: { parts: { ...partial, shape: [util.sizeFromShape(partial.shape)] } },
    integers: { length: util.sizeFromShape([...shape]), count },
    output: [util.sizeFromShape([...shape])],
    workgroup: [64, 1, 1],
    code: `
      fn main(index : i32) {
        if (index >= uniforms.size) { return; }
        var sum = 0.0;
        for (var chunk = 0; chunk < uniforms.count; chunk++) {
          sum += parts[chunk * uniforms.length + index];
        }
        result[index] = sum;
      }`,
  });
  backend.disposeData(partial.dataId);
  return { ...total, shape: [...shape] };
}
