import { packColumns, packFour, panelColumns } from './pack.as';
import { outerDirect, outerPacked, rowsTimesPanel, rowsTimesPanelMasked } from './product-tile.as';
import { TILE_COLUMNS, TILE_ROWS } from './tile.as';

/** Rows of the left matrix that are multiplied with all panels before the next rows: 128 KiB stay in the L2 cache. */
export function blockRows(depth: i32): i32 {
  return max(TILE_ROWS, (32768 / depth) & -TILE_ROWS);
}

/**
 * out[rows, columns] = finish(a[rows, depth] . B + bias), with B in packed panels and the bias filled up with
 * zeros to whole panels.
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
  masked: bool,
): void {
  const aRowBytes = <usize>depth << 2;
  const outRowBytes = <usize>columns << 2;
  const panelBytes = <usize>depth * 32;
  const block = blockRows(depth);
  for (let start = 0; start < rows; start += block) {
    const count = min(block, rows - start);
    const source = a + <usize>start * aRowBytes;
    let target = out + <usize>start * outRowBytes;
    let panel = panels;
    let offset = bias;
    for (let width = columns; width > 0; width -= TILE_COLUMNS) {
      if (masked) {
        rowsTimesPanelMasked(
          source, aRowBytes, panel, depth, target, outRowBytes, count, width, offset, low, high,
        );
      } else {
        rowsTimesPanel(
          source, aRowBytes, panel, depth, target, outRowBytes, count, width, offset, low, high,
        );
      }
      panel += panelBytes;
      target += TILE_COLUMNS * 4;
      offset += TILE_COLUMNS * 4;
    }
  }
}

/** Rows that `accumulateOuter` takes at most; packed columns of both matrices fit in L2. */
export const OUTER_ROWS: i32 = 128;

/** Matrices of up to this many columns are not packed: 128 rows of them stay in the caches as they are. */
const DIRECT_COLUMNS: i32 = 96;

/** Scratch that `accumulateOuter` needs, in bytes. */
export function outerScratchBytes(columns: i32): i32 {
  return OUTER_ROWS * 4 * (TILE_ROWS + panelColumns(columns));
}

/** out[width, columns] += a[rows, width]^T . b[rows, columns], for at most OUTER_ROWS rows. */
export function accumulateOuter(
  a: usize,
  b: usize,
  out: usize,
  rows: i32,
  width: i32,
  columns: i32,
  scratch: usize,
): void {
  const aRowBytes = <usize>width << 2;
  const bRowBytes = <usize>columns << 2;
  const packed = scratch + OUTER_ROWS * TILE_ROWS * 4;
  // Vector loads of an unpacked matrix must not reach beyond its columns.
  const direct =
    max(width, columns) <= DIRECT_COLUMNS && width % TILE_ROWS == 0 && columns % TILE_COLUMNS == 0;
  if (!direct) packColumns(b, packed, rows, columns);
  for (let m = 0; m < width; m += TILE_ROWS) {
    const source = a + (<usize>m << 2);
    const target = out + <usize>m * bRowBytes;
    if (direct) {
      outerDirect(source, aRowBytes, b, bRowBytes, rows, target, bRowBytes, width - m, columns);
    } else {
      packFour(source, aRowBytes, scratch, rows, width - m);
      outerPacked(scratch, packed, rows, target, bRowBytes, width - m, columns);
    }
  }
}
