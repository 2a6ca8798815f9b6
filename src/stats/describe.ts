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
const ROUNDING = 1e-12;
