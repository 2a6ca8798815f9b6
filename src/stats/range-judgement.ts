import { readValley, type LossValley } from './loss-valley.js';
import { poolCurves, type LossCurve } from './pooled-curve.js';
import type { RangeCurve } from './range-curve.js';
import { twoDigits } from './two-digits.js';

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
export type Judgement =
  | { readonly refusal: string }
  | {
      readonly valley: LossValley;
      readonly rates: { readonly learningRate: number; readonly fixedLearningRate: number };
    };

/** What a judgement has to know beside the curves. */
export interface RangeContext {
  /** For the words of a refusal alone. */
  readonly classes: number;
  /** Mini-batches of the training that the rates are for. */
  readonly trainingSteps: number;
}

/** Judges the pooled curve of one or several range tests; `recommend` gives the rule. */
export function judgeRange(
  curves: readonly RangeCurve[],
  { classes, trainingSteps }: RangeContext,
): Judgement {
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
