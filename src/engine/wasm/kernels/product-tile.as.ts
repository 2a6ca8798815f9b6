import { finish, multiplyAdd, storeRow, TILE_COLUMNS, TILE_ROWS } from './tile.as';

/**
 * out[rows, 0..columns] = finish(a . panel + bias) for at least one row; `a` is row-major, the panel holds 8
 * columns side by side. In the last tile rows beyond the end repeat the last one: they compute and store the
 * same values again. Up to 8 columns of `out` are read, also where fewer are written.
 */
export function rowsTimesPanel(
  a: usize,
  aRowBytes: usize,
  panel: usize,
  depth: i32,
  out: usize,
  outRowBytes: usize,
  rows: i32,
  columns: i32,
  bias: usize,
  low: f32,
  high: f32,
): void {
  productTiles(a, aRowBytes, panel, depth, out, outRowBytes, rows, columns, bias, low, high, false);
}

/** The same product as a gradient that replaces the activations in `out`. */
export function rowsTimesPanelMasked(
  a: usize,
  aRowBytes: usize,
  panel: usize,
  depth: i32,
  out: usize,
  outRowBytes: usize,
  rows: i32,
  columns: i32,
  bias: usize,
  low: f32,
  high: f32,
): void {
  productTiles(a, aRowBytes, panel, depth, out, outRowBytes, rows, columns, bias, low, high, true);
}

/** Inlined into both, so that `masked` is a constant. */
@inline
function productTiles(
  a: usize,
  aRowBytes: usize,
  panel: usize,
  depth: i32,
  out: usize,
  outRowBytes: usize,
  rows: i32,
  columns: i32,
  bias: usize,
  low: f32,
  high: f32,
  masked: bool,
): void {
  const floor = f32x4.splat(low);
  const ceiling = f32x4.splat(high);
  const panelEnd = panel + <usize>depth * 32;
  let row1: usize = 1;
  let row2: usize = 2;
  let row3: usize = 3;
  for (let left = rows; left > 0; left -= TILE_ROWS) {
    if (left < TILE_ROWS) {
      row1 = <usize>min(left - 1, 1);
      row2 = <usize>min(left - 1, 2);
      row3 = <usize>min(left - 1, 3);
    }
    let a0 = a;
    let a1 = a + row1 * aRowBytes;
    let a2 = a + row2 * aRowBytes;
    let a3 = a + row3 * aRowBytes;
    // Every sum starts from the bias.
    let left0 = v128.load(bias);
    let left1 = left0;
    let left2 = left0;
    let left3 = left0;
    let right0 = v128.load(bias, 16);
    let right1 = right0;
    let right2 = right0;
    let right3 = right0;
    for (let b = panel; b < panelEnd; b += 32) {
      const bLeft = v128.load(b);
      const bRight = v128.load(b, 16);
      let value = v128.load32_splat(a0);
      left0 = multiplyAdd(value, bLeft, left0);
      right0 = multiplyAdd(value, bRight, right0);
      value = v128.load32_splat(a1);
      left1 = multiplyAdd(value, bLeft, left1);
      right1 = multiplyAdd(value, bRight, right1);
      value = v128.load32_splat(a2);
      left2 = multiplyAdd(value, bLeft, left2);
      right2 = multiplyAdd(value, bRight, right2);
      value = v128.load32_splat(a3);
      left3 = multiplyAdd(value, bLeft, left3);
      right3 = multiplyAdd(value, bRight, right3);
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
    }
    const out1 = out + row1 * outRowBytes;
    const out2 = out + row2 * outRowBytes;
    const out3 = out + row3 * outRowBytes;
    // All are finished before any is stored: a repeated row must still read the activation, not its own result.
    left0 = finish(left0, out, floor, ceiling, masked);
    right0 = finish(right0, out + 16, floor, ceiling, masked);
    left1 = finish(left1, out1, floor, ceiling, masked);
    right1 = finish(right1, out1 + 16, floor, ceiling, masked);
    left2 = finish(left2, out2, floor, ceiling, masked);
    right2 = finish(right2, out2 + 16, floor, ceiling, masked);
    left3 = finish(left3, out3, floor, ceiling, masked);
    right3 = finish(right3, out3 + 16, floor, ceiling, masked);
    storeRow(out, left0, right0, columns);
    storeRow(out1, left1, right1, columns);
    storeRow(out2, left2, right2, columns);
    storeRow(out3, left3, right3, columns);
    a += 4 * aRowBytes;
    out += 4 * outRowBytes;
  }
}

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
