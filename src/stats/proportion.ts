import normalQuantile from '@stdlib/stats-base-dists-normal-quantile';
import { CONFIDENCE } from './confidence.js';

/**
 * Wilson's score interval (95%) for a proportion of which `k` of `n` were seen (JASA 22, 1927): unlike
 * p +- 1.96 sd it stays inside 0 to 1 and has a width where k is 0 or n. Nothing seen (n = 0) leaves
 * 0 to 1. Throws RangeError unless k and n are whole numbers with 0 <= k <= n.
 */
export function wilson(k: number, n: number): { readonly low: number; readonly high: number } {
  if (!Number.isInteger(k) || !Number.isInteger(n) || k < 0 || k > n) {
    throw new RangeError(`expected whole numbers 0 <= k <= n but received k = ${k}, n = ${n}`);
  }
  if (n === 0) return { low: 0, high: 1 };
  const z = normalQuantile((1 + CONFIDENCE) / 2, 0, 1);
  const centre = (k + z ** 2 / 2) / (n + z ** 2);
  const half = (z / (n + z ** 2)) * Math.sqrt((k * (n - k)) / n + z ** 2 / 4);
  // Equal on paper at the ends; rounding would leave 1e-17.
  return { low: k === 0 ? 0 : centre - half, high: k === n ? 1 : centre + half };
}
