import { median, twoDigits } from '../describe.js';
import { type LossCurve, poolCurves, type RangeCurve } from './curve.js';

/** What to train with, and why; or why not to trust any number from this test. */
export interface Recommendation {
  /** Rates of the backbone: the maximum of a 1cycle, and the rate of a fixed policy. Null: a refusal. */
  readonly recommended: { readonly learningRate: number; readonly fixedLearningRate: number } | null;
  /** Why this rate; after a refusal what to change. */
  readonly reason: string;
  readonly agreement: Agreement;
}

/** How far the rates differ that each seed alone would have given. */
interface Agreement {
  /** Unknown with fewer than two seeds that give a rate. */
  readonly verdict: 'good' | 'fair' | 'poor' | 'unknown';
  /** The highest of the seeds' rates over the lowest. */
  readonly factor: number | null;
}

/**
 * Weighs the range tests of several seeds. 1cycle's maximum is the lowest loss's rate where the training is as long
 * as the sweep, half of it where it is 2.7 times as long, and so on; a fixed rate is two thirds of that.
 * Refuses, saying what to change, where the loss shows no clear descent, or never rises again, or explodes at
 * once. Does not depend on the unit of the loss.
 */
export function recommend(curves: readonly RangeCurve[], context: RangeContext): Recommendation {
  const agreement = agreementOf(curves, context);
  const judged = judgeRange(curves, context);
  if ('refusal' in judged) return { recommended: null, reason: judged.refusal, agreement };

  const { valley, rates } = judged;
  const { trainingSteps } = context;
  const seeds = curves.length === 1 ? 'On one seed' : `Over ${String(curves.length)} seeds`;
  const reason =
    `${seeds} the loss falls fastest near ${twoDigits(valley.steepest)} and is lowest near ${twoDigits(valley.lowest)}. ` +
    `A training of ${String(trainingSteps)} steps is best served by ${twoDigits(rates.learningRate / valley.lowest)} times the latter ` +
    `as 1cycle's maximum, ${twoDigits(rates.learningRate)}, and by two thirds of that as a fixed rate, ` +
    `${twoDigits(rates.fixedLearningRate)}; a longer one by less, a shorter one by more. ` +
    agreementInWords(agreement);
  return { recommended: rates, reason, agreement };
}

function agreementOf(curves: readonly RangeCurve[], context: RangeContext): Agreement {
  const rates = curves.flatMap((curve) => {
    const judged = judgeRange([curve], context);
    return 'rates' in judged ? [judged.rates.learningRate] : [];
  });
  if (rates.length < 2) return { verdict: 'unknown', factor: null };
  const factor = Math.max(...rates) / Math.min(...rates);
  return { verdict: factor <= 2 ? 'good' : factor <= 4 ? 'fair' : 'poor', factor };
}

function agreementInWords({ verdict, factor }: Agreement): string {
  if (factor === null) return 'How far seeds agree is unknown: fewer than two give a rate. Raise --seeds.';
  const within = `The seeds agree within a factor of ${twoDigits(factor)} (${verdict})`;
  return verdict === 'poor' ? `${within}: raise --seeds or --steps before relying on it.` : `${within}.`;
}

/**
 * How the best rate falls with the length of a training, and the rate of the lowest loss with that of a sweep: as
 * this power of their steps. Measured over trainings of 16 to 640 steps on two data sets, of a head or of eleven
 * blocks, and over sweeps of 60 to 200 steps (`npm run bench:find-lr`). So a sweep answers for a training of its
 * own length, and both scale alike from there.
 */
const lengthPower = 0.7;
/** A sweep's length is told by its steps over this range of rates: the default 8 decades, in powers of e. */
const sweepSpan = Math.log(1e8);
/** Trainings shorter than this bear no more: what a network bears at all is reached. */
const shortestSteps = 45;
/** What a rate that is cut in steps bears, in shares of 1cycle's maximum. */
const fixedBears = 2 / 3;
/** A descent is clear where its evidence reaches this, and its depth this share of the loss. */
const clearEvidence = 6;
const clearShare = 0.02;
/** A rise is clear from this many times the noise of a point on. */
const clearRise = 3;
/** Fewer points than this before the loss explodes show no descent. */
const fewestPoints = 8;

/** The rates that range tests speak for, with the curve they were read from; or why they speak for none. */
type Judgement =
  | { readonly refusal: string }
  | {
      readonly valley: LossValley;
      readonly rates: { readonly learningRate: number; readonly fixedLearningRate: number };
    };

/** What a judgement has to know beside the curves. */
interface RangeContext {
  /** For the words of a refusal alone. */
  readonly classes: number;
  /** Mini-batches of the training that the rates are for. */
  readonly trainingSteps: number;
}

/** Judges the pooled curve of one or several range tests; `recommend` gives the rule. */
function judgeRange(curves: readonly RangeCurve[], { classes, trainingSteps }: RangeContext): Judgement {
  if (curves.length === 0) {
    return { refusal: 'There is no range test to judge. Raise --seeds to at least 1.' };
  }
  const pooled = poolCurves(curves);
  const stopped = curves.filter(({ stop }) => stop !== 'end').length * 2 >= curves.length;
  if (pooled.losses.length === 0) {
    return {
      refusal:
        'The loss is NaN or infinite from the first step. Check the data and the weights; ' +
        'if both are sound, lower --min-lr.',
    };
  }
  if (pooled.losses.length < fewestPoints) {
    const steps = `${String(pooled.losses.length)} steps`;
    return {
      refusal: stopped
        ? `The loss diverged at once, after ${steps}, at a rate of ${twoDigits(lastRate(pooled))}. Lower --min-lr or raise --steps.`
        : `The test has only ${steps}. Raise --steps to 60 or more.`,
    };
  }

  const valley = readValley(pooled);
  const least = clearShare * Math.abs(valley.start);
  const rose = stopped || rise(valley) >= Math.max(clearRise * valley.noise, 0.1 * drop(valley), least);
  if (!(valley.evidence >= clearEvidence && drop(valley) >= least)) {
    return { refusal: noDescent(valley, rose, classes, pooled) };
  }
  if (!rose) {
    return {
      refusal:
        `The loss was still low at the highest rate, ${twoDigits(lastRate(pooled))}, and never rose: ` +
        'the test does not show what the network bears. Raise --max-lr.',
    };
  }

  const length = sweepLength(pooled, valley.lowest) / Math.max(shortestSteps, trainingSteps);
  const learningRate = Math.min(valley.lowest * length ** lengthPower, lastRate(pooled));
  const fixedLearningRate = fixedBears * learningRate;
  const lowestRate = pooled.learningRates[0] ?? 0;
  if (fixedLearningRate < lowestRate) {
    return {
      refusal:
        `The loss falls from the first rates on, so that the rate to recommend, ${twoDigits(fixedLearningRate)}, ` +
        `lies below the range that was tried, which begins at ${twoDigits(lowestRate)}. Lower --min-lr.`,
    };
  }
  return { valley, rates: { learningRate, fixedLearningRate } };
}

/** The steps that the sweep would have over the default range if it went on as it does around `rate`. */
function sweepLength({ learningRates }: LossCurve, rate: number): number {
  const after = learningRates.findIndex((tried) => tried > rate);
  const [here = NaN, next = NaN] = learningRates.slice(after < 1 ? -2 : after - 1);
  return 1 + sweepSpan / Math.log(next / here);
}

function noDescent(valley: LossValley, rose: boolean, classes: number, pooled: LossCurve): string {
  const level = `${twoDigits(valley.start)} (guessing among ${String(classes)} classes gives ${twoDigits(Math.log(classes))})`;
  if (drop(valley) > clearShare * Math.abs(valley.start)) {
    return (
      `The loss fell from ${level} to ${twoDigits(valley.bottom)}, which its noise of ${twoDigits(valley.noise)} ` +
      'from batch to batch may explain. Raise --seeds, --steps or --batch-size.'
    );
  }
  if (rose) {
    return (
      `The loss never fell below its start of ${level} before it rose: ` +
      `every rate from ${twoDigits(pooled.learningRates[0] ?? 0)} on is too high, or the test too short. ` +
      'Lower --min-lr or raise --steps.'
    );
  }
  return (
    `The loss stayed flat at ${level} up to the highest rate, ${twoDigits(lastRate(pooled))}. ` +
    'Raise --max-lr; if it already is above 1, check the labels and what is trainable.'
  );
}

const drop = ({ start, bottom }: LossValley) => start - bottom;
const rise = ({ end, bottom }: LossValley) => end - bottom;
const lastRate = ({ learningRates }: LossCurve) => learningRates.at(-1) ?? NaN;

/** What a range test's loss curve looks like once its noise is fitted away. */
interface LossValley {
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
