import type { RangeCurve } from '../stats/range-curve.js';
import { median } from '../stats/median.js';
import { extent } from './extent.js';
import { finitePoints, resampleToColumns } from './resample.js';

/** The smoothed losses of several seeds at one learning rate. */
export interface MedianPoint {
  readonly learningRate: number;
  /** Over the seeds that have a loss here; null where fewer than half have one. */
  readonly median: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

// Finer than any terminal is wide.
const PLACES = 301;

/** Median, lowest and highest smoothed loss over the seeds, at places evenly spread over log10 of the rate. */
export function medianCurve(curves: readonly RangeCurve[], low: number, high: number): MedianPoint[] {
  const [from, to] = [Math.log10(low), Math.log10(high)];
  const places = to > from ? PLACES : 1;
  const place = (rate: number): number =>
    to > from ? ((Math.log10(rate) - from) / (to - from)) * (places - 1) : 0;
  const seeds = curves.map(({ points }) =>
    resampleToColumns(
      finitePoints(points.map(({ learningRate, smoothedLoss }) => ({ x: learningRate, y: smoothedLoss }))),
      place,
      places,
    ),
  );
  return Array.from({ length: places }, (_, index) => {
    const losses = seeds.flatMap((seed) => seed[index] ?? []);
    const [lowest, highest] = extent(losses);
    return {
      learningRate: 10 ** (places > 1 ? from + ((to - from) * index) / (places - 1) : from),
      median: losses.length * 2 >= curves.length && losses.length > 0 ? median(losses) : null,
      low: losses.length > 0 ? lowest : null,
      high: losses.length > 0 ? highest : null,
    };
  });
}
