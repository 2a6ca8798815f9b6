import { median } from '../describe.js';
import { type LossCurve, poolCurves, type RangeCurve } from './curve.js';

/** What to train with, and what it was read from; or why not to trust any number from this test. */
export interface Recommendation {
  /** Null after a refusal. */
  readonly recommended: RecommendedRates | null;
  readonly finding: RangeFinding;
  readonly agreement: Agreement;
}

/** Rates of the backbone: the maximum of a 1cycle, and the rate of a fixed policy. */
export interface RecommendedRates {
  readonly learningRate: number;
  readonly fixedLearningRate: number;
}

/** What range tests show: a rate, or one of the reasons why there is none, with the numbers for its words. */
export type RangeFinding =
  | {
      readonly kind: 'rate';
      readonly rates: RecommendedRates;
      readonly seeds: number;
      readonly trainingSteps: number;
      /** Trainings of fewer steps bear no more than one of these. */
      readonly shortestSteps: number;
      /** The rates by which half of the descent is done, and of the lowest loss. */
      readonly halfway: number;
      readonly lowest: number;
    }
  | { readonly kind: 'no-test' | 'not-finite' }
  | { readonly kind: 'diverged-at-once'; readonly steps: number; readonly highestRate: number }
  | { readonly kind: 'too-few-steps'; readonly steps: number }
  /** Losses before the descent and at its bottom, and the noise of one point. */
  | { readonly kind: 'noise'; readonly start: number; readonly bottom: number; readonly noise: number }
  /** The rates of the first two steps: between them nothing was tried. */
  | {
      readonly kind: 'never-fell';
      readonly start: number;
      readonly lowestRate: number;
      readonly secondRate: number;
    }
  | { readonly kind: 'flat'; readonly start: number; readonly highestRate: number }
  | { readonly kind: 'never-rose'; readonly highestRate: number }
  /** The rate to recommend lies below the rates that were tried. */
  | { readonly kind: 'below-range'; readonly rate: number; readonly lowestRate: number };

/** How far the rates differ that each seed alone would have given: says nothing about how good they are. */
interface Agreement {
  /** Unknown with fewer than two seeds that give a rate. */
  readonly verdict: 'good' | 'fair' | 'poor' | 'unknown';
  /** The highest of the seeds' rates over the lowest. */
  readonly factor: number | null;
}

/** The training that a rate is for. */
export interface Training {
  /** Mini-batches. */
  readonly steps: number;
  /** The new head alone, or blocks with it: with their batch norm folded, or in training mode. */
  readonly part: 'head' | 'folded' | 'normalized';
}

/**
 * Weighs the range tests of several seeds. Where the training is as long as the range test, 1cycle's maximum is a fixed
 * multiple of the rate by which half of the descent is done, though not far beyond the lowest loss; half of that where it is
 * 2.7 times as long, and so on. With batch norm in training mode it is less. A fixed rate is two thirds of it, or as high where
 * the head alone is trained.
 * Refuses where the loss shows no clear descent, or never rises again, or explodes at once. Does not depend on the
 * unit of the loss.
 */
export function recommend(curves: readonly RangeCurve[], training: Training): Recommendation {
  const finding = judge(curves, training);
  const alone = curves.flatMap((curve) => ratesOf(judge([curve], training))?.learningRate ?? []);
  return { recommended: ratesOf(finding), finding, agreement: agreementOf(alone) };
}

function ratesOf(finding: RangeFinding): RecommendedRates | null {
  return finding.kind === 'rate' ? finding.rates : null;
}

function agreementOf(rates: readonly number[]): Agreement {
  if (rates.length < 2) return { verdict: 'unknown', factor: null };
  const factor = Math.max(...rates) / Math.min(...rates);
  return { verdict: factor <= 2 ? 'good' : factor <= 4 ? 'fair' : 'poor', factor };
}

/**
 * How the best rate falls with the length of a training, and the rate of the lowest loss with that of a range test: as
 * this power of their steps. Measured over trainings of 16 to 640 steps on two data sets, of a head or of eleven
 * blocks, and over range tests of 60 to 200 steps (`npm run bench:find-lr`). So a range test answers for a training of
 * its own length, and both scale alike from there.
 */
const lengthPower = 0.7;
/** A range test's length is told by its steps over this range of rates: the default 8 decades, in powers of e. */
const defaultSpan = Math.log(1e8);
/** Trainings shorter than this bear no more: what a network bears at all is reached. */
const shortestSteps = 45;
/**
 * 1cycle's maximum in multiples of the halfway rate, for a training as long as the test. With it, the maxima of 21 of 22
 * measured trainings lie within a point of the best of their grids, or within 3% of such a rate; with a multiple of the
 * lowest loss's rate 16 of them do, since the floor of a valley is flat and its middle wanders (`npm run bench:find-lr`).
 */
const halfwayBears = 5.8;
/** And never more than this multiple of the rate of the lowest loss, beyond which the loss rises. */
const lowestBears = 1.25;
/**
 * What of that a trained part bears. Batch norm in training mode widens the range of rates that train at all, up to ten times
 * beyond the best one; the best one lies lower in it (`npm run bench:find-lr -- --batch-norm train`, three data sets).
 */
const partBears = { head: 1, folded: 1, normalized: 0.45 };
/**
 * A rate that is cut in steps, in shares of 1cycle's maximum. A network is held back by the rates it bears; a head alone, which bears
 * much more, by how far it gets: a third of the steps at the full rate is less than what a cycle sums up to. Measured with ten
 * seeds on six data sets: the best fixed rate of a head was two thirds of 1cycle's recommended maximum over 160 steps, and four
 * thirds over 40 to 65 (`onecycle help lr-curve`).
 */
const fixedBears = { head: 1, folded: 2 / 3, normalized: 2 / 3 };
/** A descent is clear where its evidence reaches this, and its depth this share of the loss. */
const clearEvidence = 6;
const clearShare = 0.02;
/** A rise is clear from this many times the noise of a point on. */
const clearRise = 3;
/** Fewer points than this before the loss explodes show no descent. */
const fewestPoints = 8;

/** Judges the pooled curve of one or several range tests; `recommend` gives the rule. */
function judge(curves: readonly RangeCurve[], training: Training): RangeFinding {
  if (curves.length === 0) return { kind: 'no-test' };
  const pooled = poolCurves(curves);
  const steps = pooled.losses.length;
  const [lowestRate = NaN, secondRate = NaN] = pooled.learningRates;
  const highestRate = pooled.learningRates.at(-1) ?? NaN;
  const stopped = curves.filter(({ stop }) => stop !== 'end').length * 2 >= curves.length;
  if (steps === 0) return { kind: 'not-finite' };
  if (steps < fewestPoints) {
    return stopped ? { kind: 'diverged-at-once', steps, highestRate } : { kind: 'too-few-steps', steps };
  }

  const valley = readValley(pooled);
  const { start, bottom, noise, halfway, lowest } = valley;
  const least = clearShare * Math.abs(start);
  const rise = valley.end - bottom;
  const rose = stopped || rise >= Math.max(clearRise * noise, 0.1 * (start - bottom), least);
  if (!isClear(valley)) {
    if (start - bottom > least) return { kind: 'noise', start, bottom, noise };
    return rose
      ? { kind: 'never-fell', start, lowestRate, secondRate }
      : { kind: 'flat', start, highestRate };
  }
  if (!rose) return { kind: 'never-rose', highestRate };

  const length = testLength(pooled, lowest) / Math.max(shortestSteps, training.steps);
  const atTestLength = Math.min(halfwayBears * halfway, lowestBears * lowest);
  const { part } = training;
  const learningRate = Math.min(partBears[part] * atTestLength * length ** lengthPower, highestRate);
  const fixedLearningRate = fixedBears[part] * learningRate;
  if (fixedLearningRate < lowestRate) return { kind: 'below-range', rate: fixedLearningRate, lowestRate };
  const rates = { learningRate, fixedLearningRate };
  const { steps: trainingSteps } = training;
  return { kind: 'rate', rates, seeds: curves.length, trainingSteps, shortestSteps, halfway, lowest };
}

/** Whether a descent is more than noise. */
function isClear({ start, bottom, evidence }: LossValley): boolean {
  return evidence >= clearEvidence && start - bottom >= clearShare * Math.abs(start);
}

/** The rate from which on the pooled loss of the tests surely falls; null where it shows no clear descent. */
export function descentBegins(curves: readonly RangeCurve[]): number | null {
  const pooled = poolCurves(curves);
  if (pooled.losses.length < fewestPoints) return null;
  const valley = readValley(pooled);
  return isClear(valley) ? valley.begins : null;
}

/** The steps that the test would have over the default range if it went on as it does around `rate`. */
function testLength({ learningRates }: LossCurve, rate: number): number {
  const after = learningRates.findIndex((tried) => tried > rate);
  const [here = NaN, next = NaN] = learningRates.slice(after < 1 ? -2 : after - 1);
  return 1 + defaultSpan / Math.log(next / here);
}

/** What a range test's loss curve looks like once its noise is fitted away. */
interface LossValley {
  /** The loss before the descent. */
  readonly start: number;
  /** The loss at the bottom. */
  readonly bottom: number;
  /** The loss near the end of the test. */
  readonly end: number;
  /** Standard deviation of one point around the curve, before the bottom. */
  readonly noise: number;
  /**
   * How sure the descent is: the root of the sum of squares that it explains, in units of `noise`. Noise
   * alone reaches 2 as a rule and 6 once in a hundred curves of 60 to 100 points.
   */
  readonly evidence: number;
  /** The rate by which three tenths of the descent are done: before it, what falls may be noise. */
  readonly begins: number;
  /** The rate by which half of the descent is done. */
  readonly halfway: number;
  /** The rate of the lowest loss. */
  readonly lowest: number;
}

/** Shares of the descent at which the middle of its flank is located; their mean is steadier than one crossing. */
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
    begins: Math.exp(crossing(rates, fit, level(flankLevels.at(-1) ?? NaN), turn, -1)),
    halfway: Math.exp(mean(flank)),
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

interface Block {
  sum: number;
  count: number;
}

/**
 * The least-squares fit of a valley: falling to some point and rising from there on (isotonic regression
 * on either side by pooling adjacent violators; Barlow et al., Statistical Inference under Order
 * Restrictions, 1972, section 1.2). It has no width to choose, keeps sudden rises sudden, and averages noise
 * where the curve is flat. Of equally good turning points the first. Empty for no values.
 */
export function unimodalFit(values: readonly number[]): number[] {
  const reversed = [...values].reverse();
  // Rising from the right is falling, read from left to right: one routine serves both sides.
  const falling = fallingErrors(values);
  const rising = fallingErrors(reversed).reverse();

  let turn = 0;
  let least = Infinity;
  for (let i = 0; i <= values.length; i++) {
    const error = (falling[i] ?? 0) + (rising[i] ?? 0);
    if (error < least) {
      least = error;
      turn = i;
    }
  }
  return [
    ...fallingFit(values.slice(0, turn)),
    ...fallingFit(reversed.slice(0, values.length - turn)).reverse(),
  ];
}

/** Squared error of the falling fit to the first 0, 1, 2, ... of `values`. */
function fallingErrors(values: readonly number[]): number[] {
  const blocks: Block[] = [];
  let squares = 0;
  let explained = 0;
  const errors = [0];
  for (const value of values) {
    squares += value * value;
    explained += pool(blocks, value);
    errors.push(squares - explained);
  }
  return errors;
}

function fallingFit(values: readonly number[]): number[] {
  const blocks: Block[] = [];
  for (const value of values) pool(blocks, value);
  return blocks.flatMap(({ sum, count }) => Array<number>(count).fill(sum / count));
}

/** Adds a value to a falling fit; returns by how much the fit's sum of squares grows. */
function pool(blocks: Block[], value: number): number {
  let block: Block = { sum: value, count: 1 };
  let before = 0;
  for (
    let last = blocks.at(-1);
    last && last.sum / last.count < block.sum / block.count;
    last = blocks.at(-1)
  ) {
    before += (last.sum * last.sum) / last.count;
    block = { sum: last.sum + block.sum, count: last.count + block.count };
    blocks.pop();
  }
  blocks.push(block);
  return (block.sum * block.sum) / block.count - before;
}
