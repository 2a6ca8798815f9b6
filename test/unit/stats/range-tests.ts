import { readFileSync } from 'node:fs';
import { randomStream } from '../../../src/random.js';
import { type RangeCurve, smooth } from '../../../src/stats/range/curve.js';
import { rangeStop } from '../../../src/stats/range/stop.js';

/** Rates and raw losses of a range test. */
export interface Sweep {
  readonly classes: number;
  readonly learningRates: readonly number[];
  readonly losses: readonly number[];
}

/** The sweeps recorded with the suggestion oracle; NaN where it holds null. */
export const recorded: Readonly<Record<string, Sweep & { readonly stoppedAfter: number }>> =
  Object.fromEntries(
    Object.entries(
      (
        JSON.parse(readFileSync(new URL('../../golden/oracles/suggest.json', import.meta.url), 'utf8')) as {
          curves: Record<
            string,
            { lr: number[]; raw_loss: (number | null)[]; stopped_after_ema98_x4: number }
          >;
        }
      ).curves,
    ).map(([name, { lr, raw_loss, stopped_after_ema98_x4: stoppedAfter }]) => [
      name,
      { classes: 2, learningRates: lr, losses: raw_loss.map((l) => l ?? NaN), stoppedAfter },
    ]),
  );

/** A recorded range test, and the 1cycle maxima that were within a point of a grid's best for so many steps. */
export interface MeasuredTest {
  readonly name: string;
  readonly classes: number;
  readonly curves: readonly RangeCurve[];
  readonly steps: number;
  readonly low: number;
  readonly high: number;
}

/** Range tests of this program beside what trainings with a grid of rates then found. */
export const measured: readonly MeasuredTest[] = (
  JSON.parse(readFileSync(new URL('../../golden/range-tests.json', import.meta.url), 'utf8')) as {
    tests: {
      name: string;
      classes: number;
      learningRates: number[];
      losses: number[][];
      best: { steps: number; low: number; high: number }[];
    }[];
  }
).tests.flatMap(({ name, classes, learningRates, losses, best }) => {
  const curves = losses.map((seed, i) => asCurve({ classes, learningRates, losses: seed }, i));
  return best.map((known) => ({ name, classes, curves, ...known }));
});

/**
 * A sweep from 1e-7 to 10 whose loss falls from ln(classes) by 40%, fastest at `steepest`, is lowest near
 * `lowest`, and is back at ln(classes) from `collapse` on.
 */
export function collapsing(
  steps: number,
  classes: number,
  rates: { readonly steepest: number; readonly lowest: number; readonly collapse: number },
): Sweep {
  const chance = Math.log(classes);
  const learningRates = Array.from({ length: steps }, (_, i) => 1e-7 * 1e8 ** (i / (steps - 1)));
  const width = Math.log(rates.lowest / rates.steepest) / 3;
  const losses = learningRates.map((rate) => {
    const fallen = 1 / (1 + Math.exp(-Math.log(rate / rates.steepest) / width));
    const loss = chance * (1 - 0.4 * fallen);
    const along = Math.log(rate / rates.lowest) / Math.log(rates.collapse / rates.lowest);
    return loss + (chance - loss) * Math.min(1, Math.max(0, along)) ** 2;
  });
  return { classes, learningRates, losses };
}

/** The sweep with normal multiplicative noise of standard deviation `noise`, reproducible by `draw`. */
export function noisy(sweep: Sweep, noise: number, ...draw: readonly (string | number)[]): Sweep {
  const stream = randomStream(0, 'noise', ...draw);
  // Box and Muller; 1 - u keeps the logarithm finite.
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - stream.uniform())) * Math.cos(2 * Math.PI * stream.uniform());
  return { ...sweep, losses: sweep.losses.map((loss) => loss * (1 + noise * normal())) };
}

/** What find-lr records of a sweep: smoothed with beta 0.98, and ended by the stop rule. */
export function asCurve({ classes, learningRates, losses }: Sweep, seed = 0): RangeCurve {
  const rule = rangeStop({ classes });
  const smoothed = smooth(losses, 0.98);
  let state = rule.initialState;
  const points = [];
  for (const [step, loss] of losses.entries()) {
    points.push({ step, learningRate: learningRates[step]!, loss, smoothedLoss: smoothed[step]! });
    state = rule.observe(state, { step, smoothedLoss: smoothed[step]!, rawLoss: loss });
    if (state.stop !== 'end') break;
  }
  return { seed, points, divergedAt: state.at, stop: state.stop };
}
