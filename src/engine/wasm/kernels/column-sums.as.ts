/** Rows that are summed before they join the total: short sums lose less to rounding. */
const SUM_ROWS: i32 = 64;

/** sums[channels] += the sum of the rows of values[rows, channels]. */
export function addColumnSums(values: usize, sums: usize, rows: i32, channels: i32): void {
  const rowBytes = <usize>channels << 2;
  for (let start = 0; start < rows; start += SUM_ROWS) {
    const count = min(SUM_ROWS, rows - start);
    const first = values + <usize>start * rowBytes;
    let c = 0;
    for (; c + 8 <= channels; c += 8) sumEight(first + (<usize>c << 2), sums + (<usize>c << 2), count, rowBytes);
    for (; c < channels; c++) sumOne(first + (<usize>c << 2), sums + (<usize>c << 2), count, rowBytes);
  }
}

function sumEight(column: usize, sums: usize, rows: i32, rowBytes: usize): void {
  let left = f32x4.splat(0);
  let right = left;
  for (let row = 0; row < rows; row++) {
    left = f32x4.add(left, v128.load(column));
    right = f32x4.add(right, v128.load(column, 16));
    column += rowBytes;
  }
  v128.store(sums, f32x4.add(v128.load(sums), left));
  v128.store(sums, f32x4.add(v128.load(sums, 16), right), 16);
}

function sumOne(column: usize, sums: usize, rows: i32, rowBytes: usize): void {
  let sum: f32 = 0;
  for (let row = 0; row < rows; row++) {
    sum += load<f32>(column);
    column += rowBytes;
  }
  store<f32>(sums, load<f32>(sums) + sum);
}

/** totals[channels], in double precision, += the sum of the rows of values[rows, channels]. */
export function addColumnTotals(values: usize, totals: usize, rows: i32, channels: i32): void {
  const rowBytes = <usize>channels << 2;
  for (let start = 0; start < rows; start += SUM_ROWS) {
    const count = min(SUM_ROWS, rows - start);
    const first = values + <usize>start * rowBytes;
    let c = 0;
    for (; c + 8 <= channels; c += 8) {
      let column = first + (<usize>c << 2);
      let left = f32x4.splat(0);
      let right = left;
      for (let row = 0; row < count; row++) {
        left = f32x4.add(left, v128.load(column));
        right = f32x4.add(right, v128.load(column, 16));
        column += rowBytes;
      }
      addFour(totals, c, left);
      addFour(totals, c + 4, right);
    }
    for (; c < channels; c++) {
      let column = first + (<usize>c << 2);
      let sum: f32 = 0;
      for (let row = 0; row < count; row++) {
        sum += load<f32>(column);
        column += rowBytes;
      }
      add(totals, c, <f64>sum);
    }
  }
}

/** Rows of which moments are summed in single precision. */
const MOMENT_ROWS: i32 = 128;

/**
 * sums[2, channels], in double precision, += the sums of the columns of values[rows, channels], and of their squares.
 *
 * Single precision holds only differences from a block's first row. Its distance from the block's mean is at most sqrt(rows)
 * times the block's deviation, so a large mean takes no digits from the variance.
 */
export function addMoments(values: usize, sums: usize, rows: i32, channels: i32): void {
  const rowBytes = <usize>channels << 2;
  for (let start = 0; start < rows; start += MOMENT_ROWS) {
    const count = min(MOMENT_ROWS, rows - start);
    const first = values + <usize>start * rowBytes;
    let c = 0;
    for (; c + 8 <= channels; c += 8) {
      const column = first + (<usize>c << 2);
      const firstLeft = v128.load(column);
      const firstRight = v128.load(column, 16);
      let left = f32x4.splat(0);
      let right = left;
      let squaresLeft = left;
      let squaresRight = left;
      let at = column;
      for (let row = 1; row < count; row++) {
        at += rowBytes;
        const l = f32x4.sub(v128.load(at), firstLeft);
        const r = f32x4.sub(v128.load(at, 16), firstRight);
        left = f32x4.add(left, l);
        right = f32x4.add(right, r);
        squaresLeft = f32x4.add(squaresLeft, f32x4.mul(l, l));
        squaresRight = f32x4.add(squaresRight, f32x4.mul(r, r));
      }
      joinFour(sums, c, channels, count, firstLeft, left, squaresLeft);
      joinFour(sums, c + 4, channels, count, firstRight, right, squaresRight);
    }
    for (; c < channels; c++) {
      let at = first + (<usize>c << 2);
      const origin = load<f32>(at);
      let sum: f32 = 0;
      let squares: f32 = 0;
      for (let row = 1; row < count; row++) {
        at += rowBytes;
        const value = load<f32>(at) - origin;
        sum += value;
        squares += value * value;
      }
      join(sums, c, channels, count, origin, sum, squares);
    }
  }
}

@inline
function joinFour(sums: usize, c: i32, channels: i32, count: i32, origin: v128, sum: v128, squares: v128): void {
  join(sums, c, channels, count, f32x4.extract_lane(origin, 0), f32x4.extract_lane(sum, 0), f32x4.extract_lane(squares, 0));
  join(sums, c + 1, channels, count, f32x4.extract_lane(origin, 1), f32x4.extract_lane(sum, 1), f32x4.extract_lane(squares, 1));
  join(sums, c + 2, channels, count, f32x4.extract_lane(origin, 2), f32x4.extract_lane(sum, 2), f32x4.extract_lane(squares, 2));
  join(sums, c + 3, channels, count, f32x4.extract_lane(origin, 3), f32x4.extract_lane(sum, 3), f32x4.extract_lane(squares, 3));
}

/** From the sums of `count` differences from `origin` and of their squares to those of the values. */
@inline
function join(sums: usize, c: i32, channels: i32, count: i32, origin: f32, sum: f32, squares: f32): void {
  const shift = <f64>origin;
  const total = <f64>sum;
  add(sums, c, shift * <f64>count + total);
  add(sums, channels + c, <f64>squares + shift * (2 * total + shift * <f64>count));
}

@inline
function add(sums: usize, index: i32, value: f64): void {
  const at = sums + (<usize>index << 3);
  store<f64>(at, load<f64>(at) + value);
}

/** sums[2, channels], in double precision, += the sums of the columns of dy[rows, channels], and of dy (z - mean). */
export function addGradientSums(dy: usize, z: usize, mean: usize, sums: usize, rows: i32, channels: i32): void {
  const rowBytes = <usize>channels << 2;
  for (let start = 0; start < rows; start += SUM_ROWS) {
    const count = min(SUM_ROWS, rows - start);
    const first = <usize>start * rowBytes;
    let c = 0;
    for (; c + 8 <= channels; c += 8) {
      const offset = first + (<usize>c << 2);
      let gradient = dy + offset;
      let value = z + offset;
      const meanLeft = v128.load(mean + (<usize>c << 2));
      const meanRight = v128.load(mean + (<usize>c << 2), 16);
      let left = f32x4.splat(0);
      let right = left;
      let productsLeft = left;
      let productsRight = left;
      for (let row = 0; row < count; row++) {
        const l = v128.load(gradient);
        const r = v128.load(gradient, 16);
        left = f32x4.add(left, l);
        right = f32x4.add(right, r);
        productsLeft = f32x4.add(productsLeft, f32x4.mul(l, f32x4.sub(v128.load(value), meanLeft)));
        productsRight = f32x4.add(productsRight, f32x4.mul(r, f32x4.sub(v128.load(value, 16), meanRight)));
        gradient += rowBytes;
        value += rowBytes;
      }
      addFour(sums, c, left);
      addFour(sums, c + 4, right);
      addFour(sums, channels + c, productsLeft);
      addFour(sums, channels + c + 4, productsRight);
    }
    for (; c < channels; c++) {
      let offset = first + (<usize>c << 2);
      const center = load<f32>(mean + (<usize>c << 2));
      let sum: f32 = 0;
      let products: f32 = 0;
      for (let row = 0; row < count; row++) {
        const gradient = load<f32>(dy + offset);
        sum += gradient;
        products += gradient * (load<f32>(z + offset) - center);
        offset += rowBytes;
      }
      add(sums, c, <f64>sum);
      add(sums, channels + c, <f64>products);
    }
  }
}

@inline
function addFour(sums: usize, index: i32, values: v128): void {
  add(sums, index, <f64>f32x4.extract_lane(values, 0));
  add(sums, index + 1, <f64>f32x4.extract_lane(values, 1));
  add(sums, index + 2, <f64>f32x4.extract_lane(values, 2));
  add(sums, index + 3, <f64>f32x4.extract_lane(values, 3));
}
