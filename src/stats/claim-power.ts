import { CONFIDENCE, mean } from './describe.js';
import { normalCdf, normalQuantile, tQuantile } from './distributions.js';

/** How far chance moves the difference of two arms, as shares. */
export interface Spread {
  /** Standard deviation of the differences between seeds. */
  readonly sd: number;
  /** Variance over images of their mean difference: what no number of seeds takes away. */
  readonly between: number;
  /** Variance within an image, from seed to seed, of (arm right) - (baseline right). */
  readonly within: number;
  /** The number of validation images. */
  readonly images: number;
}

/**
 * Splits the answers on images into what belongs to the image and what to the seed (one-way analysis of variance).
 * @param rows a row a seed, a column an image, values from -1 to 1; at least two rows and two columns
 */
export function imageVariances(rows: readonly (readonly number[])[]): Pick<Spread, 'between' | 'within'> {
  const images = rows[0]?.length ?? 0;
  if (rows.length < 2 || images < 2) {
    throw new RangeError(`expected at least 2 seeds and 2 images but received ${rows.length} and ${images}`);
  }
  const byImage = Array.from({ length: images }, (_, i) => rows.map((row) => row[i] ?? NaN));
  const within = mean(byImage.map(variance));
  return { within, between: Math.max(0, variance(byImage.map(mean)) - within / rows.length) };
}

function variance(values: readonly number[]): number {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

/**
 * The chance that `verdict` claims a true difference `delta` with `seeds` seeds: the mean must lie outside the
 * interval that adds chance in seeds (Student's t) and in images (normal) as squares. Integrated over the
 * distribution of the seeds' sample deviation. Throws RangeError for fewer than two seeds or an sd that is not
 * positive.
 */
export function claimPower(delta: number, { sd, between, within, images }: Spread, seeds: number): number {
  if (!Number.isInteger(seeds) || seeds < 2)
    throw new RangeError(`expected at least 2 seeds but received ${seeds}`);
  if (!(sd > 0)) throw new RangeError(`expected a standard deviation above 0 but received ${sd}`);
  const df = seeds - 1;
  const level = (1 + CONFIDENCE) / 2;
  const seedHalf = (tQuantile(level, df) * sd) / Math.sqrt(seeds);
  const imageHalf = normalQuantile(level) * Math.sqrt((between + within / seeds) / images);
  const deviation = Math.sqrt(sd ** 2 / seeds + between / images);

  // The sample's deviation in units of sd has density s^(df - 1) exp(-df s^2 / 2) up to a constant.
  const reach = 12 / Math.sqrt(2 * df);
  const from = Math.max(0, 1 - reach);
  const width = (1 + reach - from) / CELLS;
  let claimed = 0;
  let total = 0;
  for (let cell = 0; cell < CELLS; cell++) {
    const s = from + (cell + 0.5) * width;
    const density = Math.exp((df - 1) * Math.log(s) - (df * (s * s - 1)) / 2);
    const half = Math.hypot(seedHalf * s, imageHalf);
    const above = normalCdf((delta - half) / deviation);
    const below = normalCdf((-delta - half) / deviation);
    claimed += density * (above + below);
    total += density;
  }
  return claimed / total;
}

const CELLS = 1000;

/** The fewest seeds with which a true difference `delta` is claimed with probability `power` [0.8]; null where 1,000 are too few. */
export function seedsToClaim(delta: number, spread: Spread, power = 0.8): number | null {
  if (claimPower(delta, spread, MOST_SEEDS) < power) return null;
  let [enough, tooFew] = [MOST_SEEDS, 1];
  while (enough - tooFew > 1) {
    const middle = Math.floor((enough + tooFew) / 2);
    if (claimPower(delta, spread, middle) >= power) enough = middle;
    else tooFew = middle;
  }
  return enough;
}

const MOST_SEEDS = 1000;

/** The validation images that `delta` takes with probability `power` [0.8], were there seeds without end. */
export function imagesToClaim(delta: number, { between }: Pick<Spread, 'between'>, power = 0.8): number {
  const z = normalQuantile((1 + CONFIDENCE) / 2) + normalQuantile(power);
  return Math.ceil(between * (z / delta) ** 2);
}
