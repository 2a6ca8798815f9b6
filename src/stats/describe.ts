/** The arithmetic mean of `values`; throws RangeError where there are none or where one is not finite. */
export function mean(values: ArrayLike<number>): number {
  if (values.length === 0) throw new RangeError('the mean of no values is undefined');
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    if (!Number.isFinite(value)) throw new RangeError(`expected finite values but number ${i} is ${value}`);
    sum += value;
  }
  return sum / values.length;
}

/**
 * The sample's standard deviation (divisor n - 1), in the unit of `values`, and null for a single value,
 * which says nothing about spread; throws RangeError as `mean` does.
 *
 * Exactly 0 where the values differ by rounding alone: 0.3 - 0.2 and 0.2 - 0.1 are not equal in
 * binary, and a t statistic over a spread of 1e-17 would claim anything. `scale` is the magnitude of the
 * numbers that the values were computed from [the largest of the values].
 */
export function standardDeviation(values: ArrayLike<number>, scale?: number): number | null {
  const centre = mean(values);
  if (values.length === 1) return null;
  let squares = 0;
  let largest = scale ?? 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? NaN;
    squares += (value - centre) ** 2;
    largest = Math.max(largest, Math.abs(value));
  }
  const deviation = Math.sqrt(squares / (values.length - 1));
  return deviation <= largest * ROUNDING ? 0 : deviation;
}

/** Far above binary rounding of a few operations (2e-16), far below one image of a million (1e-6). */
export const ROUNDING = 1e-12;

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

/** How often an interval shall hold the true value, in every interval that the project prints. */
export const CONFIDENCE = 0.95;
