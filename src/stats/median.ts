/**
 * The middle of `values` in order, and the mean of the two middle ones where their number is even; NaN
 * where there are none or where one is NaN.
 */
export function median(values: readonly number[]): number {
  if (values.some((value) => Number.isNaN(value))) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  if (sorted.length % 2 === 1) return upper;
  const lower = sorted[sorted.length / 2 - 1] ?? NaN;
  // Infinity - Infinity is NaN: two infinite middles are one.
  return lower === upper ? lower : (lower + upper) / 2;
}

/** The median of positive values on a logarithmic scale: of 1 and 100 it is 10. */
export function geometricMedian(values: readonly number[]): number {
  // An odd number has a middle of its own, which exp(log) would not return to the last bit.
  return values.length % 2 === 1 ? median(values) : Math.exp(median(values.map(Math.log)));
}
