import { median, ROUNDING } from './describe.js';
import { pairedDifference } from './difference.js';
import { binomialCdf } from './distributions.js';
import { summarize, within } from './intervals.js';

/**
 * The steps after which a run first stood at `target` (an accuracy from 0 to 1), counted to the end of the
 * epoch whose evaluation showed it; null where it never did (the run's length then is a lower bound).
 */
export function stepsToTarget(
  epochs: readonly { readonly step: number; readonly accuracy: number }[],
  target: number,
): number | null {
  return epochs.find(({ accuracy }) => reaches(accuracy, target))?.step ?? null;
}

/** Whether an accuracy is as high as the target: a mean of equal accuracies, or of recalls, may end 1e-16 beside them. */
function reaches(accuracy: number, target: number): boolean {
  return accuracy >= target - ROUNDING;
}

/** As `stepsToTarget`, in seconds: the time of all epochs up to and with that one. */
export function secondsToTarget(
  epochs: readonly { readonly seconds: number; readonly accuracy: number }[],
  target: number,
): number | null {
  let elapsed = 0;
  for (const { seconds, accuracy } of epochs) {
    elapsed += seconds;
    if (reaches(accuracy, target)) return elapsed;
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
  /** Null where no run reached the target. */
  readonly fastest: number | null;
  /** Null where a run never reached the target. */
  readonly slowest: number | null;
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
    reached.length === n
      ? within(0, summarize(reached), Infinity)
      : { mean: null, sd: null, low: null, high: null, n };
  return {
    ...summary,
    median: Number.isFinite(middle) ? middle : null,
    fastest: reached.length === 0 ? null : Math.min(...reached),
    slowest: reached.length < n ? null : Math.max(...reached),
    reached: reached.length,
  };
}

/** The times (steps or seconds) of two runs with one seed to one target accuracy. */
export interface PairedTimes {
  /** Null where the run never reached the target. */
  readonly arm: number | null;
  readonly baseline: number | null;
  /** How long each run was, in the same unit: what a run that never arrived needed at least. */
  readonly armBudget: number;
  readonly baselineBudget: number;
}

/** How many times faster than the baseline the arm reached the target; above 1 it is faster. */
export interface SuperConvergence {
  readonly target: number;
  readonly factor: number;
  /** The 95% interval; null where the pairs bound it on neither or not on this side. */
  readonly low: number | null;
  readonly high: number | null;
  /** Whether `factor` is the estimate, or a bound because runs never reached the target. */
  readonly bound: 'none' | 'at least' | 'at most';
  readonly method: 'geometric mean, t on logarithms' | 'median, order statistics';
  /** Seeds of which the arm alone, the baseline alone or neither reached the target. */
  readonly censored: { readonly arm: number; readonly baseline: number; readonly both: number };
  /** The number of pairs. */
  readonly n: number;
  /** Why there is no interval, or what it rests on; null where nothing is to be said. */
  readonly caveat: Caveat | null;
}

/**
 * `one-seed` and `all-equal` have no spread to make an interval of; with `few-seeds`, fewer than six, order statistics
 * have none; `bounds`: runs that never reached the target count with the least time that they needed.
 */
export type Caveat = 'one-seed' | 'all-equal' | 'few-seeds' | 'bounds';

/**
 * The super-convergence factor (Smith and Topin, arXiv 1708.07120: the same accuracy in fewer steps) over
 * runs paired by seed: baseline time over arm time.
 *
 * Where every run reached the target: the geometric mean of the ratios, with Student's interval on their
 * logarithms (a ratio and its inverse then tell the same). Where some did not, nobody knows their ratio,
 * only a bound (a baseline that never arrived in b steps against an arm that took a: at least b / a), and
 * leaving such pairs out would hide the failures. Each pair then is an interval from its lowest to its
 * highest possible ratio. The median needs no more than order, so it lies between the median of the
 * lowest and that of the highest: `factor` is the median where these agree, else the lower one, «at
 * least», or the upper one, «at most», where the lower one is 0. Its interval is the sign test's (order statistics,
 * Conover, Practical Nonparametric Statistics, section 3.2), which needs six pairs for 95%.
 *
 * Answers null where the runs cannot say even a bound (for example neither arm arrived in most seeds).
 * Throws RangeError for times and budgets that are not positive.
 */
export function superConvergence(pairs: readonly PairedTimes[], target: number): SuperConvergence | null {
  if (pairs.length === 0) return null;
  for (const pair of pairs) requirePositive(pair);
  const n = pairs.length;
  const censored = {
    arm: pairs.filter((pair) => pair.arm === null && pair.baseline !== null).length,
    baseline: pairs.filter((pair) => pair.arm !== null && pair.baseline === null).length,
    both: pairs.filter((pair) => pair.arm === null && pair.baseline === null).length,
  };
  const known = pairs.flatMap(({ arm, baseline }) => (arm && baseline ? [{ arm, baseline }] : []));
  if (known.length === n) return { target, ...geometricMean(known), censored, n };
  const answer = boundedMedian(pairs);
  return answer && { target, ...answer, censored, n };
}

type Answer = Omit<SuperConvergence, 'target' | 'censored' | 'n'>;

function geometricMean(pairs: readonly { readonly arm: number; readonly baseline: number }[]): Answer {
  const logs = pairedDifference(
    pairs.map(({ baseline }) => Math.log(baseline)),
    pairs.map(({ arm }) => Math.log(arm)),
  );
  return {
    factor: Math.exp(logs.mean),
    low: logs.low === null ? null : Math.exp(logs.low),
    high: logs.high === null ? null : Math.exp(logs.high),
    bound: 'none',
    method: 'geometric mean, t on logarithms',
    caveat: logs.low !== null ? null : pairs.length === 1 ? 'one-seed' : 'all-equal',
  };
}

function boundedMedian(pairs: readonly PairedTimes[]): Answer | null {
  const ascending = (values: number[]) => values.sort((a, b) => a - b);
  const lowest = ascending(pairs.map((p) => (p.arm === null ? 0 : (p.baseline ?? p.baselineBudget) / p.arm)));
  const highest = ascending(
    pairs.map((p) => (p.baseline === null ? Infinity : p.baseline / (p.arm ?? p.armBudget))),
  );
  const [least, most] = [median(lowest), median(highest)];
  if (least === 0 && most === Infinity) return null;

  const rank = signTestRank(pairs.length);
  const low = rank === null ? 0 : (lowest[rank] ?? 0);
  const high = rank === null ? Infinity : (highest[highest.length - 1 - rank] ?? Infinity);
  const bound = least === most ? 'none' : least > 0 ? 'at least' : 'at most';
  return {
    factor: bound === 'at most' ? most : least,
    low: low === 0 ? null : low,
    high: high === Infinity ? null : high,
    bound,
    method: 'median, order statistics',
    caveat: rank === null ? 'few-seeds' : 'bounds',
  };
}

/**
 * The rank r, from 0, for which the r-th smallest and r-th largest of n values hold their median between
 * them with at least 95%; null below six values.
 */
function signTestRank(n: number): number | null {
  let rank = -1;
  while (2 * binomialCdf(rank + 1, n) <= 0.05) rank++;
  return rank < 0 ? null : rank;
}

function requirePositive({ arm, baseline, armBudget, baselineBudget }: PairedTimes): void {
  for (const time of [arm ?? armBudget, baseline ?? baselineBudget, armBudget, baselineBudget]) {
    if (!(time > 0 && time < Infinity)) throw new RangeError(`expected a time above 0 but received ${time}`);
  }
}
