import { type RandomStream, randomStream } from '../random.js';
import { mean, standardDeviation } from './describe.js';
import { binomialCdf, tCdf } from './distributions.js';
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

/**
 * McNemar's exact test of two classifiers on the same images (Psychometrika 12, 1947; the binomial form):
 * of the images that one alone got right, each is as likely to be either's where both are equally good.
 *
 * `onlyA` and `onlyB` count the images that A alone, B alone classified rightly. Answers the two-sided
 * p, 1 where they never disagree. It judges two runs, not two policies: no other seed is in it. Throws
 * RangeError unless both are whole numbers from 0.
 */
export function mcnemar(onlyA: number, onlyB: number): number {
  if (!Number.isInteger(onlyA) || !Number.isInteger(onlyB) || onlyA < 0 || onlyB < 0) {
    throw new RangeError(`expected two counts from 0 but received ${onlyA} and ${onlyB}`);
  }
  const tail = binomialCdf(Math.min(onlyA, onlyB), onlyA + onlyB);
  // Twice the tail counts the middle twice where both counts are equal.
  return Math.min(1, 2 * tail);
}

/**
 * `mcnemar` for balanced accuracies: of the images that one alone got right, each is as likely to be either's where both are equally
 * good in every class; what is summed are their signs, each over the images of its class. There is no table of such sums, so 9,999 of the
 * sign patterns are drawn, and the one that was seen counts with them (Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010).
 *
 * @param row of each image, 1 where A alone was right, -1 where B alone was, else 0
 * @param labels the class of each image
 * @returns the two-sided p, to within 0.005 of that of all patterns; always the same for the same images
 */
export function balancedMcnemar(row: readonly number[], labels: readonly number[]): number {
  const byClass = new Map<number, { images: number; discordant: number; sum: number }>();
  row.forEach((sign, i) => {
    const label = labels[i] ?? NaN;
    const own = byClass.get(label) ?? { images: 0, discordant: 0, sum: 0 };
    own.images++;
    own.sum += sign;
    if (sign !== 0) own.discordant++;
    byClass.set(label, own);
  });
  const classes = [...byClass.values()];
  const seen = Math.abs(classes.reduce((total, { sum, images }) => total + sum / images, 0));
  const stream = randomStream(0, 'signs');
  let asFar = 1;
  for (let pattern = 0; pattern < PATTERNS; pattern++) {
    let total = 0;
    for (const { images, discordant } of classes) total += signSum(discordant, stream) / images;
    if (Math.abs(total) >= seen - TIED) asFar++;
  }
  return asFar / (PATTERNS + 1);
}

const PATTERNS = 9999;
/** Sums that are equal on paper. */
const TIED = 1e-9;

/** The sum of so many signs drawn at random, from 32 bits a draw. */
function signSum(count: number, stream: RandomStream): number {
  let sum = 0;
  for (let left = count; left > 0; left -= 32) {
    let bits = stream.integer(2 ** 32);
    if (left < 32) bits = bits % 2 ** left;
    let ones = 0;
    for (; bits > 0; bits = Math.floor(bits / 2)) ones += bits % 2;
    sum += 2 * ones - Math.min(32, left);
  }
  return sum;
}

/**
 * Holm's adjusted p-values (Scand. J. Statist. 6, 1979), in the order given: with m comparisons, the
 * chance of even one false claim at `adjusted <= 0.05` stays below 5%, whatever their dependence. A null,
 * a comparison that was not tested, stays null and does not count. Throws RangeError outside 0 to 1.
 */
export function holm(pValues: readonly (number | null)[]): (number | null)[] {
  const tested = pValues.flatMap((pValue, index) => (pValue === null ? [] : [{ pValue, index }]));
  const wrong = tested.find(({ pValue }) => !(pValue >= 0 && pValue <= 1));
  if (wrong) throw new RangeError(`expected a p-value from 0 to 1 but received ${wrong.pValue}`);
  tested.sort((a, b) => a.pValue - b.pValue);

  const adjusted: (number | null)[] = pValues.map(() => null);
  let running = 0;
  tested.forEach(({ pValue, index }, rank) => {
    // The larger p-values may not end up below the smaller ones.
    running = Math.max(running, Math.min(1, pValue * (tested.length - rank)));
    adjusted[index] = running;
  });
  return adjusted;
}
