/**
 * The two innermost loops of every matrix product hold 4 x 8 results in registers.
 *
 * Each result is one chain of additions in the order of the summed index, so its bits do not depend on which tile, block or
 * batch it lies in. 4 x 8 takes 8 accumulators, 2 vectors of columns and 1 row value of V8's 15 registers, and divides the
 * channel counts of every MobileNet.
 */
export const TILE_ROWS: i32 = 4;
export const TILE_COLUMNS: i32 = 8;

/** Stores a row of a tile, of which `columns` belong to the matrix. */
@inline
export function storeRow(out: usize, left: v128, right: v128, columns: i32): void {
  if (columns >= TILE_COLUMNS) {
    v128.store(out, left);
    v128.store(out, right, 16);
  } else {
    storeLanes(out, left, right, columns);
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
 * A sum as it is stored. Forward it is clamped, as by ReLU6. Backward (`masked`) it is a gradient that overwrites the activation
 * it belongs to, and 0 where that did not lie strictly between the bounds.
 *
 * pmin and pmax, unlike min and max, are single instructions, and this operand order keeps a NaN.
 */
@inline
export function finish(sum: v128, out: usize, floor: v128, ceiling: v128, masked: bool): v128 {
  if (!masked) return f32x4.pmin(f32x4.pmax(sum, floor), ceiling);
  const activation = v128.load(out);
  return v128.and(sum, v128.and(f32x4.gt(activation, floor), f32x4.lt(activation, ceiling)));
}

/** The same for one number. */
@inline
export function finishOne(sum: f32, out: usize, low: f32, high: f32, masked: bool): f32 {
  if (masked) {
    const activation = load<f32>(out);
    return activation > low && activation < high ? sum : 0;
  }
  if (sum < low) return low;
  return sum > high ? high : sum;
}

/**
 * a b + sum. Where the module is built with relaxed SIMD and the processor has the instruction, the product is not rounded before
 * it is added: more exact, and on many processors up to twice as fast.
 */
@inline
export function multiplyAdd(a: v128, b: v128, sum: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, sum) : f32x4.add(sum, f32x4.mul(a, b));
}

/** x^2 less its rounded value, as `multiplyAdd` has it: 0 where it rounds the product too. */
export function roundingOfSquare(x: f32): f32 {
  const value = f32x4.splat(x);
  return f32x4.extract_lane(multiplyAdd(value, value, f32x4.splat(-(x * x))), 0);
}
