import { geometricMedian } from './median.js';
import type { RangeCurve } from './range-curve.js';
import { suggest, type Suggestions, type SweepLosses } from './suggestions.js';

/** One method's answers over several seeds: the (geometric) median, the lowest and the highest. */
export interface Spread {
  readonly median: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Each method's answers over several seeds; all three null where a method has no answer on any seed. */
export type SuggestionSpreads = Readonly<Record<keyof Suggestions, Spread>>;

/** Runs each suggestion method on each seed's smoothed losses. Seeds without an answer are left out. */
export function suggestOverSeeds(
  curves: readonly RangeCurve[],
  options: Pick<SweepLosses, 'plannedSteps' | 'trim'> = {},
): SuggestionSpreads {
  const answers = curves.map(({ points }) =>
    suggest({
      ...options,
      learningRates: points.map((point) => point.learningRate),
      losses: points.map((point) => point.smoothedLoss),
    }),
  );
  const spread = (method: keyof Suggestions): Spread => {
    const given = answers.map((answer) => answer[method]).filter((rate) => rate !== null);
    if (given.length === 0) return { median: null, low: null, high: null };
    return { median: geometricMedian(given), low: Math.min(...given), high: Math.max(...given) };
  };
  return {
    steepest: spread('steepest'),
    valley: spread('valley'),
    slide: spread('slide'),
    minimum: spread('minimum'),
  };
}
