import type { CrossedDifference, VarianceShares } from './crossed.js';
import type { PairedDifference } from './difference.js';
import type { BootstrapInterval } from './intervals.js';

/** What a verdict is given: accuracies are shares from 0 to 1, differences are arm - baseline. */
export interface VerdictInput {
  /** Null where the baseline alone was run. */
  readonly arm: string | null;
  readonly baseline: string;
  /**
   * Over seeds and images, or over seeds alone where the predictions of both arms on the same images are not at hand;
   * null where no seed finished in both arms.
   */
  readonly difference: CrossedDifference | PairedDifference | null;
  /** Over images alone, for what one seed can say; null where their predictions are not at hand. */
  readonly overImages: BootstrapInterval | null;
  /** After Holm's correction where several arms were compared [difference.pValue]. */
  readonly adjustedPValue?: number | null;
  /** [measured] */
  readonly rates?: RatesBehind;
}

/**
 * What two arms' learning rates rest on: each was chosen of several by the other seeds (`tuned`), measured on this data, or
 * `unmeasured` here, so that a difference may be the rates' own.
 */
export type RatesBehind = 'tuned' | 'measured' | 'unmeasured';

/** What a comparison may say: its kind, whom it claims to be better, and the numbers that this rests on. */
export type Verdict =
  | { readonly kind: 'one-arm'; readonly claim: 'none'; readonly baseline: string }
  /** No seed finished in both arms. */
  | (Arms & { readonly kind: 'no-pairs'; readonly claim: 'none' })
  /** One seed shows no difference, whatever the images say. */
  | (Arms & Measured & { readonly kind: 'one-seed'; readonly claim: 'none' })
  /** The same answers with every seed, or without predictions the same difference, and fewer than six seeds. */
  | (Arms & Measured & { readonly kind: 'equal'; readonly claim: 'none' })
  /** The same images were not predicted by both arms. */
  | (Arms &
      Omit<Judged, 'images' | 'pValue' | 'shares' | 'rates'> & {
        readonly kind: 'images-unknown';
        readonly claim: 'none';
      })
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

/** A difference with its 95% interval over seeds and images, as shares. */
interface Judged extends Bounds {
  readonly mean: number;
  /** How many. */
  readonly seeds: number;
  readonly images: number;
  /** After the correction for several arms. */
  readonly pValue: number;
  /** What the interval's variance is made of. */
  readonly shares: VarianceShares;
  readonly rates: RatesBehind;
}

/** Why a difference is not shown: its interval holds 0, or p is too large once `corrected` for several arms. */
export type Doubt = 'interval' | 'corrected';

/** Two limits of an interval. */
interface Bounds {
  readonly low: number;
  readonly high: number;
}

/**
 * Says whether one arm is better, and no more than the runs bear.
 *
 * Two kinds of chance stand between a measured and a true difference: the seeds (initialisation, order, augmentation)
 * and the images that happened to be held out. A claim needs at least two seeds, a crossed interval over both without
 * 0, and p at most 0.05 after the correction for several arms. Seeds alone claim nothing.
 */
export function verdict({
  arm,
  baseline,
  difference,
  overImages,
  adjustedPValue,
  rates = 'measured',
}: VerdictInput): Verdict {
  const claim = NO_CLAIM;
  if (arm === null) return { kind: 'one-arm', claim, baseline };
  const arms = { arm, baseline };
  if (difference === null) return { kind: 'no-pairs', claim, ...arms };
  const { mean, low, high, pValue, n: seeds } = difference;
  const measured = { ...arms, mean, seeds, pValue, images: overImages };
  if (seeds === 1) return { kind: 'one-seed', claim, ...measured };
  if (low === null || high === null) return { kind: 'equal', claim, ...measured };
  if (!('images' in difference) || difference.varianceShares === null) {
    return { kind: 'images-unknown', claim, ...arms, mean, low, high, seeds };
  }
  const { images, varianceShares: shares } = difference;
  const p = adjustedPValue ?? pValue ?? 1;
  const judged = { ...arms, mean, low, high, seeds, images, shares, pValue: p, rates };
  if (!excludesZero(judged)) return { kind: 'not-shown', claim, ...judged, because: 'interval' };
  if (judged.pValue > 0.05) return { kind: 'not-shown', claim, ...judged, because: 'corrected' };
  return { kind: 'claim', claim: mean > 0 ? arm : baseline, ...judged };
}

/** From the best supported claim to what could not be compared. */
const SUPPORT: readonly VerdictKind[] = [
  'claim',
  'not-shown',
  'images-unknown',
  'equal',
  'one-seed',
  'no-pairs',
  'one-arm',
];

/** The verdicts on several arms, the best supported first: by kind, then by p after the correction, then by size. */
export function bestSupportedFirst(verdicts: readonly Verdict[]): Verdict[] {
  const pOf = (verdict: Verdict) => ('pValue' in verdict ? (verdict.pValue ?? 1) : 1);
  const sizeOf = (verdict: Verdict) => ('mean' in verdict ? Math.abs(verdict.mean) : 0);
  return verdicts.toSorted(
    (a, b) => SUPPORT.indexOf(a.kind) - SUPPORT.indexOf(b.kind) || pOf(a) - pOf(b) || sizeOf(b) - sizeOf(a),
  );
}

/** A limit that is 0 up to rounding contains it. */
function excludesZero({ low, high }: Bounds): boolean {
  return low > 1e-9 || high < -1e-9;
}
