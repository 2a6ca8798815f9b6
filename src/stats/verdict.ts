import type { PairedDifference } from './difference.js';
import type { BootstrapInterval } from './intervals.js';

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

interface Names {
  readonly arm: string;
  readonly baseline: string;
}

/** All numbers that a verdict rests on, as shares. */
interface Found {
  readonly mean: number;
  readonly seeds: Bounds & { readonly n: number };
  readonly images: BootstrapInterval;
  readonly both: Bounds;
  readonly pValue: number;
}

/** No seed finished in both arms. */
function sayNoPairs({ arm, baseline }: Names): string {
  return `No comparison: there is no seed with which both ${arm} and ${baseline} finished.`;
}

/** One seed shows no difference, whatever the images say. */
function sayOneSeed(names: Names, { mean }: PairedDifference, images: BootstrapInterval | null): string {
  const points = percentagePoints(mean, ...limits(images));
  const among = images ? ` (95% interval ${points.range(images)} over ${count(images.n, 'image')})` : '';
  return (
    `No difference shown: ${ends(names, mean, points)} with the only seed${among}, and one seed cannot say ` +
    `how far another would have moved that. Run at least 3 seeds.`
  );
}

/** Equal differences with every seed, and fewer than six seeds. */
function sayEqualDifferences(
  names: Names,
  { mean, n, pValue }: PairedDifference,
  images: BootstrapInterval | null,
): string {
  const points = percentagePoints(mean, ...limits(images));
  const among = images ? ` (95% interval ${points.range(images)} over ${count(images.n, 'image')})` : '';
  return (
    `No difference shown: ${ends(names, mean, points)} with each of the ${n} seeds${among}. Differences that ` +
    `are all equal leave chance in the seeds unmeasured (sign-flip p = ${formatP(pValue ?? 1)}); run more seeds.`
  );
}

/** The same images were not predicted by both arms. */
function sayImagesUnknown(names: Names, mean: number, seeds: Bounds & { readonly n: number }): string {
  const points = percentagePoints(mean, seeds.low, seeds.high);
  return (
    `No difference shown: ${ends(names, mean, points)} on average (95% interval ${points.range(seeds)} over ` +
    `${seeds.n} seeds). Chance in the images could not be judged, as predictions of both on the same images ` +
    `are missing.`
  );
}

/** A difference that both kinds of chance together do not explain. */
function sayClaim(names: Names, claim: string, found: Found): string {
  const points = pointsOf(found);
  return (
    `${claim} is better here: ${summary(names, found)}, more than chance in seeds and images explains ` +
    `(both together: ${points.range(found.both)}; p = ${formatP(found.pValue)}). ` +
    `This holds for this data set, budget and these settings only.`
  );
}

/**
 * No difference was shown: the numbers, and how large a difference may have been missed. `apart` tells
 * whether each interval alone excludes 0, `together` whether the combined one does (p decided then).
 */
function sayNotShown(
  names: Names,
  found: Found,
  { apart, together }: { readonly apart: boolean; readonly together: boolean },
): string {
  const points = pointsOf(found);
  const start = `No difference shown: ${summary(names, found)}.`;
  if (together) {
    const most = points.size(found.mean > 0 ? found.both.high : found.both.low);
    const p = `Corrected for the number of comparisons, p is ${formatP(found.pValue)}`;
    return `${start} ${p}; a difference of up to ${most} points may have been missed.`;
  }
  const lead = apart
    ? 'Each alone excludes zero, but with chance in seeds and images together anything'
    : 'With chance in seeds and images together, anything';
  const worst = `${points.size(found.both.low)} points in favour of ${names.baseline}`;
  const best = `${points.size(found.both.high)} points in favour of ${names.arm}`;
  return `${start} ${lead} from ${worst} to ${best} remains possible.`;
}

type Points = ReturnType<typeof percentagePoints>;

function pointsOf({ mean, seeds, images, both }: Found): Points {
  return percentagePoints(mean, ...limits(seeds), ...limits(images), ...limits(both));
}

function summary(names: Names, found: Found): string {
  const points = pointsOf(found);
  return (
    `${ends(names, found.mean, points)} on average (95% interval ${points.range(found.seeds)} over ` +
    `${found.seeds.n} seeds, ${points.range(found.images)} over ${count(found.images.n, 'image')})`
  );
}

function ends({ arm, baseline }: Names, mean: number, points: Points): string {
  if (Number(points.size(mean)) === 0) return `${arm} and ${baseline} end equal`;
  return `${arm} ends ${points.size(mean)} points ${mean > 0 ? 'above' : 'below'} ${baseline}`;
}

function limits(bounds: Bounds | null): number[] {
  return bounds ? [bounds.low, bounds.high] : [];
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function formatP(pValue: number): string {
  return pValue < 0.001 ? 'below 0.001' : pValue.toPrecision(2);
}

/** Two limits of an interval. */
interface Bounds {
  readonly low: number;
  readonly high: number;
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

/**
 * Writes shares from -1 to 1 as percentage points that belong to one sentence: all with the same number
 * of decimals (1 to 3), so many that none of `values` is written as zero that is not zero, as an
 * interval from «0.0» would seem to contain it.
 */
function percentagePoints(...values: readonly number[]) {
  const hidden = (digits: number) =>
    values.some((value) => Math.abs(value) > ROUNDING && Number((value * 100).toFixed(digits)) === 0);
  const digits = [1, 2].find((decimals) => !hidden(decimals)) ?? 3;
  // Adding 0 turns a rounded -0.0 into 0.0.
  const signed = (share: number) => (Number((share * 100).toFixed(digits)) + 0).toFixed(digits);
  return {
    /** Without its sign. */
    size: (share: number) => signed(Math.abs(share)),
    range: ({ low, high }: { readonly low: number; readonly high: number }) =>
      `${signed(low)} to ${signed(high)}`,
  };
}

const ROUNDING = 1e-9;
