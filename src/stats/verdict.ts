import type { PairedDifference } from './difference.js';
import type { BootstrapInterval } from './intervals.js';

/** What a verdict is given: accuracies are shares from 0 to 1, differences are arm - baseline. */
export interface VerdictInput {
  /** Null where the baseline alone was run. */
  readonly arm: string | null;
  readonly baseline: string;
  /** Null where no seed finished in both arms. */
  readonly overSeeds: PairedDifference | null;
  /** Null where the predictions of both arms on the same images are not at hand. */
  readonly overImages: BootstrapInterval | null;
  /** Over seeds, after Holm's correction where several arms were compared [overSeeds.pValue]. */
  readonly adjustedPValue?: number | null;
}

/** What a comparison may say: its kind, whom it claims to be better, and the numbers that this rests on. */
export type Verdict =
  | { readonly kind: 'one-arm'; readonly claim: 'none'; readonly baseline: string }
  /** No seed finished in both arms. */
  | (Arms & { readonly kind: 'no-pairs'; readonly claim: 'none' })
  /** One seed shows no difference, whatever the images say. */
  | (Arms & Measured & { readonly kind: 'one-seed'; readonly claim: 'none' })
  /** The same difference with every seed, and fewer than six seeds. */
  | (Arms & Measured & { readonly kind: 'equal'; readonly claim: 'none' })
  /** The same images were not predicted by both arms. */
  | (Arms & Pick<Judged, 'mean' | 'seeds'> & { readonly kind: 'images-unknown'; readonly claim: 'none' })
  | (Arms & Judged & { readonly kind: 'not-shown'; readonly claim: 'none'; readonly because: Doubt })
  /** `claim` is the better arm's name. */
  | (Arms & Judged & { readonly kind: 'claim'; readonly claim: string });

export type VerdictKind = Verdict['kind'];

/** What stands for the name of the better arm where none is claimed: no arm may be called so. */
export const NO_CLAIM = 'none';

interface Arms {
  readonly arm: string;
  readonly baseline: string;
}

/** A difference whose chance in the seeds is not known. */
interface Measured {
  readonly mean: number;
  readonly seeds: number;
  readonly pValue: number | null;
  readonly images: BootstrapInterval | null;
}

/** A difference with its 95% intervals, as shares. */
interface Judged {
  readonly mean: number;
  readonly seeds: Bounds & { readonly n: number };
  readonly images: BootstrapInterval;
  /** With both kinds of chance together. */
  readonly both: Bounds;
  /** After the correction for several arms. */
  readonly pValue: number;
}

/**
 * Why a difference is not shown: 0 lies in the interval over seeds or over images, or only in that of `both`
 * together, or in none of them and the p-value is too large once `corrected` for several arms.
 */
export type Doubt = 'either' | 'both' | 'corrected';

/** Two limits of an interval. */
interface Bounds {
  readonly low: number;
  readonly high: number;
}

/**
 * Says whether one arm is better, and no more than the runs bear.
 *
 * Two kinds of chance stand between a measured and a true difference: the seeds (initialisation, order,
 * augmentation; paired t) and the images that happened to be held out (bootstrap). A claim needs all of:
 * at least two seeds; both 95% intervals without 0; p at most 0.05 after correction; and the combined
 * interval without 0, since where both errors are at play at once, two intervals that each just exclude 0
 * would be wrong up to one time in six.
 */
export function verdict({ arm, baseline, overSeeds, overImages, adjustedPValue }: VerdictInput): Verdict {
  const claim = NO_CLAIM;
  if (arm === null) return { kind: 'one-arm', claim, baseline };
  const arms = { arm, baseline };
  if (overSeeds === null) return { kind: 'no-pairs', claim, ...arms };
  const { low, high, mean, n, pValue } = overSeeds;
  const measured = { ...arms, mean, seeds: n, pValue, images: overImages };
  if (n === 1) return { kind: 'one-seed', claim, ...measured };
  if (low === null || high === null) return { kind: 'equal', claim, ...measured };
  const seeds = { low, high, n };
  if (overImages === null) return { kind: 'images-unknown', claim, ...arms, mean, seeds };

  const both = combine(mean, seeds, overImages);
  const judged = { ...arms, mean, seeds, images: overImages, both, pValue: adjustedPValue ?? pValue ?? 1 };
  // The combination contains both intervals, so it decides; they tell why there is no claim.
  if (!excludesZero(both)) {
    const apart = excludesZero(seeds) && excludesZero(overImages);
    return { kind: 'not-shown', claim, ...judged, because: apart ? 'both' : 'either' };
  }
  if (judged.pValue > 0.05) return { kind: 'not-shown', claim, ...judged, because: 'corrected' };
  return { kind: 'claim', claim: mean > 0 ? arm : baseline, ...judged };
}

/** A limit that is 0 up to rounding contains it. */
function excludesZero({ low, high }: Bounds): boolean {
  return low > 1e-9 || high < -1e-9;
}

/**
 * The interval of a mean with two independent errors: the distances from the mean to the limits add as
 * squares (Zou and Donner, «Construction of confidence limits about effect measures», Statistics in
 * Medicine 27, 2008). Noise of one seed on one image is in both and so counts twice, which errs on the
 * side of «none».
 */
export function combine(mean: number, a: Bounds, b: Bounds): Bounds {
  const below = Math.hypot(Math.max(0, mean - a.low), Math.max(0, mean - b.low));
  const above = Math.hypot(Math.max(0, a.high - mean), Math.max(0, b.high - mean));
  return { low: mean - below, high: mean + above };
}
