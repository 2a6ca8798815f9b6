import { randomStream } from '../random.js';
import { CONFIDENCE, mean, standardDeviation } from './describe.js';
import { normalQuantile, tQuantile } from './distributions.js';

/** A sample in five numbers, all but `n` in the sample's unit; null where one value alone cannot tell. */
export interface Summary {
  readonly mean: number;
  readonly sd: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly n: number;
}

/**
 * Half the width of Student's 95% interval for a mean: t(0.975, n - 1) sd / sqrt(n) (Student, «The
 * Probable Error of a Mean», Biometrika 6, 1908); `n` is at least 2.
 */
export function tHalfWidth(sd: number, n: number): number {
  return (tQuantile((1 + CONFIDENCE) / 2, n - 1) * sd) / Math.sqrt(n);
}

/**
 * Mean, standard deviation (n - 1) and t-based 95% interval of the mean over, for example, the seeds of
 * one arm. Describes and claims nothing: where all values are equal the interval is that one point.
 * Throws RangeError for no values and for values that are not finite.
 */
export function summarize(values: readonly number[]): Summary {
  const n = values.length;
  const centre = mean(values);
  const sd = standardDeviation(values);
  if (sd === null) return { mean: centre, sd, low: null, high: null, n };
  const half = tHalfWidth(sd, n);
  return { mean: centre, sd, low: centre - half, high: centre + half, n };
}

/** The same with its interval cut where there are no values beyond: that of two or three accuracies may reach below 0. */
export function within(least: number, summary: Summary, most: number): Summary {
  const { low, high } = summary;
  return {
    ...summary,
    low: low === null ? null : Math.max(least, low),
    high: high === null ? null : Math.min(most, high),
  };
}

/**
 * Wilson's score interval (95%) for a proportion of which `k` of `n` were seen (JASA 22, 1927): unlike
 * p +- 1.96 sd it stays inside 0 to 1 and has a width where k is 0 or n. Nothing seen (n = 0) leaves
 * 0 to 1. Throws RangeError unless k and n are whole numbers with 0 <= k <= n.
 */
export function wilson(k: number, n: number): { readonly low: number; readonly high: number } {
  if (!Number.isInteger(k) || !Number.isInteger(n) || k < 0 || k > n) {
    throw new RangeError(`expected whole numbers 0 <= k <= n but received k = ${k}, n = ${n}`);
  }
  if (n === 0) return { low: 0, high: 1 };
  const z = normalQuantile((1 + CONFIDENCE) / 2);
  const centre = (k + z ** 2 / 2) / (n + z ** 2);
  const half = (z / (n + z ** 2)) * Math.sqrt((k * (n - k)) / n + z ** 2 / 4);
  // Equal on paper at the ends; rounding would leave 1e-17.
  return { low: k === 0 ? 0 : centre - half, high: k === n ? 1 : centre + half };
}

/** A mean over images with its 95% bootstrap interval. */
export interface BootstrapInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** The number of images. */
  readonly n: number;
}

/**
 * How far a mean over validation images could move with other images of the same kind: images are drawn
 * anew with replacement, `repeats` times [10,000], from the stream «images» of `seed` [0], and the 95%
 * interval lies between the percentiles of their means (Efron and Tibshirani, 1993, chapter 13).
 *
 * `perImage[i]` is the mean over seeds of (arm right) - (baseline right) on image i, from -1 to 1. Most
 * are 0, and a resample can only repeat what was seen: four images won and none lost would exclude 0,
 * where McNemar's exact p is 0.125, and no image won or lost would leave an interval without width. So
 * one image for each arm joins the drawing, as in Agresti and Min (Statistics in Medicine 24, 2005):
 * its plain percentiles then held the truth in at least 95% of simulated comparisons for 10 to 400
 * images, and where nothing differs in n images it leaves about 3 / n either way. BCa would not
 * help: its bias and acceleration come from the same few images.
 *
 * Throws RangeError for no images and for values outside -1 to 1.
 */
export function bootstrapMeanOverImages(
  perImage: ArrayLike<number>,
  { seed = 0, repeats = 10_000 }: { readonly seed?: number; readonly repeats?: number } = {},
): BootstrapInterval {
  const n = perImage.length;
  const centre = mean(perImage);
  const drawn = Float64Array.from({ length: n + 2 }, (_, i) => perImage[i] ?? (i === n ? 1 : -1));
  // A mean over seeds is 1 only up to rounding.
  const outside = drawn.find((value) => Math.abs(value) > 1 + 1e-9);
  if (outside !== undefined) throw new RangeError(`expected values from -1 to 1 but received ${outside}`);

  const stream = randomStream(seed, 'images');
  const means = new Float64Array(repeats);
  for (let repeat = 0; repeat < repeats; repeat++) {
    let sum = 0;
    for (let k = 0; k < drawn.length; k++) sum += drawn[stream.integer(drawn.length)] ?? NaN;
    means[repeat] = sum / drawn.length;
  }
  means.sort();
  const tail = (1 - CONFIDENCE) / 2;
  return { mean: centre, low: quantile(means, tail), high: quantile(means, 1 - tail), n };
}

/**
 * As `bootstrapMeanOverImages`, of the mean over classes of the mean over a class's images: as many images of each class as there are
 * are drawn from that class. The two joining images are a group of their own, and weigh what an image does at root mean square.
 * @param labels the class of each image
 */
export function bootstrapMeanOverClasses(
  perImage: ArrayLike<number>,
  labels: readonly number[],
  { seed = 0, repeats = 10_000 }: { readonly seed?: number; readonly repeats?: number } = {},
): BootstrapInterval {
  const groups = [...new Set(labels)].map((label) =>
    Float64Array.from(labels.flatMap((other, i) => (other === label ? [perImage[i] ?? NaN] : []))),
  );
  const centre = mean(groups.map((group) => mean(group)));
  const n = labels.length;
  const joining = Math.sqrt(groups.reduce((sum, { length }) => sum + 1 / length, 0) / n) / groups.length;
  const stream = randomStream(seed, 'images by class');
  const means = new Float64Array(repeats);
  for (let repeat = 0; repeat < repeats; repeat++) {
    let total = 0;
    for (const group of groups) {
      let sum = 0;
      for (let k = 0; k < group.length; k++) sum += group[stream.integer(group.length)] ?? NaN;
      total += sum / group.length / groups.length;
    }
    for (let k = 0; k < 2; k++) total += stream.integer(2) === 0 ? joining : -joining;
    means[repeat] = total;
  }
  means.sort();
  const tail = (1 - CONFIDENCE) / 2;
  return { mean: centre, low: quantile(means, tail), high: quantile(means, 1 - tail), n };
}

/** Linear between the order statistics of a sorted array (Hyndman and Fan's type 7). */
function quantile(sorted: Float64Array, p: number): number {
  const position = p * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? NaN;
  const above = sorted[Math.ceil(position)] ?? NaN;
  return below + (above - below) * (position - Math.floor(position));
}
