/**
 * The two innermost loops of every matrix product: 4 x 8 results held in registers.
 *
 * Each result is one chain of additions in the order of the summed index, product rounded before sum, so
 * its bits do not depend on which tile, block or batch it lies in. 4 x 8 uses 8 accumulators, 2 columns
 * and 1 row value of the 15 registers that V8 has, and divides the channel counts of every MobileNet.
 */
export const TILE_ROWS: i32 = 4;
export const TILE_COLUMNS: i32 = 8;

/**
 * out[0..rows, 0..columns] = clamp(a . panel + bias, low, high); `a` is row-major, the panel holds 8 columns
 * side by side. Rows beyond `rows` repeat the last one: they compute and store the same values again.
 */
export function rowTile(
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
  const row1 = <usize>min(rows - 1, 1);
  const row2 = <usize>min(rows - 1, 2);
  const row3 = <usize>min(rows - 1, 3);
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
  for (let k = 0; k < depth; k++) {
    const left = v128.load(panel);
    const right = v128.load(panel, 16);
    let value = v128.load32_splat(a0);
    left0 = f32x4.add(left0, f32x4.mul(value, left));
    right0 = f32x4.add(right0, f32x4.mul(value, right));
    value = v128.load32_splat(a1);
    left1 = f32x4.add(left1, f32x4.mul(value, left));
    right1 = f32x4.add(right1, f32x4.mul(value, right));
    value = v128.load32_splat(a2);
    left2 = f32x4.add(left2, f32x4.mul(value, left));
    right2 = f32x4.add(right2, f32x4.mul(value, right));
    value = v128.load32_splat(a3);
    left3 = f32x4.add(left3, f32x4.mul(value, left));
    right3 = f32x4.add(right3, f32x4.mul(value, right));
    panel += 32;
    a0 += 4;
    a1 += 4;
    a2 += 4;
    a3 += 4;
  }
  const floor = f32x4.splat(low);
  const ceiling = f32x4.splat(high);
  storeRow(out, left0, right0, columns, floor, ceiling);
  storeRow(out + row1 * outRowBytes, left1, right1, columns, floor, ceiling);
  storeRow(out + row2 * outRowBytes, left2, right2, columns, floor, ceiling);
  storeRow(out + row3 * outRowBytes, left3, right3, columns, floor, ceiling);
}

/** pmin and pmax, unlike min and max, are single instructions, and this operand order keeps a NaN. */
@inline
function storeRow(out: usize, left: v128, right: v128, columns: i32, floor: v128, ceiling: v128): void {
  const first = f32x4.pmin(f32x4.pmax(left, floor), ceiling);
  const second = f32x4.pmin(f32x4.pmax(right, floor), ceiling);
  if (columns >= TILE_COLUMNS) {
    v128.store(out, first);
    v128.store(out, second, 16);
  } else {
    storeLanes(out, first, second, columns);
  }
}

/** Stores the first `columns` (1 to 7) of eight values. */
function storeLanes(out: usize, left: v128, right: v128, columns: i32): void {
  let rest = left;
  if (columns >= 4) {
    v128.store(out, left);
    out += 16;
    rest = right;
  }
  const lanes = columns & 3;
  if (lanes > 0) store<f32>(out, f32x4.extract_lane(rest, 0));
  if (lanes > 1) store<f32>(out, f32x4.extract_lane(rest, 1), 4);
  if (lanes > 2) store<f32>(out, f32x4.extract_lane(rest, 2), 8);
}

/**
 * out[0..rows, 0..columns] += (4 packed columns of a matrix)^T . (8 packed columns of another), over `depth` rows.
 * The sum of these rows is made first and added as one, so that long sums lose less to rounding.
 */
export function outerTile(
  a: usize,
  panel: usize,
  depth: i32,
  out: usize,
  outRowBytes: usize,
  rows: i32,
  columns: i32,
): void {
  let left0 = f32x4.splat(0);
  let left1 = left0;
  let left2 = left0;
  let left3 = left0;
  let right0 = left0;
  let right1 = left0;
  let right2 = left0;
  let right3 = left0;
  for (let k = 0; k < depth; k++) {
    const left = v128.load(panel);
    const right = v128.load(panel, 16);
    let value = v128.load32_splat(a);
    left0 = f32x4.add(left0, f32x4.mul(value, left));
    right0 = f32x4.add(right0, f32x4.mul(value, right));
    value = v128.load32_splat(a, 4);
    left1 = f32x4.add(left1, f32x4.mul(value, left));
    right1 = f32x4.add(right1, f32x4.mul(value, right));
    value = v128.load32_splat(a, 8);
    left2 = f32x4.add(left2, f32x4.mul(value, left));
    right2 = f32x4.add(right2, f32x4.mul(value, right));
    value = v128.load32_splat(a, 12);
    left3 = f32x4.add(left3, f32x4.mul(value, left));
    right3 = f32x4.add(right3, f32x4.mul(value, right));
    panel += 32;
    a += 16;
  }
  addRow(out, left0, right0, columns);
  if (rows > 1) addRow(out + outRowBytes, left1, right1, columns);
  if (rows > 2) addRow(out + 2 * outRowBytes, left2, right2, columns);
  if (rows > 3) addRow(out + 3 * outRowBytes, left3, right3, columns);
}

@inline
function addRow(out: usize, left: v128, right: v128, columns: i32): void {
  if (columns >= TILE_COLUMNS) {
    v128.store(out, f32x4.add(v128.load(out), left));
    v128.store(out, f32x4.add(v128.load(out, 16), right), 16);
  } else {
    addLanes(out, left, right, columns);
  }
}

/** Adds the first `columns` (1 to 7) of eight values. */
function addLanes(out: usize, left: v128, right: v128, columns: i32): void {
  let rest = left;
  if (columns >= 4) {
    v128.store(out, f32x4.add(v128.load(out), left));
    out += 16;
    rest = right;
  }
  const lanes = columns & 3;
  if (lanes > 0) store<f32>(out, load<f32>(out) + f32x4.extract_lane(rest, 0));
  if (lanes > 1) store<f32>(out, load<f32>(out, 4) + f32x4.extract_lane(rest, 1), 4);
  if (lanes > 2) store<f32>(out, load<f32>(out, 8) + f32x4.extract_lane(rest, 2), 8);
}
