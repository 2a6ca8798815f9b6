import { median } from './median.js';
import type { LossCurve } from './pooled-curve.js';
import { unimodalFit } from './unimodal-fit.js';

/** What a range test's loss curve looks like once its noise is fitted away. */
export interface LossValley {
  /** The loss before the descent. */
  readonly start: number;
  /** The loss at the bottom. */
  readonly bottom: number;
  /** The loss near the end of the sweep. */
  readonly end: number;
  /** Standard deviation of one point around the curve, before the bottom. */
  readonly noise: number;
  /**
   * How sure the descent is: the root of the sum of squares that it explains, in units of `noise`. Noise
   * alone reaches 2 as a rule and 6 once in a hundred curves of 60 to 100 points.
   */
  readonly evidence: number;
  /** The rate by which half of the descent is done, which is where it is steepest. */
  readonly steepest: number;
  /** The rate of the lowest loss. */
  readonly lowest: number;
}

/** Shares of the descent at which its flank is located; their mean is steadier than the steepest slope. */
const flankLevels = [0.3, 0.4, 0.5, 0.6, 0.7];
/** Heights above the bottom at which the valley floor is measured, in shares of the descent. */
const floorLevels = [0.1, 0.2, 0.3];
/** How far along the floor the lowest loss is taken to lie: the rise after it is the sharper side. */
const alongFloor = 0.6;

/**
 * Fits a valley to a curve of at least 5 points and reads it by levels instead of by its lowest and
 * steepest point, which wander by a factor of ten under a few percent of noise where the valley is wide.
 */
export function readValley({ learningRates, losses }: LossCurve): LossValley {
  const start = median(losses.slice(0, Math.max(5, Math.floor(losses.length / 10))));
  const depth = start - Math.min(...runningMedian(losses, 2));
  // An explosion by many orders of magnitude would decide the fit alone.
  const capped = losses.map((loss) => Math.min(loss, start + depth / 2));
  const fit = unimodalFit(runningMedian(capped, 1));

  const bottom = Math.min(...fit);
  const turn = fit.indexOf(bottom);
  const noise = pointNoise(losses.slice(0, Math.max(10, turn + 1)));
  const rates = learningRates.map(Math.log);
  const level = (share: number) => bottom + share * (start - bottom);
  const flank = flankLevels.map((share) => crossing(rates, fit, level(share), turn, -1));
  const floor = floorLevels.map((share) => {
    const left = crossing(rates, fit, level(share), turn, -1);
    const right = crossing(rates, fit, level(share), turn, 1);
    return left + alongFloor * (right - left);
  });
  return {
    start,
    bottom,
    end: fit[Math.max(turn, fit.length - 3)] ?? bottom,
    noise,
    evidence: explained(fit, turn, level(0.5)) / noise,
    steepest: Math.exp(mean(flank)),
    lowest: Math.exp(mean(floor)),
  };
}

/** Where the fit, followed from the bottom in one direction, reaches a level; where it ends if it does not. */
function crossing(
  rates: readonly number[],
  fit: readonly number[],
  level: number,
  from: number,
  direction: 1 | -1,
): number {
  let below = from;
  for (let i = from; i >= 0 && i < fit.length; i += direction) {
    const [here = NaN, before = NaN] = [fit[i], fit[below]];
    if (here >= level) {
      const share = here > before ? (level - before) / (here - before) : 0;
      return (rates[below] ?? NaN) + share * ((rates[i] ?? NaN) - (rates[below] ?? NaN));
    }
    below = i;
  }
  return rates[below] ?? NaN;
}

/** Root of the sum of squares that the fit explains, from its start to where it rises above `level` again. */
function explained(fit: readonly number[], turn: number, level: number): number {
  const rises = fit.findIndex((value, i) => i > turn && value > level);
  const descent = rises < 0 ? fit : fit.slice(0, rises);
  const centre = mean(descent);
  return Math.sqrt(descent.reduce((sum, value) => sum + (value - centre) ** 2, 0));
}

/** From each point's distance to the mean of its neighbours, whose variance is 3/2 of a point's. */
function pointNoise(losses: readonly number[]): number {
  const bends: number[] = [];
  for (let i = 1; i + 1 < losses.length; i++) {
    bends.push(Math.abs((losses[i] ?? NaN) - ((losses[i - 1] ?? NaN) + (losses[i + 1] ?? NaN)) / 2));
  }
  // 1.4826 x the median absolute deviation is the standard deviation of normal noise.
  return bends.length === 0 ? 0 : (1.4826 * median(bends)) / Math.sqrt(1.5);
}

function runningMedian(values: readonly number[], reach: number): number[] {
  return values.map((_, i) => median(values.slice(Math.max(0, i - reach), i + reach + 1)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
