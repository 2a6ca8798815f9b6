import binomialCdf from '@stdlib/stats-base-dists-binomial-cdf';
import { randomStream } from '../random.js';

/** The answer of a sign-flip test. */
interface PermutationResult {
  /** Two-sided. */
  readonly pValue: number;
  /** False where the sign patterns were sampled instead of counted. */
  readonly exact: boolean;
}

/** Up to 2^16 sign patterns are counted; beyond, as many are sampled. */
const EXACT_UP_TO = 16;
const PATTERNS = 2 ** EXACT_UP_TO;

/**
 * Fisher's sign-flip test of paired differences (The Design of Experiments, 1935, section 21): were both
 * arms alike, each difference could as well have had the other sign, so p is the share of sign patterns
 * whose sum is at least as far from 0 as the observed one.
 *
 * Exact for 1 to 16 differences. Fewer than 6 can never reach 5%: the smallest p is 2 / 2^n. Beyond 16 a
 * seeded sample of 65,536 patterns, counted with the observed one among them so that p is never 0 and
 * never too small (Phipson and Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010). Throws RangeError for no
 * differences and for differences that are not finite.
 */
export function permutationTest(differences: readonly number[], seed = 0): PermutationResult {
  const n = differences.length;
  if (n === 0 || !differences.every(Number.isFinite)) {
    throw new RangeError('expected at least one difference, all of them finite');
  }
  const magnitude = differences.reduce((sum, difference) => sum + Math.abs(difference), 0);
  const observed = Math.abs(differences.reduce((sum, difference) => sum + difference, 0));
  // Sums that are equal on paper may differ by rounding, and a tie counts against the claim.
  const threshold = observed - magnitude * 1e-12;

  if (n <= EXACT_UP_TO) {
    let extreme = 0;
    for (let pattern = 0; pattern < 2 ** n; pattern++) {
      const sum = differences.reduce((total, d, i) => total + ((pattern >> i) & 1 ? -d : d), 0);
      if (Math.abs(sum) >= threshold) extreme++;
    }
    return { pValue: extreme / 2 ** n, exact: true };
  }

  const stream = randomStream(seed, 'sign flips');
  let extreme = 0;
  for (let k = 0; k < PATTERNS; k++) {
    let sum = 0;
    for (const difference of differences) sum += stream.uniform() < 0.5 ? -difference : difference;
    if (Math.abs(sum) >= threshold) extreme++;
  }
  return { pValue: (extreme + 1) / (PATTERNS + 1), exact: false };
}

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
