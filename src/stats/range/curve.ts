import { median } from '../describe.js';

/** One mini-batch of a range test. */
export interface RangePoint {
  /** Counts from 0. */
  readonly step: number;
  readonly learningRate: number;
  /** The loss as measured; it may be NaN at the point that ended the test. */
  readonly loss: number;
  /** The bias-corrected moving average up to this point. */
  readonly smoothedLoss: number;
}

/** How a range test ended: the loss exploded, the network fell back to guessing, or neither. */
export type RangeEnd = 'diverged' | 'collapsed' | 'end';

/** The range test of one seed, as it lies in find-lr's JSON document. */
export interface RangeCurve {
  readonly seed: number;
  /** In the order of the steps; the point that ended the test is the last. */
  readonly points: readonly RangePoint[];
  /** The step at which divergence or collapse was noticed; null where the test went through. */
  readonly divergedAt: number | null;
  readonly stop: RangeEnd;
}

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

/**
 * An exponential moving average that takes one value at a time: `beta` is the weight of the past, from 0
 * (none) to below 1. The bias towards the zero it starts from is divided out, so that the first answer is
 * the first value (Kingma and Ba, arXiv 1412.6980, section 3; as fastai smooths its losses).
 */
export function movingAverage(beta: number): (value: number) => number {
  let average = 0;
  let weight = 0;
  return (value) => {
    average = beta * average + (1 - beta) * value;
    weight = beta * weight + (1 - beta);
    return average / weight;
  };
}

/** The bias-corrected moving average at each of `losses`; NaN from the first NaN on. */
export function smooth(losses: readonly number[], beta: number): number[] {
  return losses.map(movingAverage(beta));
}
