import type { RangeCurve } from '../stats/range-curve.js';

/** A rate over the seeds of a range test. */
export interface RateSummary {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The four readings of a range test, null where a method has no answer. */
export type RateSuggestions = Readonly<Record<SuggestionMethod, RateSummary | null>>;

export type SuggestionMethod = 'steepest' | 'valley' | 'slide' | 'minimum';

/** What a report needs of find-lr's JSON document. */
export interface FindLrView {
  readonly curves: readonly RangeCurve[];
  readonly suggestions: RateSuggestions;
  /** Rates for the 1cycle policy's maximum and for a fixed policy; null where the curve allows none. */
  readonly recommended: { readonly learningRate: number; readonly fixedLearningRate: number } | null;
  readonly reason: string;
}

/** Each method's letter in the chart and its name in full. */
export const METHODS: readonly {
  readonly key: SuggestionMethod;
  readonly letter: string;
  readonly name: string;
}[] = [
  { key: 'steepest', letter: 'S', name: 'steepest' },
  { key: 'valley', letter: 'V', name: 'valley' },
  { key: 'slide', letter: 'L', name: 'slide' },
  { key: 'minimum', letter: 'M', name: 'minimum/10' },
];
