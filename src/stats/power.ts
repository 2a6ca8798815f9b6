import normalCdf from '@stdlib/stats-base-dists-normal-cdf';
import tQuantile from '@stdlib/stats-base-dists-t-quantile';

/**
 * The chance that a two-sided paired t-test at 5% over `n` seeds sees a true difference `delta` where
 * differences between seeds have standard deviation `sd` (both in one unit).
 *
 * Exact up to quadrature: given the sample's deviation s (in units of sd, so that s^2 (n - 1) is
 * chi-squared), the test rejects with a normal probability; this is integrated over the density of s.
 * Throws RangeError for fewer than two seeds and for an sd that is not positive.
 */
export function pairedPower(delta: number, sd: number, n: number): number {
  if (!Number.isInteger(n) || n < 2) throw new RangeError(`expected at least 2 seeds but received ${n}`);
  if (!(sd > 0)) throw new RangeError(`expected a standard deviation above 0 but received ${sd}`);
  const df = n - 1;
  const shift = (Math.abs(delta) / sd) * Math.sqrt(n);
  const critical = tQuantile(0.975, df);

  // The density of s is s^(df - 1) exp(-df s^2 / 2) up to a constant, peaked near 1 with deviation about
  // 1 / sqrt(2 df). It is divided by its own integral instead of a gamma function, and by its value at 1
  // so that nothing overflows. The midpoint rule never meets s = 0.
  const reach = 12 / Math.sqrt(2 * df);
  const from = Math.max(0, 1 - reach);
  const width = (1 + reach - from) / CELLS;
  let rejected = 0;
  let total = 0;
  for (let cell = 0; cell < CELLS; cell++) {
    const s = from + (cell + 0.5) * width;
    const density = Math.exp((df - 1) * Math.log(s) - (df * (s * s - 1)) / 2);
    const above = normalCdf(shift - critical * s, 0, 1);
    const below = normalCdf(-shift - critical * s, 0, 1);
    rejected += density * (above + below);
    total += density;
  }
  return rejected / total;
}

/** Enough for six digits at every n. */
const CELLS = 2000;

/**
 * How many seeds a paired t-test at 5% needs to see a true difference `delta` with probability `power`
 * [0.8], where differences between seeds have standard deviation `sd`; null where that is beyond 10,000
 * or `delta` is 0. Throws RangeError for an sd that is not positive and a power outside 0.05 to 1.
 */
export function seedsNeeded(delta: number, sd: number, power = 0.8): number | null {
  if (!(power > 0.05 && power < 1))
    throw new RangeError(`expected a power in 0.05 to 1 but received ${power}`);
  if (pairedPower(delta, sd, MOST_SEEDS) < power) return null;
  let enough = MOST_SEEDS;
  let tooFew = 1;
  while (enough - tooFew > 1) {
    const middle = Math.floor((enough + tooFew) / 2);
    if (pairedPower(delta, sd, middle) >= power) enough = middle;
    else tooFew = middle;
  }
  return enough;
}

const MOST_SEEDS = 10_000;
