import binomialCdf from '@stdlib/stats-base-dists-binomial-cdf';

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
  const tail = binomialCdf(Math.min(onlyA, onlyB), onlyA + onlyB, 0.5);
  // Twice the tail counts the middle twice where both counts are equal.
  return Math.min(1, 2 * tail);
}
