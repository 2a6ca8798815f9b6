import { judgeRange, type RangeContext } from './range-judgement.js';
import type { RangeCurve } from './range-curve.js';
import { twoDigits } from './two-digits.js';

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
