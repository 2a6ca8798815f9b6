import type { BootstrapInterval } from './bootstrap.js';
import { combine, type Bounds } from './combine.js';
import type { PairedDifference } from './paired-difference.js';
import {
  sayClaim,
  sayEqualDifferences,
  sayImagesUnknown,
  sayNoPairs,
  sayNotShown,
  sayOneSeed,
} from './verdict-sentence.js';

/** What a verdict is given: accuracies are shares from 0 to 1, differences are arm - baseline. */
export interface VerdictInput {
  readonly arm: string;
  readonly baseline: string;
  /** Null where no seed finished in both arms. */
  readonly overSeeds: PairedDifference | null;
  /** Null where the predictions of both arms on the same images are not at hand. */
  readonly overImages: BootstrapInterval | null;
  /** Over seeds, after Holm's correction where several arms were compared [overSeeds.pValue]. */
  readonly adjustedPValue?: number | null;
}

/** What a comparison may say. */
export interface Verdict {
  /** The name of the better arm, or «none»: no difference was shown, which is not «there is none». */
  readonly claim: string;
  /** One to three short sentences of plain English, numbers in percentage points. */
  readonly sentence: string;
}

/**
 * Says whether one arm is better, and no more than the runs bear.
 *
 * Two kinds of chance stand between a measured and a true difference: the seeds (initialisation, order,
 * augmentation; paired t) and the images that happened to be held out (bootstrap). A claim needs all of:
 * at least two seeds; both 95% intervals without 0; p at most 0.05 after correction; and the combined
 * interval without 0, since where both errors are at play at once, two intervals that each just exclude 0
 * would be wrong up to one time in six.
 *
 * «None» says instead how large a difference may still hide in the combined interval.
 */
export function verdict(input: VerdictInput): Verdict {
  const { arm, baseline, overSeeds, overImages } = input;
  const names = { arm, baseline };
  const none = (sentence: string): Verdict => ({ claim: 'none', sentence });

  if (overSeeds === null) return none(sayNoPairs(names));
  if (overSeeds.n === 1) return none(sayOneSeed(names, overSeeds, overImages));
  const { low, high, mean } = overSeeds;
  if (low === null || high === null) return none(sayEqualDifferences(names, overSeeds, overImages));
  const seeds = { low, high, n: overSeeds.n };
  if (overImages === null) return none(sayImagesUnknown(names, mean, seeds));

  const both = combine(mean, seeds, overImages);
  const pValue = input.adjustedPValue ?? overSeeds.pValue ?? 1;
  const found = { mean, seeds, images: overImages, both, pValue };
  // The combination contains both intervals, so it decides; they decide how a «none» is explained.
  const apart = excludesZero(seeds) && excludesZero(overImages);
  if (excludesZero(both) && pValue <= 0.05) {
    const claim = mean > 0 ? arm : baseline;
    return { claim, sentence: sayClaim(names, claim, found) };
  }
  return none(sayNotShown(names, found, { apart, together: excludesZero(both) }));
}

/** A limit that is 0 up to rounding contains it. */
function excludesZero({ low, high }: Bounds): boolean {
  return low > 1e-9 || high < -1e-9;
}
