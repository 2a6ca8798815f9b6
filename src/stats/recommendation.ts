import { readValley, type LossValley } from './loss-valley.js';
import { poolCurves, type LossCurve } from './pooled-curve.js';
import type { RangeCurve } from './range-curve.js';

/** What to train with, and why; or why not to trust any number from this test. */
export interface Recommendation {
  /** Rates of the backbone: the maximum of a 1cycle, and the rate of a fixed policy. Null: a refusal. */
  readonly recommended: { readonly learningRate: number; readonly fixedLearningRate: number } | null;
  /** Why this rate; after a refusal what to change. */
  readonly reason: string;
  readonly agreement: Agreement;
}

/** How far the rates differ that each seed alone would have given. */
export interface Agreement {
  /** Unknown with fewer than two seeds that give a rate. */
  readonly verdict: 'good' | 'fair' | 'poor' | 'unknown';
  /** The highest of the seeds' rates over the lowest. */
  readonly factor: number | null;
}

/** 1cycle spends few steps at its maximum and bears a rate of at least twice what a fixed policy bears. */
const oneCycleBears = 2;
/** A descent is clear where it exceeds this many times the noise of a point, and this share of the loss. */
const clearNoises = 4;
const clearShare = 0.02;
/** Fewer points than this before the loss explodes show no descent. */
const fewestPoints = 8;

/**
 * Weighs the range tests of several seeds. The fixed rate is the geometric mean of the steepest descent's
 * rate and a tenth of the lowest loss's; 1cycle's maximum is twice that; neither exceeds a third of the
 * lowest loss's rate. Refuses, saying what to change, where the loss shows no clear descent, or never rises
 * again, or explodes at once. Does not depend on the unit of the loss; `classes` serves the words alone.
 */
export function recommend(
  curves: readonly RangeCurve[],
  { classes }: { readonly classes: number },
): Recommendation {
  const agreement = agreementOf(curves);
  const judged = judge(curves, classes);
  if ('refusal' in judged) return { recommended: null, reason: judged.refusal, agreement };

  const { valley, rates } = judged;
  const seeds = curves.length === 1 ? 'On one seed' : `Over ${String(curves.length)} seeds`;
  const reason =
    `${seeds} the loss falls fastest near ${show(valley.steepest)} and is lowest near ${show(valley.lowest)}. ` +
    `A fixed rate of ${show(rates.fixedLearningRate)} is the geometric mean of the first and a tenth of the second; ` +
    `1cycle bears about twice that, at most a third of the second: ${show(rates.learningRate)}. ` +
    agreementInWords(agreement);
  return { recommended: rates, reason, agreement };
}

type Judgement =
  | { readonly refusal: string }
  | { readonly valley: LossValley; readonly rates: { learningRate: number; fixedLearningRate: number } };

function judge(curves: readonly RangeCurve[], classes: number): Judgement {
  if (curves.length === 0)
    return { refusal: 'There is no range test to judge. Raise --seeds to at least 1.' };
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
        ? `The loss diverged at once, after ${steps}, at a rate of ${show(lastRate(pooled))}. Lower --min-lr.`
        : `The test has only ${steps}. Raise --steps to 60 or more.`,
    };
  }

  const valley = readValley(pooled);
  const clear = Math.max(clearNoises * valley.noise, clearShare * Math.abs(valley.start));
  const rose = stopped || rise(valley) >= Math.max(clear, 0.1 * drop(valley));
  if (drop(valley) < clear) return { refusal: noDescent(valley, rose, classes, pooled) };
  if (!rose) {
    return {
      refusal:
        `The loss was still low at the highest rate, ${show(lastRate(pooled))}, and never rose: ` +
        'the test does not show what the network bears. Raise --max-lr.',
    };
  }

  const fixedLearningRate = Math.min(Math.sqrt(valley.steepest * (valley.lowest / 10)), valley.lowest / 3);
  const learningRate = Math.min(oneCycleBears * fixedLearningRate, valley.lowest / 3);
  const lowestRate = pooled.learningRates[0] ?? 0;
  if (fixedLearningRate < lowestRate) {
    return {
      refusal:
        `The loss falls from the first rates on, so that the rate to recommend, ${show(fixedLearningRate)}, ` +
        `lies below the range that was tried, which begins at ${show(lowestRate)}. Lower --min-lr.`,
    };
  }
  return { valley, rates: { learningRate, fixedLearningRate } };
}

function noDescent(valley: LossValley, rose: boolean, classes: number, pooled: LossCurve): string {
  const level = `${show(valley.start)} (guessing among ${String(classes)} classes gives ${show(Math.log(classes))})`;
  if (drop(valley) > clearShare * Math.abs(valley.start)) {
    return (
      `The loss fell from ${level} to ${show(valley.bottom)}, which its noise of ${show(valley.noise)} ` +
      'from batch to batch may explain. Raise --seeds, --steps or --batch-size.'
    );
  }
  if (rose) {
    return (
      `The loss never fell below its start of ${level} before it rose: ` +
      `every rate from ${show(pooled.learningRates[0] ?? 0)} on is too high, or the test too short. ` +
      'Lower --min-lr or raise --steps.'
    );
  }
  return (
    `The loss stayed flat at ${level} up to the highest rate, ${show(lastRate(pooled))}. ` +
    'Raise --max-lr; if it already is above 1, check the labels and what is trainable.'
  );
}

function agreementOf(curves: readonly RangeCurve[]): Agreement {
  const rates = curves.flatMap((curve) => {
    const judged = judge([curve], 2);
    return 'rates' in judged ? [judged.rates.learningRate] : [];
  });
  if (rates.length < 2) return { verdict: 'unknown', factor: null };
  const factor = Math.max(...rates) / Math.min(...rates);
  return { verdict: factor <= 2 ? 'good' : factor <= 4 ? 'fair' : 'poor', factor };
}

function agreementInWords({ verdict, factor }: Agreement): string {
  if (factor === null) return 'How far seeds agree is unknown: fewer than two give a rate. Raise --seeds.';
  const within = `The seeds agree within a factor of ${show(factor)} (${verdict})`;
  return verdict === 'poor' ? `${within}: raise --seeds or --steps before relying on it.` : `${within}.`;
}

const drop = ({ start, bottom }: LossValley) => start - bottom;
const rise = ({ end, bottom }: LossValley) => end - bottom;
const lastRate = ({ learningRates }: LossCurve) => learningRates.at(-1) ?? NaN;

function show(value: number): string {
  const short = Number(value.toPrecision(2));
  return Math.abs(short) >= 0.01 && Math.abs(short) < 1e4 ? String(short) : short.toExponential();
}
