// Does `compare` claim what is not there, and does it see what is? On one core that is otherwise idle: about five minutes.
//
//   npm run bench:calibration [-- --repeats 10000 --power-repeats 4000]
//   npm run bench:calibration -- --real [--photos DIR] [--runs DIR]      trains some hundred small runs as well
//
// 1. False claims: one policy against itself in 64 simulated worlds, 3 to 20 seeds, 30 to 4,000 images, four
//    spreads. Three rules side by side: Student's t over seeds alone, the former rule (seeds and images added as
//    squares) and the crossed interval that `compare` prints.
//    Then the same for balanced accuracy, on classes of which the largest has ten times the images of the smallest, and for
//    plain accuracy of the same comparisons.
// 2. Power: the same worlds with an arm that is truly better by about 3 points, 10 seeds; and by about 2 points, 400
//    images. Beside it what `compare --plan` would say.
//
// Fails (exit 1) where balanced accuracy is claimed different in more than 6.5% of any world of uneven classes, where the crossed interval claims in fewer than 1.5% or more than 6% of any world of 1, in fewer
// than 4% or more than 6% on average over those with at least 5 seeds and 150 images, or where its mean power is
// below 1.2 times the former rule's.
import { parseArgs } from 'node:util';
import { randomStream } from '../../src/random.js';
import { claimPower, spreadOf } from '../../src/stats/claim-power.js';
import { balancedDifference, crossedDifference, meanSquares } from '../../src/stats/crossed.js';
import { mean } from '../../src/stats/describe.js';
import { tQuantile } from '../../src/stats/distributions.js';
import { stepsToTarget, superConvergence } from '../../src/stats/times.js';
import { realCalibration } from './calibration-real.js';
import {
  claimsOfFormerRule,
  simulate,
  type SimulatedSums,
  simulateUneven,
  type World,
} from './calibration-runs.js';

const { values } = parseArgs({
  options: {
    repeats: { type: 'string', default: '10000' },
    'power-repeats': { type: 'string', default: '4000' },
    real: { type: 'boolean', default: false },
    photos: { type: 'string' },
    runs: { type: 'string' },
  },
});

const SEEDS = [3, 5, 10, 20];
const IMAGES = [30, 150, 400, 4000];
/** Spreads over seeds and over images, in logits: none; of seeds; of both; and wide ones. */
const SPREADS = [
  [0, 0],
  [0.2, 0],
  [0.2, 1],
  [0.7, 6],
] as const;

const failures: string[] = [];
const say = (text: string) => process.stdout.write(`${text}\n`);
const percent = (share: number) => `${(100 * share).toFixed(1)}%`.padStart(6);
const worldName = ({ seeds, images, seedSpread, imageSpread }: World) =>
  `${String(seeds).padStart(5)} ${String(images).padStart(6)} ${String(seedSpread).padStart(9)} ${String(imageSpread).padStart(6)}`;

/** How often each rule claims, and the mean squares that the world has on average. */
function judge(world: World, repeats: number) {
  const counts = { seedsAlone: 0, former: 0, crossed: 0, formerRight: 0, crossedRight: 0, points: 0 };
  const squares = { seeds: 0, images: 0, residual: 0 };
  for (const sums of simulate(world, repeats)) {
    const { mean: difference, pValue } = crossedDifference(sums);
    if (claimsOverSeeds(sums)) counts.seedsAlone++;
    const former = claimsOfFormerRule(sums);
    const crossed = pValue !== null && pValue <= 0.05;
    if (former) counts.former++;
    if (crossed) counts.crossed++;
    if (former && difference > 0) counts.formerRight++;
    if (crossed && difference > 0) counts.crossedRight++;
    counts.points += difference;
    const { seeds, images, residual } = meanSquares(sums);
    squares.seeds += seeds / repeats;
    squares.images += images / repeats;
    squares.residual += residual / repeats;
  }
  const share = (count: number) => count / repeats;
  return {
    seedsAlone: share(counts.seedsAlone),
    former: share(counts.former),
    crossed: share(counts.crossed),
    formerRight: share(counts.formerRight),
    crossedRight: share(counts.crossedRight),
    difference: share(counts.points),
    squares,
  };
}

/** Student's t over the seeds' differences, as if no other images could have been held out. */
function claimsOverSeeds(sums: SimulatedSums): boolean {
  const { seeds: S, images: N, total } = sums;
  const error = Math.sqrt(meanSquares(sums).seeds / (S * N));
  return error > 0 && Math.abs(total / (S * N)) / error > tLevel(S - 1);
}

const levels = new Map<number, number>();
function tLevel(df: number): number {
  const level = levels.get(df) ?? tQuantile(0.975, df);
  levels.set(df, level);
  return level;
}

function falseClaims(repeats: number): void {
  say(`False claims: one policy against itself, ${repeats} simulated comparisons a world.`);
  say('seeds images  spread of   of    t over  former crossed');
  say('              seeds    images    seeds    rule');
  const typical: number[] = [];
  for (const [seedSpread, imageSpread] of SPREADS) {
    for (const seeds of SEEDS) {
      for (const images of IMAGES) {
        const world = { seeds, images, seedSpread, imageSpread, advantage: 0 };
        const { seedsAlone, former, crossed } = judge(world, repeats);
        say(`${worldName(world)}   ${percent(seedsAlone)}  ${percent(former)}  ${percent(crossed)}`);
        if (crossed < 0.015 || crossed > 0.06) {
          failures.push(`false claims in ${percent(crossed)} of the world ${worldName(world)}`);
        }
        if (seeds >= 5 && images >= 150) typical.push(crossed);
      }
    }
  }
  say(
    `mean of the crossed interval over worlds with 5 or more seeds and 150 or more images: ${percent(mean(typical))}`,
  );
  if (mean(typical) < 0.04 || mean(typical) > 0.06)
    failures.push(`mean of the false claims: ${mean(typical)}`);
}

/** Images of each class, the largest class ten times the smallest, and two even ones. */
const CLASSES: readonly (readonly [string, readonly number[]])[] = [
  ['50, 5', [50, 5]],
  ['300, 30', [300, 30]],
  ['5 of 40 to 4', geometric(5, 40, 4)],
  ['5 of 100 to 10', geometric(5, 100, 10)],
  ['5 of 1,000 to 100', geometric(5, 1000, 100)],
  ['10 of 100 to 10', geometric(10, 100, 10)],
  ['9 of 100, 1 of 10', [...Array<number>(9).fill(100), 10]],
  ['5 of 40', Array<number>(5).fill(40)],
];

function geometric(classes: number, most: number, least: number): number[] {
  return Array.from({ length: classes }, (_, c) => Math.round(most * (least / most) ** (c / (classes - 1))));
}

/** Spreads over seeds, over images, and over seeds and classes, in logits. */
const UNEVEN_SPREADS = [
  [0, 0, 0],
  [0.2, 0, 0],
  [0.2, 1, 0.3],
  [0.7, 6, 0.5],
] as const;

function unevenClaims(repeats: number): void {
  say(
    `\nUneven classes: one policy against itself, ${repeats} simulated comparisons a world; balanced (plain) accuracy.`,
  );
  say(
    `spread of seeds, images, classes; classes        ${SEEDS.map((seeds) => `${seeds} seeds`.padStart(14)).join('')}`,
  );
  const all: number[] = [];
  for (const [seedSpread, imageSpread, classSpread] of UNEVEN_SPREADS) {
    for (const [name, sizes] of CLASSES) {
      const cells = SEEDS.map((seeds) => {
        const world = { seeds, sizes, seedSpread, imageSpread, classSpread, advantage: 0 };
        let [balanced, plain] = [0, 0];
        for (const made of simulateUneven(world, repeats)) {
          if ((balancedDifference(made.balanced).pValue ?? 1) <= 0.05) balanced++;
          if ((crossedDifference(made.sums).pValue ?? 1) <= 0.05) plain++;
        }
        all.push(balanced / repeats);
        if (balanced / repeats > 0.065) {
          failures.push(
            `false claims of balanced accuracy in ${percent(balanced / repeats)}: ${name}, ${seeds} seeds`,
          );
        }
        return `${percent(balanced / repeats)} (${percent(plain / repeats).trim()})`.padStart(14);
      });
      say(
        `${[seedSpread, imageSpread, classSpread].map((spread) => String(spread).padStart(4)).join('')}  ${name.padEnd(32)}${cells.join('')}`,
      );
    }
  }
  say(`balanced accuracy: mean ${percent(mean(all))}, highest ${percent(Math.max(...all))}`);
}

/**
 * How often each rule claims the better arm; answers the mean over the worlds of the crossed over that of the former
 * rule. An advantage of 0.3 logits is about 3 points of accuracy, one of 0.19 about 2.
 */
function power(
  repeats: number,
  advantage: number,
  sizes: readonly Pick<World, 'seeds' | 'images'>[],
): number {
  say(`\nPower: an arm that is better by ${advantage} logits, ${repeats} simulated comparisons a world.`);
  say('seeds images  spread of   of    points  former crossed  --plan');
  say('              seeds    images            rule');
  const [former, crossed]: [number[], number[]] = [[], []];
  for (const [seedSpread, imageSpread] of SPREADS) {
    for (const { seeds, images } of sizes) {
      const world = { seeds, images, seedSpread, imageSpread, advantage };
      const { formerRight, crossedRight, difference, squares } = judge(world, repeats);
      const planned = claimPower(difference, spreadOf(squares, seeds, images), seeds);
      const shares = [formerRight, crossedRight, planned].map(percent).join('  ');
      say(`${worldName(world)}    ${(100 * difference).toFixed(1).padStart(5)}  ${shares}`);
      former.push(formerRight);
      crossed.push(crossedRight);
    }
  }
  const ratio = mean(crossed) / mean(former);
  say(
    `mean power: former ${percent(mean(former))}, crossed ${percent(mean(crossed))}, ${ratio.toFixed(2)} times`,
  );
  return ratio;
}

/** Curves that climb to 0.7, of runs with a level of their own and noise in every epoch. */
function factors(repeats: number): void {
  say(`\nSuper-convergence factor: one policy against itself, ${repeats} simulated comparisons a line.`);
  say('seeds epochs  target      interval  without 1');
  const stream = randomStream(0, 'factors');
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - stream.uniform())) * Math.cos(2 * Math.PI * stream.uniform());
  const run = (epochs: number) => {
    const level = 0.7 + 0.01 * normal();
    return Array.from({ length: epochs }, (_, i) => ({
      step: 32 * (i + 1),
      accuracy: level - 0.3 * Math.exp((-3 * (i + 1)) / epochs) + 0.005 * normal(),
    }));
  };
  for (const target of [0.65, null]) {
    for (const epochs of [5, 20]) {
      for (const seeds of SEEDS) {
        let [bounded, without] = [0, 0];
        for (let repeat = 0; repeat < repeats; repeat++) {
          const [arm, baseline] = [0, 1].map(() => Array.from({ length: seeds }, () => run(epochs)));
          const aim = target ?? mean(baseline!.map((curve) => curve.at(-1)!.accuracy));
          const budget = { armBudget: 32 * epochs, baselineBudget: 32 * epochs };
          const pairs = arm!.map((curve, i) => ({
            arm: stepsToTarget(curve, aim),
            baseline: stepsToTarget(baseline![i]!, aim),
            ...budget,
          }));
          const { low = null, high = null } = superConvergence(pairs, aim) ?? {};
          if (low !== null || high !== null) bounded++;
          if ((low ?? 0) > 1 || (high ?? Infinity) < 1) without++;
        }
        const name = target === null ? "baseline's" : String(target).padEnd(10);
        say(
          `${String(seeds).padStart(5)} ${String(epochs).padStart(6)}  ${name}    ${percent(bounded / repeats)}     ${percent(without / repeats)}`,
        );
        if (without / repeats > 0.07)
          failures.push(`the factor's interval leaves out 1 in ${without} of ${repeats}`);
      }
    }
  }
}

falseClaims(Number(values.repeats));
unevenClaims(Number(values.repeats));
const powerRepeats = Number(values['power-repeats']);
const tenSeeds = IMAGES.map((images) => ({ seeds: 10, images }));
const ratio = power(powerRepeats, 0.3, tenSeeds);
if (ratio < 1.2)
  failures.push(`the crossed interval has ${ratio.toFixed(2)} times the former power, not 1.2`);
const photographs = SEEDS.map((seeds) => ({ seeds, images: 400 }));
power(powerRepeats, 0.19, photographs);
factors(powerRepeats);
if (values.real) await realCalibration({ photos: values.photos, runs: values.runs, say, failures });

for (const failure of failures) say(`FAILED: ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;
