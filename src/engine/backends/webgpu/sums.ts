import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { launch } from './program.js';

/** Enough workgroups to fill a large graphics card. A constant: results must not depend on the device. */
const WANTED_GROUPS = 1024;

/** How a sum over many rows is shared out. */
interface Chunks {
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

/** Columns, and rows at a time, of a workgroup. */
const COLUMNS = 16;
const ROWS = 16;

/** Sums over all but the last axis: a bias's gradient [channels] from that of [..., channels]. */
export function columnSums(backend: WebGPUBackend, dy: TensorInfo): TensorInfo {
  const channels = dy.shape.at(-1) ?? 1;
  const rows = util.sizeFromShape(dy.shape) / channels;
  const groups = Math.ceil(channels / COLUMNS);
  const chunks = chunksOf(rows, groups, 8 * ROWS);
  const partial = launch(backend, {
    key: 'column-sums',
    inputs: { dy },
    integers: { total: rows, channels, rows: chunks.rows },
    output: [chunks.count, channels],
    workgroup: [COLUMNS, ROWS, 1],
    groups: [groups, chunks.count, 1],
    code: `
      var<workgroup> sums : array<f32, ${COLUMNS * ROWS}>;

      fn main() {
        let channel = i32(workgroupId.x) * ${COLUMNS} + i32(localId.x);
        let first = i32(workgroupId.y) * uniforms.rows;
        let end = min(first + uniforms.rows, uniforms.total);
        var own = 0.0;
        if (channel < uniforms.channels) {
          for (var row = first + i32(localId.y); row < end; row += ${ROWS}) {
            own += dy[row * uniforms.channels + channel];
          }
        }
        sums[localIndex] = own;
        workgroupBarrier();
        if (localId.y == 0u && channel < uniforms.channels) {
          var sum = 0.0;
          for (var row = 0; row < ${ROWS}; row++) { sum += sums[row * ${COLUMNS} + i32(localId.x)]; }
          result[i32(workgroupId.y) * uniforms.channels + channel] = sum;
        }
      }`,
  });
  return sumChunks(backend, partial, chunks.count, [channels]);
}
