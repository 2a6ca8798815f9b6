import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { launch } from './program.js';
import { chunksOf, sumChunks } from './sums.js';

/** Inner positions that a workgroup holds in shared memory at a time. */
const SLAB = 16;
/** Each thread makes the sums of so many rows and of four columns. */
const ROWS_OF_THREAD = 8;
/** Workgroups that keep a large graphics card busy. A constant: results must not depend on the device. */
const WANTED_GROUPS = 512;

/** A matrix of a product. Its sides but the one that may be odd are multiples of four: it is read by vectors. */
interface Operand {
  readonly tensor: TensorInfo;
  /** Which side's values lie side by side in memory: that which is summed over, or that which stays. */
  readonly dense: 'inner' | 'outer';
}

interface Product {
  readonly a: Operand;
  readonly b: Operand;
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  /** Of the result [chunks, rows, columns]; each sums over `depth` inner positions. */
  readonly chunks: { readonly count: number; readonly rows: number };
  readonly tile: Tile;
  /** Added to each row, and whether ReLU6 comes after it. */
  readonly bias?: TensorInfo | undefined;
  readonly relu6?: boolean;
  readonly output: readonly number[];
}

/** Rows and columns of the result that a workgroup makes. */
type Tile = readonly [rows: number, columns: number];

/** Whether {@link pointwiseForward} and its gradients can do a 1 x 1 convolution: rows of four values. */
export function isPacked(inChannels: number, outChannels: number): boolean {
  return inChannels % 4 === 0 && outChannels % 4 === 0;
}

/** A 1 x 1 convolution as a product: y [rows, out] of x [rows, in] and the filter [in, out]; then bias and ReLU6, if any. */
export function pointwiseForward(
  backend: WebGPUBackend,
  { x, filter, bias }: { x: TensorInfo; filter: TensorInfo; bias?: TensorInfo | undefined },
  { rows, inChannels, outChannels }: PointwiseSizes,
  relu6: boolean,
): TensorInfo {
  return product(backend, {
    a: { tensor: x, dense: 'inner' },
    b: { tensor: filter, dense: 'outer' },
    rows,
    columns: outChannels,
    inner: inChannels,
    chunks: { count: 1, rows: inChannels },
    tile: tileOf(rows, outChannels),
    bias,
    relu6,
    output: [...x.shape.slice(0, -1), outChannels],
  });
}

/** Its input's gradient: dx [rows, in] of dy [rows, out] and the filter. */
export function pointwiseInputGradient(
  backend: WebGPUBackend,
  { dy, filter }: { dy: TensorInfo; filter: TensorInfo },
  { rows, inChannels, outChannels }: PointwiseSizes,
): TensorInfo {
  return product(backend, {
    a: { tensor: dy, dense: 'inner' },
    b: { tensor: filter, dense: 'inner' },
    rows,
    columns: inChannels,
    inner: outChannels,
    chunks: { count: 1, rows: outChannels },
    tile: tileOf(rows, inChannels),
    output: [...dy.shape.slice(0, -1), inChannels],
  });
}

/** Its filter's gradient: [1, 1, in, out] of x [rows, in] and dy [rows, out], in two passes. */
export function pointwiseFilterGradient(
  backend: WebGPUBackend,
  { x, dy }: { x: TensorInfo; dy: TensorInfo },
  { rows, inChannels, outChannels }: PointwiseSizes,
): TensorInfo {
  const [height, width] = [
    inChannels <= 16 ? 16 : 64,
    outChannels <= 32 || outChannels % 64 === 32 ? 32 : 64,
  ];
  const groups = Math.ceil(inChannels / height) * Math.ceil(outChannels / width);
  const chunks = chunksOf(rows, groups, 16 * SLAB);
  const partial = product(backend, {
    a: { tensor: x, dense: 'outer' },
    b: { tensor: dy, dense: 'outer' },
    rows: inChannels,
    columns: outChannels,
    inner: rows,
    chunks,
    tile: [height, width],
    output: [chunks.count, inChannels * outChannels],
  });
  return sumChunks(backend, partial, chunks.count, [1, 1, inChannels, outChannels]);
}

/** Of a 1 x 1 convolution; `rows` are the positions of all images. */
export interface PointwiseSizes {
  readonly rows: number;
  readonly inChannels: number;
  readonly outChannels: number;
}

/** Columns without much left over; as many rows as leave enough workgroups. */
function tileOf(rows: number, columns: number): Tile {
  let width = 64;
  if (columns <= 16) width = 16;
  else if (columns % 64 !== 0 && columns < 512) width = 32;
  const across = Math.ceil(columns / width);
  const height = [128, 64].find((tall) => Math.ceil(rows / tall) * across >= WANTED_GROUPS) ?? 32;
  return [height, width];
}

function product(backend: WebGPUBackend, made: Product): TensorInfo {
  const { a, b, rows, columns, inner, chunks, tile, bias, relu6 = false, output } = made;
  const [height, width] = tile;
  const threads = [width / 4, height / ROWS_OF_THREAD] as const;
  const end = `${bias ? '-bias' : ''}${relu6 ? '-relu6' : ''}`;
  const sums = Array.from({ length: ROWS_OF_THREAD }, (_, i) => i);
  return launch(backend, {
    key: `product-${a.dense}-${b.dense}-${height}x${width}${end}`,
    inputs: { a: a.tensor, b: b.tensor, ...(bias && { bias }) },
    packed: true,
    integers: { rows, columns, inner, depth: chunks.rows },
    output,
    workgroup: [threads[0], threads[1], 1],
    groups: [Math.ceil(rows / height), Math.ceil(columns / width), chunks.count],
    code: `
      var<workgroup> aSlab : array<T, ${(SLAB * height) / 4}>;
      var<workgroup> bSlab : array<T, ${(SLAB * width) / 4}>;

      fn main() {
        let firstRow = i32(workgroupId.x) * ${height};
        let firstColumn = i32(workgroupId.y) * ${width};
        let first = i32(workgroupId.z) * uniforms.depth;
        let end = min(first + uniforms.depth, uniforms.inner);
        let tx = i32(localId.x);
        let ty = i32(localId.y);
        ${sums.map((i) => `var sum${i} = T(0.0);`).join(' ')}
        // Barriers want a loop that is plainly the same for all threads: over uniforms alone.
        for (var slab = 0; slab < uniforms.depth; slab += ${SLAB}) {
          ${load('a', a.dense, height, threads[0] * threads[1])}
          ${load('b', b.dense, width, threads[0] * threads[1])}
          workgroupBarrier();
          for (var k = 0; k < ${SLAB}; k++) {
            let low = aSlab[k * ${height / 4} + 2 * ty];
            let high = aSlab[k * ${height / 4} + 2 * ty + 1];
            let right = bSlab[k * ${width / 4} + tx];
            ${sums.map((i) => `sum${i} = fma(vec4<f32>(${i < 4 ? 'low' : 'high'}[${i % 4}]), right, sum${i});`).join(' ')}
          }
          workgroupBarrier();
        }
        let column = firstColumn + 4 * tx;
        if (column >= uniforms.columns) { return; }
        let row = firstRow + ${ROWS_OF_THREAD} * ty;
        let base = i32(workgroupId.z) * uniforms.rows;
        ${sums
          .map(
            (i) => `
        if (row + ${i} < uniforms.rows) {
          result[((base + row + ${i}) * uniforms.columns + column) / 4] = ${finished(`sum${i}`, bias !== undefined, relu6)};
        }`,
          )
          .join('')}
      }`,
  });
}

function finished(sum: string, bias: boolean, relu6: boolean): string {
  const linear = bias ? `${sum} + bias[column / 4]` : sum;
  return relu6 ? `clamp(${linear}, T(0.0), T(6.0))` : linear;
}

/** WGSL that brings a slab of an operand into shared memory as [inner, outer]. */
function load(name: 'a' | 'b', dense: Operand['dense'], side: number, threads: number): string {
  const [first, bound] = name === 'a' ? ['firstRow', 'uniforms.rows'] : ['firstColumn', 'uniforms.columns'];
  if (dense === 'outer') {
    return `
          for (var e = i32(localIndex); e < ${(SLAB * side) / 4}; e += ${threads}) {
            let inner = first + slab + e / ${side / 4};
            let outer = ${first} + 4 * (e % ${side / 4});
            var values = T(0.0);
            if (inner < end && outer < ${bound}) { values = ${name}[(inner * ${bound} + outer) / 4]; }
            ${name}Slab[e] = values;
          }`;
  }
  // Blocks of 4 x 4 values, turned round on the way.
  const four = [0, 1, 2, 3];
  return `
          for (var e = i32(localIndex); e < ${(SLAB * side) / 16}; e += ${threads}) {
            let inner = first + slab + 4 * (e % ${SLAB / 4});
            let block = e / ${SLAB / 4};
            let outer = ${first} + 4 * block;
            let place0 = (outer * uniforms.inner + inner) / 4;
            ${four.map((i) => `var row${i} = T(0.0);`).join(' ')}
            if (inner < end) {
              ${four.map((i) => `if (outer + ${i} < ${bound}) { row${i} = ${name}[place0 + ${i} * (uniforms.inner / 4)]; }`).join(' ')}
            }
            let slot = 4 * (e % ${SLAB / 4}) * ${side / 4} + block;
            ${four.map((i) => `${name}Slab[slot + ${i * (side / 4)}] = vec4<f32>(row0[${i}], row1[${i}], row2[${i}], row3[${i}]);`).join('\n            ')}
          }`;
}
