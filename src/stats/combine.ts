/** Two limits of an interval. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/**
 * The interval of a mean with two independent errors: the distances from the mean to the limits add as
 * squares (Zou and Donner, «Construction of confidence limits about effect measures», Statistics in
 * Medicine 27, 2008). Noise of one seed on one image is in both and so counts twice, which errs on the
 * side of «none».
 */
export function combine(mean: number, a: Bounds, b: Bounds): Bounds {
  const below = Math.hypot(Math.max(0, mean - a.low), Math.max(0, mean - b.low));
  const above = Math.hypot(Math.max(0, a.high - mean), Math.max(0, b.high - mean));
  return { low: mean - below, high: mean + above };
}
