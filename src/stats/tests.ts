import { binomialCdf } from './distributions.js';

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
