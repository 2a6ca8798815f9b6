import { randomStream } from '../random/streams.js';

/** The answer of a sign-flip test. */
export interface PermutationResult {
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
