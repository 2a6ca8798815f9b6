import { median } from './median.js';
import { summarize } from './t-interval.js';

/**
 * The steps after which a run first stood at `target` (an accuracy from 0 to 1), counted to the end of the
 * epoch whose evaluation showed it; null where it never did (the run's length then is a lower bound).
 */
export function stepsToTarget(
  epochs: readonly { readonly step: number; readonly accuracy: number }[],
  target: number,
): number | null {
  return epochs.find(({ accuracy }) => accuracy >= target)?.step ?? null;
}

/** As `stepsToTarget`, in seconds: the time of all epochs up to and with that one. */
export function secondsToTarget(
  epochs: readonly { readonly seconds: number; readonly accuracy: number }[],
  target: number,
): number | null {
  let elapsed = 0;
  for (const { seconds, accuracy } of epochs) {
    elapsed += seconds;
    if (accuracy >= target) return elapsed;
  }
  return null;
}

/** The times of one arm's runs to the target. */
export interface TimesSummary {
  /** Null, as are `sd`, `low` and `high`, where a run never reached the target. */
  readonly mean: number | null;
  readonly sd: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** Null where the run in the middle never reached the target. */
  readonly median: number | null;
  /** Runs that reached the target, of `n`. */
  readonly reached: number;
  readonly n: number;
}

/**
 * Times to a target over seeds, null standing for «never reached». The mean of those that did reach it
 * would flatter the arm that fails most often, so there is none as soon as one did not; the median stands
 * while the middle run reached it, since only order counts for it. Throws RangeError for no runs.
 */
export function summarizeTimes(times: readonly (number | null)[]): TimesSummary {
  const n = times.length;
  if (n === 0) throw new RangeError('expected the time of at least one run');
  const reached = times.filter((time) => time !== null);
  const middle = median(times.map((time) => time ?? Infinity));
  const summary =
    reached.length === n ? summarize(reached) : { mean: null, sd: null, low: null, high: null, n };
  return { ...summary, median: Number.isFinite(middle) ? middle : null, reached: reached.length };
}
