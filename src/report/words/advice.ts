import type { RangeFinding, Recommendation, RecommendedRates } from '../../stats/range/recommend.js';
import { counted, twoDigits } from '../text/numbers.js';

/**
 * Why a range test recommends its rates, in plain English; after a refusal what to change.
 * @param classes of the images: a network that guesses among them has a loss of ln(classes)
 */
export function adviceReason({ finding, agreement }: Recommendation, classes: number): string {
  if (finding.kind !== 'rate') return refusal(finding, classes);
  const { seeds, trainingSteps, shortestSteps, halfway, lowest } = finding;
  const shorter =
    trainingSteps > shortestSteps
      ? `more for a shorter one, down to ${shortestSteps} steps`
      : 'the same for a shorter one';
  const { learningRate } = finding.rates;
  return (
    `${seeds === 1 ? 'On one seed' : `Over ${seeds} seeds`} the loss is halfway down near ${twoDigits(halfway)} and ` +
    `lowest near ${twoDigits(lowest)}. For a training of ${trainingSteps} steps take ` +
    `${twoDigits(learningRate / halfway)} times the first of these as 1cycle's maximum, ${twoDigits(learningRate)}, and ` +
    `${fixedShare(finding.rates)}; less for a longer one, ${shorter}. ` +
    agreementInWords(agreement)
  );
}

function fixedShare({ learningRate, fixedLearningRate }: RecommendedRates): string {
  const share = fixedLearningRate / learningRate;
  if (share === 1) return 'the same as a fixed rate';
  return `${twoDigits(share)} of that as a fixed rate, ${twoDigits(fixedLearningRate)}`;
}

/** Agreement is about chance alone: seeds that agree may all be off. */
function agreementInWords({ verdict, factor }: Recommendation['agreement']): string {
  if (factor === null) return 'How far seeds agree is unknown: fewer than two give a rate. Raise --seeds.';
  const within = `The seeds agree within a factor of ${twoDigits(factor)} (${verdict})`;
  return verdict === 'poor'
    ? `${within}: raise --seeds or --steps before relying on it.`
    : `${within}: that is how far chance moves the rate, not how near it is to the best one.`;
}

function refusal(finding: Exclude<RangeFinding, { readonly kind: 'rate' }>, classes: number): string {
  switch (finding.kind) {
    case 'no-test':
      return 'There is no range test to judge. Raise --seeds to at least 1.';
    case 'not-finite':
      return (
        'The loss is NaN or infinite from the first step. Check the data and the weights; if both are sound, lower ' +
        '--min-lr.'
      );
    case 'diverged-at-once':
      return (
        `The loss diverged at once, after ${counted(finding.steps, 'step')}, at a rate of ` +
        `${twoDigits(finding.highestRate)}. Lower --min-lr or raise --steps.`
      );
    case 'too-few-steps':
      return `The test has only ${counted(finding.steps, 'step')}. Raise --steps to 60 or more.`;
    case 'noise':
      return (
        `The loss fell from ${level(finding, classes)} to ${twoDigits(finding.bottom)}, which its noise of ` +
        `${twoDigits(finding.noise)} from batch to batch may explain. Raise --seeds, --steps or --batch-size.`
      );
    case 'never-fell':
      return (
        `The loss never clearly fell below its start of ${level(finding, classes)} before it rose: ` +
        (finding.secondRate > LEAP * finding.lowestRate
          ? `between ${twoDigits(finding.lowestRate)} and ${twoDigits(finding.secondRate)} no rate was tried. ` +
            'Take --sweep exponential, or lower --max-lr.'
          : `every rate from ${twoDigits(finding.lowestRate)} on is too high, or the test too short. Lower --min-lr or raise --steps.`)
      );
    case 'flat':
      return (
        `The loss stayed flat at ${level(finding, classes)} up to the highest rate, ` +
        `${twoDigits(finding.highestRate)}. Raise --max-lr; if it already is above 1, check the labels and what is ` +
        'trainable.'
      );
    case 'never-rose':
      return (
        `The loss was still low at the highest rate, ${twoDigits(finding.highestRate)}, and never rose: the test ` +
        'does not show how large a rate the network tolerates. Raise --max-lr.'
      );
    case 'below-range':
      return (
        `The loss falls from the first rates on, so that the rate to recommend, ${twoDigits(finding.rate)}, lies ` +
        `below the range that was tried, which begins at ${twoDigits(finding.lowestRate)}. Lower --min-lr.`
      );
  }
}

/** From one step to the next, beyond which rates in between may have been missed: a descent takes about a decade. */
const LEAP = 10;

function level({ start }: { readonly start: number }, classes: number): string {
  return `${twoDigits(start)} (guessing among ${classes} classes gives ${twoDigits(Math.log(classes))})`;
}

/** What stands for a reason where a range test was interrupted: half a test says nothing about how large a rate the network tolerates. */
export function interruptedReason(steps: number, planned: number): string {
  return `The test was interrupted after ${steps} of ${planned} steps: what it shows is too little to recommend a rate. Run it again.`;
}
