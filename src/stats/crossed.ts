import { CONFIDENCE } from './describe.js';
import { SIGN_FLIPS_REACH_5_PERCENT, signFlipP } from './difference.js';
import { tCdf, tQuantile } from './distributions.js';

/**
 * What two arms differ by when every seed is scored on every image, with an interval for other seeds and other
 * images of the same kind.
 */
export interface CrossedDifference {
  /** (arm right) - (baseline right), mean over seeds and images: a difference of accuracies, from -1 to 1. */
  readonly mean: number;
  /** The 95% interval of the mean; null where the seeds cannot bound it. */
  readonly low: number | null;
  readonly high: number | null;
  /** Two-sided; null for one seed. */
  readonly pValue: number | null;
  /** Of the t distribution behind the interval and p, rarely a whole number; null where there is no interval. */
  readonly degreesOfFreedom: number | null;
  /** What the mean's variance is made of; null where there is no interval. */
  readonly varianceShares: VarianceShares | null;
  /** `sign flip`: fewer than six seeds, with the same answers from all of them. */
  readonly method: 'crossed' | 'sign flip';
  /** The number of seeds. */
  readonly n: number;
  readonly images: number;
}

/** Shares of the variance of a mean over seeds and images; they add to 1. */
export interface VarianceShares {
  /** What a seed does to all images alike: falls with more seeds. */
  readonly seeds: number;
  /** What an image does under all seeds alike: falls with more images. */
  readonly images: number;
  /** One seed's luck on one image: falls with more of either. */
  readonly residual: number;
}

/** What would make an interval narrower: more seeds take their share and the residual's away, more images likewise. */
export type MoreOf = 'seeds' | 'images' | 'both';

/** What is worth having more of: twice as many of what has less than a quarter take an eighth off the variance at most. */
export function moreOf({ seeds, images, residual }: VarianceShares): MoreOf {
  if (seeds + residual < HARDLY) return 'images';
  return images + residual < HARDLY ? 'seeds' : 'both';
}

const HARDLY = 0.25;

/** The sums over a table of seeds by images, entries d in {-1, 0, 1}, from which everything here follows. All whole. */
export interface CrossedSums {
  readonly seeds: number;
  readonly images: number;
  /** Of all entries. */
  readonly total: number;
  /** Of the squares of the seeds' totals, and of the images' totals. */
  readonly seedSquares: number;
  readonly imageSquares: number;
  /** Entries that are not 0. */
  readonly discordant: number;
  /** Images whose total is not 0. */
  readonly differing: number;
}

/**
 * Sums a table of (arm right) - (baseline right).
 * @param rows a row a seed, a column an image, entries -1, 0 or 1
 * @throws RangeError for an empty table, rows of different length and other entries
 */
export function crossedSums(rows: readonly ArrayLike<number>[]): CrossedSums {
  const images = rows[0]?.length ?? 0;
  if (images === 0) throw new RangeError('expected at least one seed and one image');
  const columns = new Float64Array(images);
  let [total, seedSquares, discordant] = [0, 0, 0];
  for (const row of rows) {
    if (row.length !== images) throw new RangeError(`expected ${images} images but received ${row.length}`);
    let sum = 0;
    for (let i = 0; i < images; i++) {
      const d = row[i] ?? NaN;
      if (d !== 0 && d !== 1 && d !== -1) throw new RangeError(`expected -1, 0 or 1 but received ${d}`);
      sum += d;
      columns[i] = (columns[i] ?? 0) + d;
      if (d !== 0) discordant++;
    }
    total += sum;
    seedSquares += sum * sum;
  }
  const imageSquares = columns.reduce((sum, value) => sum + value * value, 0);
  const differing = columns.filter((value) => value !== 0).length;
  return { seeds: rows.length, images, total, seedSquares, imageSquares, discordant, differing };
}

/** Mean squares of the two-way layout with one entry a cell; at least two seeds and two images. */
export interface MeanSquares {
  readonly seeds: number;
  readonly images: number;
  readonly residual: number;
}

/**
 * The analysis of variance of d[s, i] = mean + seed[s] + image[i] + residual[s, i], S seeds and N images:
 *
 *     MS_seeds    = N sum_s (mean of s - mean)^2 / (S - 1)
 *     MS_images   = S sum_i (mean of i - mean)^2 / (N - 1)
 *     MS_residual = sum_si (d - mean of s - mean of i + mean)^2 / ((S - 1)(N - 1))
 *
 * whose expectations are N var_seed + var_residual, S var_image + var_residual and var_residual (Searle, Casella
 * and McCulloch, «Variance Components», 1992, section 4.7). Computed from whole numbers, so that 0 is exactly 0.
 */
export function meanSquares(sums: CrossedSums): MeanSquares {
  const { seeds: S, images: N, total, seedSquares, imageSquares, discordant } = sums;
  if (S < 2 || N < 2)
    throw new RangeError(`expected at least 2 seeds and 2 images but received ${S} and ${N}`);
  const cells = S * N;
  return {
    seeds: (S * seedSquares - total * total) / cells / (S - 1),
    images: (N * imageSquares - total * total) / cells / (N - 1),
    residual:
      (cells * discordant - S * seedSquares - N * imageSquares + total * total) / cells / ((S - 1) * (N - 1)),
  };
}

/**
 * The interval of a mean over S seeds and N images, both drawn at random and crossed:
 *
 *     var(mean) = (MS_seeds + MS_images - MS_residual) / (S N)
 *
 * The residual is in both other mean squares and is taken away once (Searle, Casella and McCulloch 1992; the same
 * for readers and cases: Obuchowski and Rockette, Communications in Statistics - Simulation 24, 1995; Gallas,
 * Academic Radiology 13, 2006). Three things are added, each for a fault that simulation shows
 * (`npm run bench:calibration`):
 *
 * 1. Least variance. The difference of mean squares can come out far too small, even negative. It counts as at
 *    least 0.4 of the larger of MS_seeds and MS_images. With the whole instead of 0.4, a comparison of three or five
 *    seeds that have no effect of their own claims in 1 to 2 of 100 cases instead of 5.
 * 2. Degrees of freedom. Satterthwaite's (Biometrics Bulletin 2, 1946) are 1 / sum((MS / variance)^2 / df). Few seeds
 *    whose mean square happens to be small make the variance small and these degrees many, both at once: three
 *    seeds then claim in 7 of 100 cases, two in 11. Without the square, 1 / sum((MS / variance) / df), which is to
 *    first order Cochran and Cox's mean of t quantiles weighted by variance («Experimental Designs», 1957, section
 *    4.14), it is at most 6. Two seeds have a single degree, and take the root of the ratio: at most 7.
 * 3. Few images. Four images won under all seeds and none lost would exclude 0, where the exact p is 0.125. So, as in
 *    Agresti and Min (Statistics in Medicine 24, 2005), an image for each arm joins the mean square of the images,
 *    as large as those that differ are at root mean square, and shrunk by what of an image's mean other seeds would
 *    repeat, 1 - MS_residual / MS_images (Searle et al., chapter 7). Where no image differs, it is a whole image:
 *    nothing seen in n images leaves about 3 / n.
 *
 * One seed has neither interval nor p. Where fewer than six seeds all give the same answers, what a seed changes was
 * not seen at all: no interval, and Fisher's sign-flip p = 2 / 2^S (1 where the mean is 0), which six seeds bring
 * below 0.05. Throws RangeError for a single image.
 */
export function crossedDifference(sums: CrossedSums): CrossedDifference {
  const { seeds: S, images: N, total } = sums;
  const mean = total / (S * N);
  if (S === 1) return oneSeed(mean, N);
  const observed = meanSquares(sums);
  const alike = observed.seeds === 0 && observed.residual === 0;
  const squares = { ...observed, images: observed.images + joiningImages(observed, sums) };
  return judged(mean, squares, { S, N, alike, imageDegrees: N - 1 });
}

/** A single seed's difference, which has neither interval nor p. */
function oneSeed(mean: number, images: number): CrossedDifference {
  const open = { low: null, high: null, degreesOfFreedom: null, varianceShares: null };
  return { mean, ...open, pValue: null, method: 'crossed', n: 1, images };
}

/** What the interval of a mean rests on beside its mean squares. */
interface CrossedLayout {
  readonly S: number;
  readonly N: number;
  /** Whether all seeds give the same answers. */
  readonly alike: boolean;
  /** Degrees of freedom of the mean square of the images. */
  readonly imageDegrees: number;
}

/** The interval and p that belong to mean squares of several seeds, the joining images included. */
function judged(
  mean: number,
  squares: MeanSquares,
  { S, N, alike, imageDegrees }: CrossedLayout,
): CrossedDifference {
  const signFlip = alike ? signFlipP(mean, S) : 0;
  if (alike && S < SIGN_FLIPS_REACH_5_PERCENT) {
    const open = { low: null, high: null, degreesOfFreedom: null, varianceShares: null };
    return { mean, ...open, pValue: signFlip, method: 'sign flip', n: S, images: N };
  }
  const { variance, degreesOfFreedom } = varianceOfMean(squares, S, N, imageDegrees);
  const error = Math.sqrt(variance);
  const half = tQuantile((1 + CONFIDENCE) / 2, degreesOfFreedom) * error;
  return {
    mean,
    // No difference of accuracies is larger.
    low: Math.max(-1, mean - half),
    high: Math.min(1, mean + half),
    // As many seeds as gave the same answers cannot be surer than their signs.
    pValue: Math.max(signFlip, 2 * tCdf(-Math.abs(mean) / error, degreesOfFreedom)),
    degreesOfFreedom,
    varianceShares: sharesOf(squares),
    method: 'crossed',
    n: S,
    images: N,
  };
}

/** What Agresti and Min's two images add to the mean square of the images. */
function joiningImages({ images, residual }: MeanSquares, sums: CrossedSums): number {
  const { seeds: S, images: N, imageSquares, differing } = sums;
  if (differing === 0) return (2 * S) / (N - 1);
  const repeated = images > 0 ? Math.max(0, 1 - residual / images) : Number(residual === 0);
  return (repeated ** 2 * 2 * imageSquares) / S / differing / (N - 1);
}

/**
 * The variance of the mean, with its degrees of freedom, from mean squares of S seeds and N images.
 * @param imageDegrees of freedom of the images' mean square
 */
export function varianceOfMean(
  { seeds, images, residual }: MeanSquares,
  S: number,
  N: number,
  imageDegrees = N - 1,
): { readonly variance: number; readonly degreesOfFreedom: number } {
  const sum = Math.max(seeds + images - residual, LEAST_OF_ONE * Math.max(seeds, images)) || residual;
  const part = (square: number, df: number) => (square / sum) ** Math.min(1, df / 2) / df;
  const inverse = part(seeds, S - 1) + part(images, imageDegrees) + part(residual, (S - 1) * imageDegrees);
  return { variance: sum / (S * N), degreesOfFreedom: 1 / inverse };
}

const LEAST_OF_ONE = 0.4;

/** Variance components below 0 count as 0 (Searle, Casella and McCulloch 1992, section 4.4). */
function sharesOf({ seeds, images, residual }: MeanSquares): VarianceShares {
  const parts = [Math.max(0, seeds - residual), Math.max(0, images - residual), residual] as const;
  const sum = parts[0] + parts[1] + parts[2];
  return { seeds: parts[0] / sum, images: parts[1] / sum, residual: parts[2] / sum };
}

/** The sums of a table class by class, from which a difference of balanced accuracies follows. */
export interface BalancedSums {
  readonly seeds: number;
  /** Of all classes. */
  readonly images: number;
  /** Of each class that has images. */
  readonly classes: readonly CrossedSums[];
  /** Of each seed the difference of balanced accuracies: the mean over classes of the mean over a class's images. */
  readonly scores: readonly number[];
}

/**
 * Sums a table of (arm right) - (baseline right) class by class.
 * @param rows as `crossedSums` takes them
 * @param labels the class of each image
 * @throws RangeError as `crossedSums` does, and where there are not as many labels as images
 */
export function balancedSums(rows: readonly ArrayLike<number>[], labels: readonly number[]): BalancedSums {
  const images = rows[0]?.length ?? 0;
  if (labels.length !== images)
    throw new RangeError(`expected ${images} labels but received ${labels.length}`);
  const tables = [...new Set(labels)].map((label) => {
    const own = labels.flatMap((other, i) => (other === label ? [i] : []));
    return rows.map((row) => own.map((i) => row[i] ?? NaN));
  });
  const classes = tables.map(crossedSums);
  const scores = rows.map((_, seed) => {
    const means = tables.map(
      (table) => (table[seed] ?? []).reduce((sum, d) => sum + d, 0) / (table[seed]?.length ?? 1),
    );
    return means.reduce((sum, value) => sum + value, 0) / means.length;
  });
  return { seeds: rows.length, images, classes, scores };
}

/** Mean squares of a balanced difference, and the degrees of freedom that those of the images have. */
export interface BalancedSquares {
  readonly squares: MeanSquares;
  readonly imageDegrees: number;
}

/**
 * Mean squares for a difference of balanced accuracies, in the unit of `meanSquares`: what S N times the variance of the mean is
 * made of, so that all that is made of those can be made of these. At least two seeds, and a class with two images.
 *
 * The mean is that of a stratified sample (Cochran, «Sampling Techniques», 1977, section 5.3), with the C classes as strata of
 * equal weight. Within class c the model is that of `meanSquares`, d[s, i] = mean[c] + seed[s, c] + image[i] + residual[s, i], where a
 * seed may do other things to other classes, and the images of different classes are independent:
 *
 *     var(mean) = var_s(mean over c of seed[s, c]) / S + sum_c (var_image[c] / n_c + var_residual[c] / (S n_c)) / C^2
 *
 * The variance over seeds of a seed's score holds the first term times S and what single answers add to it; the classes' mean squares of
 * images and of residuals hold the others:
 *
 *     MS_seeds    = N var_s(score of s)
 *     MS_images   = N sum_c MS_images[c] / (n_c C^2)
 *     MS_residual = N sum_c MS_residual[c] / (n_c C^2)
 *
 * and with one class they are those of `meanSquares`. A class of few images may differ in none of them by chance, and then claims to
 * know its mean exactly. So each class's mean square is held together with the pooled one of all classes as if that were of
 * `BORROWED` images more.
 *
 * The images' degrees of freedom are as for the sum of the three: 1 / sum_c(share of c / degrees of c).
 */
export function balancedSquares({ seeds: S, images: N, classes, scores }: BalancedSums): BalancedSquares {
  const mean = scores.reduce((sum, score) => sum + score, 0) / S;
  const spread = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / (S - 1);
  const own = classes.map((sums) => {
    const degrees = sums.images - 1;
    return { sums, degrees, squares: degrees > 0 ? meanSquares(sums) : { seeds: 0, images: 0, residual: 0 } };
  });
  const all = own.reduce((sum, { degrees }) => sum + degrees, 0);
  const pooled = (part: 'images' | 'residual') =>
    own.reduce((sum, { squares, degrees }) => sum + degrees * squares[part], 0) / all;
  const [pooledImages, pooledResidual] = [pooled('images'), pooled('residual')];
  const parts = own.map(({ sums, degrees, squares }) => {
    const share = N / (sums.images * classes.length ** 2);
    const held = (value: number, common: number) =>
      (share * (degrees * value + BORROWED * common)) / (degrees + BORROWED);
    return {
      degrees: Math.min(all, degrees + BORROWED),
      images: held(squares.images, pooledImages),
      residual: held(squares.residual, pooledResidual),
    };
  });
  const images = parts.reduce((sum, part) => sum + part.images, 0);
  const residual = parts.reduce((sum, part) => sum + part.residual, 0);
  const inverse = parts.reduce((sum, part) => sum + part.images / part.degrees, 0) / images;
  return {
    squares: { seeds: spread <= ROUNDING ? 0 : N * spread, images, residual },
    imageDegrees: images > 0 ? 1 / inverse : all,
  };
}

/**
 * What the two joining images of `crossedDifference` add to the mean square of the images: they are of any class, in proportion to its
 * images, and weigh as those do.
 */
function joiningBalanced(
  { images, residual }: MeanSquares,
  { seeds: S, images: N, classes }: BalancedSums,
): number {
  const weight = classes.reduce((sum, own) => sum + 1 / own.images, 0) / classes.length ** 2;
  const differing = classes.reduce((sum, own) => sum + own.differing, 0);
  const joining = (2 * weight * N) / (N - 1);
  if (differing === 0) return S * joining;
  const imageSquares = classes.reduce((sum, own) => sum + own.imageSquares, 0);
  const repeated = images > 0 ? Math.max(0, 1 - residual / images) : Number(residual === 0);
  return (repeated ** 2 * joining * imageSquares) / S / differing;
}

/** Images whose worth of the pooled mean square each class's own is held together with. */
const BORROWED = 4;

/** Variances of scores that are equal on paper. */
const ROUNDING = 1e-24;

/** As `crossedDifference`, of balanced accuracies. */
export function balancedDifference(sums: BalancedSums): CrossedDifference {
  const { seeds: S, images: N, scores } = sums;
  const mean = scores.reduce((sum, score) => sum + score, 0) / S;
  if (S === 1) return oneSeed(mean, N);
  const { squares: observed, imageDegrees } = balancedSquares(sums);
  const alike = observed.seeds === 0 && observed.residual === 0;
  const squares = { ...observed, images: observed.images + joiningBalanced(observed, sums) };
  return judged(mean, squares, { S, N, alike, imageDegrees });
}
