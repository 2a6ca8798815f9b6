import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { launch, launchMany } from './program.js';

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
  const length = util.sizeFromShape([...shape]);
  const total = launch(backend, {
    key: 'sum-chunks',
    inputs: { parts: partial },
    integers: { length, count },
    output: shape,
    workgroup: [COLUMNS, ROWS, 1],
    groups: spread(Math.ceil(length / COLUMNS)),
    code: `
      ${SUM_OF_ROWS}
      fn main() {
        let column = i32(workgroupId.y * ${SPREAD}u + workgroupId.x) * ${COLUMNS} + i32(localId.x);
        var own = 0.0;
        if (column < uniforms.length) {
          for (var chunk = i32(localId.y); chunk < uniforms.count; chunk += ${ROWS}) {
            own += parts[chunk * uniforms.length + column];
          }
        }
        let sum = sumOfRows(own);
        if (localId.y == 0u && column < uniforms.length) { result[column] = sum; }
      }`,
  });
  backend.disposeData(partial.dataId);
  return total;
}

/** Workgroups in a row of a dispatch that has more than one row. */
export const SPREAD = 32768;

/** So many workgroups, in rows of SPREAD. */
export function spread(groups: number): readonly [number, number, number] {
  return [Math.min(groups, SPREAD), Math.ceil(groups / SPREAD), 1];
}

/** Columns, and rows at a time, of a workgroup that sums over rows. */
export const COLUMNS = 16;
export const ROWS = 16;

/** WGSL of `sumOfRows`: the sum of a value over the threads of one column of a workgroup. Every thread must call it. */
export const SUM_OF_ROWS = `
      var<workgroup> rowSums : array<f32, ${COLUMNS * ROWS}>;

      fn sumOfRows(own : f32) -> f32 {
        workgroupBarrier();
        rowSums[localIndex] = own;
        workgroupBarrier();
        var sum = 0.0;
        for (var row = 0; row < ${ROWS}; row++) { sum += rowSums[row * ${COLUMNS} + i32(localId.x)]; }
        return sum;
      }`;

/** A pass over [rows, channels] that ends in sums over the rows. */
export interface RowPass {
  readonly channels: number;
  readonly rows: number;
  readonly chunks: Chunks;
  /** Of the program: the chunks lie along y. */
  readonly launch: {
    readonly integers: Readonly<Record<'total' | 'channels' | 'rows', number>>;
    readonly workgroup: readonly [number, number, number];
    readonly groups: readonly [number, number, number];
  };
}

/** Shares out a pass over all but the last axis. */
export function rowPass({ shape }: TensorInfo): RowPass {
  const channels = shape.at(-1) ?? 1;
  const rows = util.sizeFromShape(shape) / channels;
  const groups = Math.ceil(channels / COLUMNS);
  const chunks = chunksOf(rows, groups, 8 * ROWS);
  return {
    channels,
    rows,
    chunks,
    launch: {
      integers: { total: rows, channels, rows: chunks.rows },
      workgroup: [COLUMNS, ROWS, 1],
      groups: [groups, chunks.count, 1],
    },
  };
}

/**
 * WGSL of a row pass's main: `each` is done for every value, at `index` of `channel`, and `end` by every thread of the workgroup,
 * where `firstRow` says which of them write a channel's sums.
 */
export function overRows(before: string, each: string, end: string): string {
  return `
      ${SUM_OF_ROWS}
      fn main() {
        let channel = i32(workgroupId.x) * ${COLUMNS} + i32(localId.x);
        let chunk = i32(workgroupId.y);
        let end = min((chunk + 1) * uniforms.rows, uniforms.total);
        let within = channel < uniforms.channels;
        let firstRow = within && localId.y == 0u;
        ${before}
        if (within) {
          for (var row = chunk * uniforms.rows + i32(localId.y); row < end; row += ${ROWS}) {
            let index = row * uniforms.channels + channel;
            ${each}
          }
        }
        ${end}
      }`;
}

/** Sums over all but the last axis: a bias's gradient [channels] from that of [..., channels]. */
export function columnSums(backend: WebGPUBackend, dy: TensorInfo): TensorInfo {
  const { channels, chunks, launch: shared } = rowPass(dy);
  const partial = launch(backend, {
    ...shared,
    key: 'column-sums',
    inputs: { dy },
    output: [chunks.count, channels],
    code: overRows(
      'var own = 0.0;',
      'own += dy[index];',
      `let sum = sumOfRows(own);
       if (firstRow) { result[chunk * uniforms.channels + channel] = sum; }`,
    ),
  });
  return sumChunks(backend, partial, chunks.count, [channels]);
}

/** What passes through ReLU6 (ceiling 6), from its output y, and its sums over all but the last axis, in one pass. */
export function reluColumnSums(
  backend: WebGPUBackend,
  dy: TensorInfo,
  y: TensorInfo,
  ceiling: number,
): { readonly through: TensorInfo; readonly sums: TensorInfo } {
  const { channels, chunks, launch: shared } = rowPass(dy);
  const { through, partial } = launchMany(backend, {
    ...shared,
    key: 'relu-column-sums',
    inputs: { dy, y },
    floats: { ceiling },
    outputs: { through: dy.shape, partial: [chunks.count, channels] },
    code: overRows(
      'var own = 0.0;',
      `let g = select(0.0, dy[index], y[index] > 0.0 && y[index] < uniforms.ceiling);
       through[index] = g;
       own += g;`,
      `let sum = sumOfRows(own);
       if (firstRow) { partial[chunk * uniforms.channels + channel] = sum; }`,
    ),
  });
  return { through, sums: sumChunks(backend, partial, chunks.count, [channels]) };
}
