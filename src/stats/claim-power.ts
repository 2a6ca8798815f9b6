import { type MeanSquares, varianceOfMean } from './crossed.js';
import { CONFIDENCE } from './describe.js';
import { normalCdf, normalQuantile, tQuantile } from './distributions.js';

/** How far chance moves the difference of two arms, as shares. */
export interface Spread {
  /** Standard deviation of the differences between seeds. */
  readonly sd: number;
  /** Variance over images of what all seeds do alike: no number of seeds takes it away. */
  readonly between: number;
  /** Variance of (arm right) - (baseline right) from one seed and image to the next, beside both of these. */
  readonly within: number;
  /** The number of validation images. */
  readonly images: number;
}

/** The spread behind mean squares of `seeds` seeds and `images` images. */
export function spreadOf(squares: MeanSquares, seeds: number, images: number): Spread {
  return {
    sd: Math.sqrt(squares.seeds / images),
    between: Math.max(0, (squares.images - squares.residual) / seeds),
    within: squares.residual,
    images,
  };
}

/**
 * The chance that the crossed interval of `seeds` seeds (`crossedDifference`) excludes 0 where `delta` is the true
 * difference. Integrated over the distribution of the seeds' sample deviation; the other mean squares, of many more
 * degrees of freedom, stand at what is expected. Throws RangeError for fewer than two seeds or an sd that is not
 * positive.
 */
export function claimPower(delta: number, { sd, between, within, images }: Spread, seeds: number): number {
  if (!Number.isInteger(seeds) || seeds < 2)
    throw new RangeError(`expected at least 2 seeds but received ${seeds}`);
  if (!(sd > 0)) throw new RangeError(`expected a standard deviation above 0 but received ${sd}`);
  const df = seeds - 1;
  // Seeds differ at least by their luck on single images.
  const expected = { seeds: Math.max(images * sd ** 2, within), images: within + seeds * between };
  const deviation = Math.sqrt((expected.seeds + expected.images - within) / (seeds * images));

  // The sample's deviation in units of sd has density s^(df - 1) exp(-df s^2 / 2) up to a constant.
  const reach = 12 / Math.sqrt(2 * df);
  const from = Math.max(0, 1 - reach);
  const width = (1 + reach - from) / CELLS;
  let claimed = 0;
  let total = 0;
  for (let cell = 0; cell < CELLS; cell++) {
    const s = from + (cell + 0.5) * width;
    const density = Math.exp((df - 1) * Math.log(s) - (df * (s * s - 1)) / 2);
    const squares = { seeds: expected.seeds * s * s, images: expected.images, residual: within };
    const { variance, degreesOfFreedom } = varianceOfMean(squares, seeds, images);
    const half = tQuantile((1 + CONFIDENCE) / 2, degreesOfFreedom) * Math.sqrt(variance);
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
