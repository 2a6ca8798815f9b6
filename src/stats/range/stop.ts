import { median } from '../describe.js';
import type { RangeEnd } from './curve.js';

/** What a range test measured at one step. */
export interface RangeObservation {
  readonly step: number;
  readonly smoothedLoss: number;
  readonly rawLoss: number;
}

/** What the stop rule remembers: plain JSON. `stop` is `end` while the test may go on. */
export interface RangeStopState {
  readonly stop: RangeEnd;
  /** The step at which `stop` was noticed. */
  readonly at: number | null;
  /** The lowest smoothed loss so far. */
  readonly bestSmoothed: number | null;
  /** The lowest median of `window` raw losses so far. */
  readonly bestMedian: number | null;
  /** The last raw losses, at most `window`. */
  readonly recent: readonly number[];
}

/** When to stop a range test. */
export interface RangeStopOptions {
  /** Classes that the network tells apart: one that guesses has a loss of ln(classes). */
  readonly classes: number;
  /** Diverged once the smoothed loss exceeds this multiple of its best [4]. */
  readonly stopAt?: number;
}

/** Tells when a range test has seen enough. Pure: `observe` gives the next state. */
export interface RangeStop {
  readonly initialState: RangeStopState;
  observe(state: RangeStopState, observation: RangeObservation): RangeStopState;
}

/** Raw losses that the collapse is judged by. */
const window = 9;
/** The network had learned something once a median of raw losses fell below this share of ln(classes). */
const learned = 0.85;
/** It guesses where the median has come back to ln(classes) within this share, */
const guessing = 0.05;
/** and where all but two of the window's losses lie within this share: a loss that explodes passes through. */
const settled = 0.1;
const strays = 2;

/**
 * The stop rule of a range test. `diverged`: the loss is NaN or infinite, or the smoothed loss exceeds
 * `stopAt` times its best (fastai, callback/schedule.py, LRFinder). `collapsed`: the network had learned and
 * has fallen back to ln(classes), where it stays without ever diverging. That is judged by the median of
 * the last 9 raw losses, since an average with beta 0.98 lags by 50 steps and would notice after the test.
 * ln(classes) is the loss of a guess under any label smoothing.
 */
export function rangeStop({ classes, stopAt = 4 }: RangeStopOptions): RangeStop {
  const chance = Math.log(classes);
  return {
    initialState: { stop: 'end', at: null, bestSmoothed: null, bestMedian: null, recent: [] },
    observe(state, { step, smoothedLoss, rawLoss }) {
      if (state.stop !== 'end') return state;
      if (!Number.isFinite(smoothedLoss) || !Number.isFinite(rawLoss)) {
        return { ...state, stop: 'diverged', at: step };
      }
      const bestSmoothed = Math.min(state.bestSmoothed ?? Infinity, smoothedLoss);
      const recent = [...state.recent, rawLoss].slice(-window);
      const level = recent.length < window ? Infinity : median(recent);
      const bestMedian = level < (state.bestMedian ?? Infinity) ? level : state.bestMedian;
      const next = { ...state, bestSmoothed, bestMedian, recent };

      if (smoothedLoss > stopAt * bestSmoothed) return { ...next, stop: 'diverged', at: step };
      const hadLearned = bestMedian !== null && bestMedian < learned * chance;
      if (hadLearned && level < Infinity && isGuessing(recent, level, chance)) {
        return { ...next, stop: 'collapsed', at: step };
      }
      return next;
    },
  };
}

function isGuessing(recent: readonly number[], level: number, chance: number): boolean {
  const within = (loss: number, share: number) => Math.abs(loss - chance) <= share * chance;
  return within(level, guessing) && recent.filter((loss) => !within(loss, settled)).length <= strays;
}
