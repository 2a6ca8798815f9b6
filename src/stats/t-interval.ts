import tQuantile from '@stdlib/stats-base-dists-t-quantile';
import { CONFIDENCE } from './confidence.js';
import { mean, standardDeviation } from './describe.js';

/** A sample in five numbers, all but `n` in the sample's unit; null where one value alone cannot tell. */
export interface Summary {
  readonly mean: number;
  readonly sd: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly n: number;
}

/**
 * Half the width of Student's 95% interval for a mean: t(0.975, n - 1) sd / sqrt(n) (Student, «The
 * Probable Error of a Mean», Biometrika 6, 1908); `n` is at least 2.
 */
export function tHalfWidth(sd: number, n: number): number {
  return (tQuantile((1 + CONFIDENCE) / 2, n - 1) * sd) / Math.sqrt(n);
}

/**
 * Mean, standard deviation (n - 1) and t-based 95% interval of the mean over, for example, the seeds of
 * one arm. Describes and claims nothing: where all values are equal the interval is that one point.
 * Throws RangeError for no values and for values that are not finite.
 */
export function summarize(values: readonly number[]): Summary {
  const n = values.length;
  const centre = mean(values);
  const sd = standardDeviation(values);
  if (sd === null) return { mean: centre, sd, low: null, high: null, n };
  const half = tHalfWidth(sd, n);
  return { mean: centre, sd, low: centre - half, high: centre + half, n };
}
