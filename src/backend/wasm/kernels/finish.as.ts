/**
 * What becomes of a sum before it is stored. Forward it is clamped, as ReLU6 does. Backward it is a gradient that replaces
 * the activation it belongs to: it is kept where that lay strictly between the bounds, and else 0.
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
