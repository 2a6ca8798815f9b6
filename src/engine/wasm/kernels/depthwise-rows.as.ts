import { multiplyAdd } from './multiply-add.as';

/** Bytes of a band of rows, which is read once for every four channels and should stay in the L1 cache. */
const BAND_BYTES: i32 = 12288;

/** How many columns to take at a time where each has `pixelBytes`. */
@inline
export function bandColumns(pixelBytes: usize): i32 {
  return max(8, BAND_BYTES / 2 / <i32>pixelBytes);
}

/** How many rows to take at a time where each has `rowBytes`. */
@inline
export function bandRows(rowBytes: usize): i32 {
  return max(1, BAND_BYTES / <i32>rowBytes);
}

/** Where row `row` of an image lies; outside of it are zeros. */
@inline
export function rowOr(zeros: usize, image: usize, row: i32, height: i32, rowBytes: usize): usize {
  return row >= 0 && row < height ? image + <usize>row * rowBytes : zeros;
}

/** sum + three products with a column of the filter. */
@inline
export function addColumn(sum: v128, x0: v128, x1: v128, x2: v128, w0: v128, w1: v128, w2: v128): v128 {
  return multiplyAdd(x2, w2, multiplyAdd(x1, w1, multiplyAdd(x0, w0, sum)));
}
