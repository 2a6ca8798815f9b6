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
