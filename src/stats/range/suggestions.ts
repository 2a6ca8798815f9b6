import { geometricMedian } from '../describe.js';
import type { RangeCurve } from './curve.js';
import { descentBegins } from './recommend.js';

/** What the suggestions are read from: one point per step of a range test, in order. */
interface TestLosses {
  readonly learningRates: readonly number[];
  /** Smoothed losses; what follows the first NaN or Infinity is left out. */
  readonly losses: readonly number[];
  /** Steps that the test was planned for; `trim.start` is a share of these [as many as there are points]. */
  readonly plannedSteps?: number;
  /** [the first tenth of the planned steps and the last 5 points] */
  readonly trim?: Trim;
  /** `steepest` is looked for between this rate and the lowest loss [everywhere]. */
  readonly descentFrom?: number;
}

/** What a suggestion leaves out: a share of the planned steps at the start, and points at the end. */
interface Trim {
  readonly start: number;
  readonly end: number;
}

/** Four readings of one range test; null where a method has no answer. */
interface Suggestions {
  readonly steepest: number | null;
  readonly valley: number | null;
  readonly slide: number | null;
  readonly minimum: number | null;
}

/**
 * fastai's four suggestions (fastai/callback/schedule.py: steep, valley, slide, minimum). Never throws: a
 * curve too short, flat or broken for a method gives null. They disagree by a factor of ten and more on one
 * curve; `recommend` weighs several seeds instead.
 */
export function suggest({ learningRates, losses, plannedSteps, trim, descentFrom }: TestLosses): Suggestions {
  const { start, end } = trim ?? { start: 0.1, end: 5 };
  // 0.29 x 100 is 28.999999999999996: the tolerance keeps a whole number of steps whole.
  const first = Math.floor(start * (plannedSteps ?? losses.length) + 1e-9);
  const kept = losses.slice(first, Math.max(first, losses.length - end));
  const broken = kept.findIndex((loss) => !Number.isFinite(loss));
  const curve = broken < 0 ? kept : kept.slice(0, broken);
  const rates = learningRates.slice(first, first + curve.length);
  const rateAt = (index: number | null) => (index === null ? null : (rates.at(index) ?? null));

  const lowest = rateAt(lowestIndex(curve));
  return {
    steepest: rateAt(steepestIndex(rates, curve, descentFrom)),
    valley: rateAt(valleyIndex(curve)),
    slide: rateAt(slideIndex(curve)),
    minimum: lowest === null ? null : lowest / 10,
  };
}

function lowestIndex(losses: readonly number[]): number | null {
  if (losses.length === 0 || isFlat(losses)) return null;
  return losses.indexOf(Math.min(...losses));
}

/**
 * The start of the segment with the most negative slope against the logarithm of the rate; of those between the rate
 * `from` and the lowest loss where `from` is given.
 */
function steepestIndex(rates: readonly number[], losses: readonly number[], from?: number): number | null {
  let steepest = 0;
  let index: number | null = null;
  const until = from === undefined ? losses.length - 1 : (lowestIndex(losses) ?? 0);
  for (let i = 0; i < until; i++) {
    const rise = (losses[i + 1] ?? NaN) - (losses[i] ?? NaN);
    const slope = rise / (Math.log(rates[i + 1] ?? NaN) - Math.log(rates[i] ?? NaN));
    if (slope < steepest && (rates[i] ?? NaN) >= (from ?? 0)) {
      steepest = slope;
      index = i;
    }
  }
  return index;
}

/** The point half-way along the longest strictly decreasing subsequence of the losses. */
function valleyIndex(losses: readonly number[]): number | null {
  if (losses.length < 2 || isFlat(losses)) return null;
  const lengths: number[] = [];
  losses.forEach((loss, i) => {
    let longest = 1;
    for (let j = 0; j < i; j++) {
      if (loss < (losses[j] ?? -Infinity)) longest = Math.max(longest, (lengths[j] ?? 0) + 1);
    }
    lengths.push(longest);
  });
  const length = Math.max(...lengths);
  if (length < 2) return null;
  const bottom = lengths.indexOf(length);
  // As published, the valley begins `length` points before its bottom, as if the subsequence were
  // contiguous, and that may be one point before the curve.
  const top = bottom - length;
  const third = length / 3;
  return Math.max(0, top + Math.floor(third) + Math.floor(third / 2));
}

/** The left end of the last window of 15 points over which the slope changes by more than the threshold. */
function slideIndex(losses: readonly number[]): number | null {
  const window = 15;
  const threshold = 0.005;
  if (losses.length <= window || isFlat(losses)) return null;
  const slopes = gradient(losses);
  let right = losses.length - 1;
  let left = right - window;
  let answer = left;
  while (left >= 0 && Math.abs((slopes[right] ?? NaN) - (slopes[left] ?? NaN)) > threshold) {
    answer = left;
    right--;
    left--;
  }
  return answer;
}

/** Central differences with unit spacing, one-sided at both ends. */
function gradient(values: readonly number[]): number[] {
  return values.map((_, i) => {
    const before = Math.max(0, i - 1);
    const after = Math.min(values.length - 1, i + 1);
    return ((values[after] ?? NaN) - (values[before] ?? NaN)) / (after - before);
  });
}

function isFlat(losses: readonly number[]): boolean {
  return losses.every((loss) => loss === losses[0]);
}

/** One method's answers over several seeds: the (geometric) median, the lowest and the highest. */
export interface Spread {
  readonly median: number | null;
  readonly low: number | null;
  readonly high: number | null;
  /** How many seeds gave an answer; versions before did not record it. */
  readonly seeds?: number;
}

/** Each method's answers over several seeds; all three null where a method has no answer on any seed. */
export type SuggestionSpreads = Readonly<Record<keyof Suggestions, Spread>>;

/**
 * Runs each suggestion method on each seed's smoothed losses. Seeds without an answer are left out.
 *
 * The first smoothed losses are means of a few batches, and often fall more steeply by chance than in the descent. So
 * `steepest` is looked for from where the pooled loss falls, or the seed's own where half of the seeds broke off, and is
 * null where neither shows a clear descent.
 */
export function suggestOverSeeds(
  curves: readonly RangeCurve[],
  options: Pick<TestLosses, 'plannedSteps' | 'trim'> = {},
): SuggestionSpreads {
  const pooled = descentBegins(curves);
  const answers = curves.map((curve) =>
    suggest({
      ...options,
      descentFrom: pooled ?? descentBegins([curve]) ?? Infinity,
      learningRates: curve.points.map((point) => point.learningRate),
      losses: curve.points.map((point) => point.smoothedLoss),
    }),
  );
  const spread = (method: keyof Suggestions): Spread => {
    const given = answers.map((answer) => answer[method]).filter((rate) => rate !== null);
    const seeds = given.length;
    if (seeds === 0) return { median: null, low: null, high: null, seeds };
    return { median: geometricMedian(given), low: Math.min(...given), high: Math.max(...given), seeds };
  };
  return {
    steepest: spread('steepest'),
    valley: spread('valley'),
    slide: spread('slide'),
    minimum: spread('minimum'),
  };
}
