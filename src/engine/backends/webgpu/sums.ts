import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { isPacked, launch, launchMany } from './program.js';

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
  const packed = length % 4 === 0;
  const columns = packed ? length / 4 : length;
  // Of few chunks each sum has a thread of its own.
  const side: Side = count <= 8 ? { columns: 64, rows: 1 } : { columns: 16, rows: 16 };
  const total = launch(backend, {
    key: `sum-chunks-${side.columns}x${side.rows}`,
    packed,
    inputs: { parts: partial },
    integers: { length: columns, count },
    output: shape,
    workgroup: [side.columns, side.rows, 1],
    groups: spread(Math.ceil(columns / side.columns)),
    code: `
      ${sumOfRows(side)}
      fn main() {
        let column = i32(workgroupId.y * ${SPREAD}u + workgroupId.x) * ${side.columns} + i32(localId.x);
        var own = T(0.0);
        if (column < uniforms.length) {
          for (var chunk = i32(localId.y); chunk < uniforms.count; chunk += ${side.rows}) {
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
const SPREAD = 32768;

/** So many workgroups, in rows of SPREAD. */
function spread(groups: number): readonly [number, number, number] {
  return [Math.min(groups, SPREAD), Math.ceil(groups / SPREAD), 1];
}

/** Threads of a workgroup that sums over rows: columns, and rows at a time. */
interface Side {
  readonly columns: number;
  readonly rows: number;
}

/** WGSL of `sumOfRows`: the sum of a value over the threads of one column of a workgroup. Every thread must call it. */
export function sumOfRows({ columns, rows }: Side): string {
  if (rows === 1) return 'fn sumOfRows(own : T) -> T { return own; }';
  return `
      var<workgroup> rowSums : array<T, ${columns * rows}>;

      fn sumOfRows(own : T) -> T {
        workgroupBarrier();
        rowSums[localIndex] = own;
        workgroupBarrier();
        var sum = T(0.0);
        for (var row = 0; row < ${rows}; row++) { sum += rowSums[row * ${columns} + i32(localId.x)]; }
        return sum;
      }`;
}

/** A pass over [rows, channels] that ends in sums over the rows. */
export interface RowPass {
  readonly rows: number;
  readonly chunks: Chunks;
  /** Channels, or vectors of four of them. */
  readonly columns: number;
  readonly packed: boolean;
  readonly side: Side;
  /** Of a program that goes over all rows: the chunks lie along y. */
  readonly pass: RowProgram & { readonly integers: Readonly<Record<'total' | 'columns' | 'rows', number>> };
  /** Of one that goes over the sums of the chunks. */
  readonly totals: RowProgram & { readonly integers: Readonly<Record<'columns' | 'count', number>> };
}

interface RowProgram {
  readonly packed: boolean;
  readonly workgroup: readonly [number, number, number];
  readonly groups: readonly [number, number, number];
}

/** Shares out a pass over all but the last axis. */
export function rowPass(x: TensorInfo): RowPass {
  const channels = x.shape.at(-1) ?? 1;
  const rows = util.sizeFromShape(x.shape) / channels;
  const packed = isPacked(x);
  const columns = packed ? channels / 4 : channels;
  // A workgroup of 256 threads, without many of them beside the last column.
  const wide = [16, 8, 4].find((width) => columns % width === 0) ?? (columns > 32 ? 16 : 8);
  const side = { columns: wide, rows: 256 / wide };
  const groups = Math.ceil(columns / wide);
  const chunks = chunksOf(rows, groups, 8 * side.rows);
  const shared = { packed, workgroup: [side.columns, side.rows, 1] as const };
  return {
    rows,
    chunks,
    columns,
    packed,
    side,
    pass: {
      ...shared,
      integers: { total: rows, columns, rows: chunks.rows },
      groups: [groups, chunks.count, 1],
    },
    totals: { ...shared, integers: { columns, count: chunks.count }, groups: [groups, 1, 1] },
  };
}

/**
 * WGSL of a row pass's main: `each` is done for every value, at `index` of `column`, and `end` by every thread of the workgroup,
 * where `firstRow` says which of them write a column's sums.
 */
export function overRows(side: Side, [before, each, end]: readonly [string, string, string]): string {
  return `
      ${sumOfRows(side)}
      fn main() {
        let column = i32(workgroupId.x) * ${side.columns} + i32(localId.x);
        let chunk = i32(workgroupId.y);
        let end = min((chunk + 1) * uniforms.rows, uniforms.total);
        let within = column < uniforms.columns;
        let firstRow = within && localId.y == 0u;
        ${before}
        if (within) {
          for (var row = chunk * uniforms.rows + i32(localId.y); row < end; row += ${side.rows}) {
            let index = row * uniforms.columns + column;
            ${each}
          }
        }
        ${end}
      }`;
}

/** Sums over all but the last axis: a bias's gradient [channels] from that of [..., channels]. */
export function columnSums(backend: WebGPUBackend, dy: TensorInfo): TensorInfo {
  const { chunks, side, pass } = rowPass(dy);
  const channels = dy.shape.at(-1) ?? 1;
  const partial = launch(backend, {
    ...pass,
    key: `column-sums-${side.columns}`,
    inputs: { dy },
    output: [chunks.count, channels],
    code: overRows(side, [
      'var own = T(0.0);',
      'own += dy[index];',
      `let sum = sumOfRows(own);
       if (firstRow) { result[chunk * uniforms.columns + column] = sum; }`,
    ]),
  });
  return sumChunks(backend, partial, chunks.count, [channels]);
}

/** WGSL: what of the gradient at `index` passes through ReLU6, from its output y. */
export const THROUGH_RELU6 = 'select(T(0.0), dy[index], (y[index] > T(0.0)) & (y[index] < T(6.0)))';

/** What passes through ReLU6, from its output y, and the sums of that over all but the last axis, in one pass. */
export function relu6ColumnSums(
  backend: WebGPUBackend,
  dy: TensorInfo,
  y: TensorInfo,
): { readonly through: TensorInfo; readonly sums: TensorInfo } {
  const { chunks, side, pass } = rowPass(dy);
  const channels = dy.shape.at(-1) ?? 1;
  const { through, partial } = launchMany(backend, {
    ...pass,
    key: `relu6-column-sums-${side.columns}`,
    inputs: { dy, y },
    outputs: { through: dy.shape, partial: [chunks.count, channels] },
    code: overRows(side, [
      'var own = T(0.0);',
      `let g = ${THROUGH_RELU6};
       through[index] = g;
       own += g;`,
      `let sum = sumOfRows(own);
       if (firstRow) { partial[chunk * uniforms.columns + column] = sum; }`,
    ]),
  });
  return { through, sums: sumChunks(backend, partial, chunks.count, [channels]) };
}
