import { multiplyAdd } from './multiply-add.as';
import { storeRow, TILE_COLUMNS } from './tile.as';

/**
 * out[0..rows, columns] += (4 columns of a matrix)^T . (all columns of another), over `depth` rows. The
 * sum of these rows is made first and added as one, so that long sums lose less to rounding. Here both are
 * packed, the four columns side by side and the others in panels of 8.
 */
export function outerPacked(
  a: usize,
  panels: usize,
  depth: i32,
  out: usize,
  outRowBytes: usize,
  rows: i32,
  columns: i32,
): void {
  outerTiles(a, 16, panels, 32, <usize>depth * 32, depth, out, outRowBytes, rows, columns);
}

/** The same where both are read where they lie, rows `aRowBytes` and `bRowBytes` apart. */
export function outerDirect(
  a: usize,
  aRowBytes: usize,
  b: usize,
  bRowBytes: usize,
  depth: i32,
  out: usize,
  outRowBytes: usize,
  rows: i32,
  columns: i32,
): void {
  outerTiles(a, aRowBytes, b, bRowBytes, 32, depth, out, outRowBytes, rows, columns);
}

/** Inlined into both, so that the steps are constants in the packed one. */
@inline
function outerTiles(
  a: usize,
  aStep: usize,
  panels: usize,
  bStep: usize,
  panelStep: usize,
  depth: i32,
  out: usize,
  outRowBytes: usize,
  rows: i32,
  columns: i32,
): void {
  for (let left = columns; left > 0; left -= TILE_COLUMNS) {
    let four = a;
    let b = panels;
    let left0 = f32x4.splat(0);
    let left1 = left0;
    let left2 = left0;
    let left3 = left0;
    let right0 = left0;
    let right1 = left0;
    let right2 = left0;
    let right3 = left0;
    for (let k = 0; k < depth; k++) {
      const bLeft = v128.load(b);
      const bRight = v128.load(b, 16);
      let value = v128.load32_splat(four);
      left0 = multiplyAdd(value, bLeft, left0);
      right0 = multiplyAdd(value, bRight, right0);
      value = v128.load32_splat(four, 4);
      left1 = multiplyAdd(value, bLeft, left1);
      right1 = multiplyAdd(value, bRight, right1);
      value = v128.load32_splat(four, 8);
      left2 = multiplyAdd(value, bLeft, left2);
      right2 = multiplyAdd(value, bRight, right2);
      value = v128.load32_splat(four, 12);
      left3 = multiplyAdd(value, bLeft, left3);
      right3 = multiplyAdd(value, bRight, right3);
      b += bStep;
      four += aStep;
    }
    addRow(out, left0, right0, left);
    if (rows > 1) addRow(out + outRowBytes, left1, right1, left);
    if (rows > 2) addRow(out + 2 * outRowBytes, left2, right2, left);
    if (rows > 3) addRow(out + 3 * outRowBytes, left3, right3, left);
    panels += panelStep;
    out += 32;
  }
}

@inline
function addRow(out: usize, left: v128, right: v128, columns: i32): void {
  storeRow(out, f32x4.add(v128.load(out), left), f32x4.add(v128.load(out, 16), right), columns);
}
