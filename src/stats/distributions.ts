import { createRequire } from 'node:module';

/** What is used of the package, which declares no types for its own exports. */
interface Cephes {
  /** The regularised incomplete beta function of a, b and x. */
  incbet(a: number, b: number, x: number): number;
  /** The logarithm of the beta function. */
  lbeta(a: number, b: number): number;
  ndtr(z: number): number;
  ndtri(p: number): number;
}

/**
 * Moshier's Cephes, compiled to WebAssembly, which throws RangeError outside of a function's domain. Loaded by
 * require, since the package's other build has to be waited for, 40 ms longer.
 */
const require = createRequire(import.meta.url);
const { incbet, lbeta, ndtr, ndtri } = require('cephes') as Cephes;

/** The chance that a standard normal value is at most `z`; 0 where that is below 1e-160. */
export const normalCdf: (z: number) => number = ndtr;

/** The standard normal value that is not exceeded with chance `p`; throws RangeError unless 0 < p < 1. */
export const normalQuantile: (p: number) => number = ndtri;

/** The chance of at most `k` successes in `n` trials (whole numbers) that each succeed with chance 1/2. */
export function binomialCdf(k: number, n: number): number {
  if (k < 0) return 0;
  return k >= n ? 1 : incbet(n - k, k + 1, 0.5);
}

/** The chance that Student's t with `df` degrees of freedom (above 0, any fraction) is at most `t`. */
export function tCdf(t: number, df: number): number {
  requireDegrees(df);
  const beyond = t * t < 1 ? 0.5 - between(t, df) : tail(t, df);
  return t < 0 ? beyond : 1 - beyond;
}

/**
 * The value that Student's t with `df` degrees of freedom does not exceed with chance `p`. Newton's steps on the
 * logarithms of t and of its chance, where the curve is concave, so that they arrive from any start. Throws
 * RangeError unless 0 < p < 1 and df > 0.
 */
export function tQuantile(p: number, df: number): number {
  requireDegrees(df);
  if (!(p > 0 && p < 1)) throw new RangeError(`expected a chance between 0 and 1 but received ${p}`);
  if (p === 0.5) return 0;
  if (p < 0.5) return -tQuantileAbove(p, 0.5 - p, df);
  return tQuantileAbove(1 - p, p - 0.5, df);
}

/** The t above 0 that is exceeded with chance `above`; `inside` is 0.5 - above, without its rounding error. */
function tQuantileAbove(above: number, inside: number, df: number): number {
  const z = -ndtri(above);
  if (df > NEARLY_NORMAL) return tOfNormal(z, df);
  // The smaller of the two chances is the one that is known to all its digits.
  const [chance, target, sign] = above < inside ? [tail, above, -1] : [between, inside, 1];
  let t = z;
  for (let i = 0; i < MOST_STEPS; i++) {
    const found = chance(t, df);
    const step = (sign * found * Math.log(target / found)) / tTimesDensity(t, df);
    t *= Math.exp(step);
    if (Math.abs(step) < 1e-15) break;
  }
  return t;
}

const MOST_STEPS = 30;

/** The chance of a value beyond `t` on its side of 0. */
function tail(t: number, df: number): number {
  return df > NEARLY_NORMAL ? ndtr(-normalOfT(t, df)) : incbet(df / 2, 0.5, df / (df + t * t)) / 2;
}

/** The chance of a value between 0 and `t`. */
function between(t: number, df: number): number {
  if (df > NEARLY_NORMAL) return ndtr(normalOfT(t, df)) - 0.5;
  return incbet(0.5, df / 2, (t * t) / (df + t * t)) / 2;
}

function tTimesDensity(t: number, df: number): number {
  const share = (t * t) / (df + t * t);
  return Math.sqrt(share) * Math.exp((-df / 2) * Math.log1p((t * t) / df) - lbeta(df / 2, 0.5));
}

/**
 * Beyond so many degrees of freedom the incomplete beta function loses digits to rounding (1e-9 at a million),
 * and the first term of Hill's expansion about the normal distribution is exact to 1e-11 (Hill, «Algorithm 395:
 * Student's t-distribution», Communications of the ACM 13, 1970).
 */
const NEARLY_NORMAL = 1e5;

/** The normal value above 0 that is exceeded as often as `t` or, below 0, `-t`. */
function normalOfT(t: number, df: number): number {
  const a = df - 0.5;
  const w = Math.sqrt(a * Math.log1p((t * t) / df));
  return w + (w ** 3 + 3 * w) / (48 * a * a);
}

function tOfNormal(z: number, df: number): number {
  const a = df - 0.5;
  const w = z - (z ** 3 + 3 * z) / (48 * a * a);
  return Math.sqrt(df * Math.expm1((w * w) / a));
}

function requireDegrees(df: number): void {
  if (!(df > 0)) throw new RangeError(`expected degrees of freedom above 0 but received ${df}`);
}
