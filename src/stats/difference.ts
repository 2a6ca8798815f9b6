import { mean, standardDeviation } from './describe.js';
import { tCdf } from './distributions.js';
import { tHalfWidth } from './intervals.js';

/** What paired runs say about the difference of two arms, in the unit of the values. */
export interface PairedDifference {
  /** The mean of a - b. */
  readonly mean: number;
  /** Standard deviation of the differences (n - 1); null for one pair. */
  readonly sd: number | null;
  /** The 95% interval of the mean; null where the pairs cannot bound it. */
  readonly low: number | null;
  readonly high: number | null;
  /** Two-sided; null for one pair. */
  readonly pValue: number | null;
  /** Of Student's t; null where that is not the method, and for one pair. */
  readonly degreesOfFreedom: number | null;
  readonly method: 'paired t' | 'sign flip';
  /** The number of pairs. */
  readonly n: number;
}

/**
 * Compares two arms whose runs are paired, `a[i]` with `b[i]`, by seed: Student's t over the differences.
 *
 * Where all differences are equal, t has nothing to divide by and would claim at any size. Runs are
 * scored in whole images, so this happens by chance and says that the measure is coarse, not that seeds
 * do not matter. Fisher's exact sign-flip test then answers (The Design of Experiments, 1935, section
 * 21): p = 1 where all are 0, else 2 / 2^n, which fewer than six pairs cannot bring below 0.05; and, as an interval
 * must agree with its test, no interval below six pairs, and the one point beyond.
 *
 * One pair has neither interval nor p. Throws RangeError for no pairs, for lists of different length and
 * for values that are not finite.
 */
export function pairedDifference(a: readonly number[], b: readonly number[]): PairedDifference {
  if (a.length !== b.length) {
    throw new RangeError(`expected as many values in both arms but received ${a.length} and ${b.length}`);
  }
  const differences = a.map((value, i) => value - (b[i] ?? NaN));
  const centre = mean(differences);
  const n = differences.length;
  const scale = [...a, ...b].reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const sd = standardDeviation(differences, scale);
  const open = { mean: centre, low: null, high: null, degreesOfFreedom: null, n };
  if (sd === null) {
    return { ...open, sd, pValue: null, method: 'paired t' };
  }
  if (sd === 0) {
    const pValue = signFlipP(centre, n);
    const bound = n < SIGN_FLIPS_REACH_5_PERCENT ? null : centre;
    return { ...open, sd, low: bound, high: bound, pValue, method: 'sign flip' };
  }
  const half = tHalfWidth(sd, n);
  const t = (Math.abs(centre) * Math.sqrt(n)) / sd;
  const pValue = 2 * tCdf(-t, n - 1);
  const interval = { low: centre - half, high: centre + half, degreesOfFreedom: n - 1 };
  return { ...open, sd, ...interval, pValue, method: 'paired t' };
}

/** Of 2^n sign patterns of n differences that all equal `mean` only two are as far from 0, unless that is 0. */
export function signFlipP(mean: number, n: number): number {
  return mean === 0 ? 1 : 2 ** (1 - n);
}

/** 2 / 2^5 = 0.0625 and 2 / 2^6 = 0.031. */
export const SIGN_FLIPS_REACH_5_PERCENT = 6;
