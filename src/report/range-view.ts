import type { RangeCurve } from '../stats/range-curve.js';
import type { Spread } from '../stats/suggestions-over-seeds.js';

export type SuggestionMethod = 'steepest' | 'valley' | 'slide' | 'minimum';

/** The four readings of a range test over its seeds; null, or nulls, where a method has no answer. */
export type RateSuggestions = Readonly<Record<SuggestionMethod, Spread | null>>;

/** What a report needs of find-lr's JSON document. */
export interface FindLrView {
  readonly curves: readonly RangeCurve[];
  readonly suggestions: RateSuggestions;
  /** Rates for the 1cycle policy's maximum and for a fixed policy; null where the curve allows none. */
  readonly recommended: { readonly learningRate: number; readonly fixedLearningRate: number } | null;
  readonly reason: string;
  /** The folder that holds all this. */
  readonly run?: string;
  /** Which loss the curves show [train], and how many steps each sweep was to have [as many as it has]. */
  readonly config?: { readonly loss?: 'train' | 'valid'; readonly steps?: number };
}

/** A method, its letter in the chart and its name in full. */
export interface SuggestionName {
  readonly key: SuggestionMethod;
  readonly letter: string;
  readonly name: string;
}

/** The methods in the order of the tables. */
export const METHODS: readonly SuggestionName[] = [
  { key: 'steepest', letter: 'S', name: 'steepest' },
  { key: 'valley', letter: 'V', name: 'valley' },
  { key: 'slide', letter: 'L', name: 'slide' },
  { key: 'minimum', letter: 'M', name: 'minimum/10' },
];

/** The methods that have an answer, with its median over the seeds. */
export function suggestedRates({ suggestions }: FindLrView): (SuggestionName & { readonly rate: number })[] {
  return METHODS.flatMap((method) => {
    const rate = suggestions[method.key]?.median ?? null;
    return rate === null ? [] : [{ ...method, rate }];
  });
}
