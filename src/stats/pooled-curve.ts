import { median } from './median.js';
import type { RangeCurve } from './range-curve.js';

/** Losses against learning rates, one point a step, all finite. */
export interface LossCurve {
  readonly learningRates: readonly number[];
  readonly losses: readonly number[];
}

/**
 * The median of several seeds' raw losses at each step. A seed that has stopped counts as infinitely bad
 * from there on, so the pooled curve ends where half of the seeds have stopped. Raw losses, since smoothed
 * ones lag behind the rate; the median over seeds is what drops the spikes.
 */
export function poolCurves(curves: readonly RangeCurve[]): LossCurve {
  const learningRates: number[] = [];
  const losses: number[] = [];
  const longest = Math.max(0, ...curves.map(({ points }) => points.length));
  const finite = curves.map(({ points }) => {
    const broken = points.findIndex((point) => !Number.isFinite(point.loss));
    return broken < 0 ? points : points.slice(0, broken);
  });
  for (let step = 0; step < longest; step++) {
    const loss = median(finite.map((points) => points[step]?.loss ?? Infinity));
    const rate = curves.map(({ points }) => points[step]?.learningRate).find((lr) => lr !== undefined);
    if (rate === undefined || !Number.isFinite(loss)) break;
    learningRates.push(rate);
    losses.push(loss);
  }
  return { learningRates, losses };
}
