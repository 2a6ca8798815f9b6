import { packColumns, packFour, panelColumns } from './pack.as';
import { outerTile, rowTile, TILE_COLUMNS, TILE_ROWS } from './tile.as';

/** Rows of the left matrix that are multiplied with all panels before the next: 128 KiB stay in the L2 cache. */
export function blockRows(depth: i32): i32 {
  return max(TILE_ROWS, (32768 / depth) & -TILE_ROWS);
}

/**
 * out[rows, columns] = clamp(a[rows, depth] . B + bias, low, high), with B in packed panels and the bias
 * filled up with zeros to whole panels.
 */
export function multiplyRows(
  a: usize,
  panels: usize,
  bias: usize,
  out: usize,
  rows: i32,
  depth: i32,
  columns: i32,
  low: f32,
  high: f32,
): void {
  const aRowBytes = (<usize>depth) << 2;
  const outRowBytes = (<usize>columns) << 2;
  const panelBytes = <usize>depth * 32;
  const block = blockRows(depth);
  for (let start = 0; start < rows; start += block) {
    const end = min(start + block, rows);
    let panel = panels;
    for (let n = 0; n < columns; n += TILE_COLUMNS) {
      const at = (<usize>n) << 2;
      for (let row = start; row < end; row += TILE_ROWS) {
        const source = a + <usize>row * aRowBytes;
        const target = out + <usize>row * outRowBytes + at;
        const count = end - row;
        rowTile(
          source,
          aRowBytes,
          panel,
          depth,
          target,
          outRowBytes,
          count,
          columns - n,
          bias + at,
          low,
          high,
        );
      }
      panel += panelBytes;
    }
  }
}

/** Rows that one pass of `accumulateOuter` sums; a block of packed columns of both matrices fits in L2. */
export const OUTER_ROWS: i32 = 128;

/** Scratch that `accumulateOuter` needs, in bytes. */
export function outerScratchBytes(columns: i32): i32 {
  return OUTER_ROWS * 4 * (TILE_ROWS + panelColumns(columns));
}

/** out[width, columns] += a[rows, width]^T . b[rows, columns], summed in blocks of 128 rows in order. */
export function accumulateOuter(
  a: usize,
  b: usize,
  out: usize,
  rows: i32,
  width: i32,
  columns: i32,
  scratch: usize,
): void {
  const aRowBytes = (<usize>width) << 2;
  const outRowBytes = (<usize>columns) << 2;
  const panels = scratch + OUTER_ROWS * TILE_ROWS * 4;
  for (let start = 0; start < rows; start += OUTER_ROWS) {
    const depth = min(OUTER_ROWS, rows - start);
    packColumns(b + <usize>start * outRowBytes, panels, depth, columns);
    for (let m = 0; m < width; m += TILE_ROWS) {
      packFour(a + <usize>start * aRowBytes + ((<usize>m) << 2), aRowBytes, scratch, depth, width - m);
      const target = out + <usize>m * outRowBytes;
      let panel = panels;
      for (let n = 0; n < columns; n += TILE_COLUMNS) {
        outerTile(scratch, panel, depth, target + ((<usize>n) << 2), outRowBytes, width - m, columns - n);
        panel += <usize>depth * 32;
      }
    }
  }
}
