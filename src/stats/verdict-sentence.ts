import type { BootstrapInterval } from './bootstrap.js';
import type { Bounds } from './combine.js';
import type { PairedDifference } from './paired-difference.js';
import { percentagePoints } from './percentage-points.js';

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
export function sayNoPairs({ arm, baseline }: Names): string {
  return `No comparison: there is no seed with which both ${arm} and ${baseline} finished.`;
}

/** One seed shows no difference, whatever the images say. */
export function sayOneSeed(
  names: Names,
  { mean }: PairedDifference,
  images: BootstrapInterval | null,
): string {
  const points = percentagePoints(mean, ...limits(images));
  const among = images ? ` (95% interval ${points.range(images)} over ${count(images.n, 'image')})` : '';
  return (
    `No difference shown: ${ends(names, mean, points)} with the only seed${among}, and one seed cannot say ` +
    `how far another would have moved that. Run at least 3 seeds.`
  );
}

/** Equal differences with every seed, and fewer than six seeds. */
export function sayEqualDifferences(
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
export function sayImagesUnknown(names: Names, mean: number, seeds: Bounds & { readonly n: number }): string {
  const points = percentagePoints(mean, seeds.low, seeds.high);
  return (
    `No difference shown: ${ends(names, mean, points)} on average (95% interval ${points.range(seeds)} over ` +
    `${seeds.n} seeds). Chance in the images could not be judged, as predictions of both on the same images ` +
    `are missing.`
  );
}

/** A difference that both kinds of chance together do not explain. */
export function sayClaim(names: Names, claim: string, found: Found): string {
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
export function sayNotShown(
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
