import { execa } from 'execa';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareRuns, imageDifferences, pairsOf, stepsOf } from '../../src/compare/conclude.js';
import { isFinished, readForComparison, type RecordedRun } from '../../src/compare/read.js';
import { permutation, randomStream } from '../../src/random.js';
import { crossedDifference, crossedSums } from '../../src/stats/crossed.js';
import { mean } from '../../src/stats/describe.js';
import { superConvergence } from '../../src/stats/times.js';

const BIN = fileURLToPath(new URL('../../bin/onecycle.js', import.meta.url));

/** Trained runs of one policy, all alike but for the seed. */
const EXPERIMENTS = [
  { name: 'bundled data, head', runs: 180, photos: false, flags: ['--trainable', 'head', '--epochs', '2'] },
  {
    name: 'bundled data, last:11',
    runs: 60,
    photos: false,
    flags: ['--trainable', 'last:11', '--epochs', '2'],
  },
  {
    name: 'photographs, head',
    runs: 180,
    photos: true,
    flags: ['--trainable', 'head', '--epochs', '2', '--image-size', '128'],
  },
] as const;

/** How often the runs are dealt out anew. */
const DEALS = 20;

/** What a bench is given. */
interface RealCalibration {
  /** A folder of photographs beside the bundled data. */
  readonly photos: string | undefined;
  /** Where runs are kept for another time [a temporary folder]. */
  readonly runs: string | undefined;
  readonly say: (text: string) => void;
  /** Takes what is wrong. */
  readonly failures: string[];
}

/**
 * One policy against itself with trained runs. Runs are dealt out at random into comparisons of 3, 5 and 10 seeds that
 * share no run; then they are dealt out anew, since every deal is as good as the first. Comparisons of different
 * deals share runs and are not independent, but the mean over deals varies at most as one deal does: so the interval
 * of a rate is Wilson's for the comparisons of a single deal.
 */
export async function realCalibration({ photos, runs, say, failures }: RealCalibration): Promise<void> {
  const out = runs ?? (await mkdtemp(join(tmpdir(), 'onecycle-calibration-')));
  const all = new Map<number, { claims: number; comparisons: number }>();
  try {
    say(`\nTrained runs of one policy against each other, dealt out ${DEALS} times.`);
    for (const experiment of EXPERIMENTS) {
      if (experiment.photos && photos === undefined) continue;
      const trained = await train(experiment, photos, join(out, experiment.name.replaceAll(/\W+/gu, '-')));
      for (const seeds of [3, 5, 10]) {
        const { claims, factors, comparisons, verdicts } = dealOut(trained, seeds);
        say(`${experiment.name}, ${seeds} seeds: claimed in ${rate(claims, comparisons)}`);
        say(
          `  by the whole verdict in ${verdicts} of the first ${comparisons}; factors without 1 in ${rate(factors, comparisons)}`,
        );
        const sum = all.get(seeds) ?? { claims: 0, comparisons: 0 };
        all.set(seeds, {
          claims: sum.claims + claims * comparisons,
          comparisons: sum.comparisons + comparisons,
        });
      }
    }
    for (const [seeds, { claims, comparisons }] of all) {
      say(`all of ${seeds} seeds: claimed in ${rate(claims / comparisons, comparisons)}`);
      if (interval(claims / comparisons, comparisons).low > 0.05) {
        failures.push(
          `trained runs with ${seeds} seeds: a difference was claimed in ${(100 * claims) / comparisons}%`,
        );
      }
    }
  } finally {
    if (runs === undefined) await rm(out, { recursive: true, force: true });
  }
}

/** Trains what is not there yet. */
async function train(
  { runs, flags, photos: needsPhotos }: (typeof EXPERIMENTS)[number],
  photos: string | undefined,
  out: string,
): Promise<RecordedRun[]> {
  const data = needsPhotos && photos !== undefined ? ['--data', photos] : [];
  const options = ['--policies', '1cycle', '--seeds', String(runs), '--out', out, '--quiet', '--json'];
  await execa(process.execPath, [BIN, 'compare', ...flags, ...data, ...options], { stdout: 'ignore' });
  const folders = (await readdir(out)).filter((name) => !name.startsWith('.'));
  const read = await Promise.all(folders.map((name) => readForComparison(join(out, name))));
  return read.filter(isFinished).sort((a, b) => a.seed - b.seed);
}

/** Shares of claims over all deals, and of `comparisons` in one deal those that the whole verdict claims. */
function dealOut(runs: readonly RecordedRun[], seeds: number) {
  const stream = randomStream(0, 'deals', seeds);
  const comparisons = Math.floor(runs.length / (2 * seeds));
  const claims: number[] = [];
  const factors: number[] = [];
  let verdicts = 0;
  for (let deal = 0; deal < DEALS; deal++) {
    const order = permutation(runs.length, stream);
    for (let k = 0; k < comparisons; k++) {
      const dealt = Array.from({ length: 2 * seeds }, (_, i): RecordedRun => {
        const run = runs[order[2 * seeds * k + i]!]!;
        return { ...run, arm: i < seeds ? 'one' : 'other', pair: i % seeds, seed: i % seeds };
      });
      const pairs = pairsOf(dealt.slice(seeds), dealt.slice(0, seeds));
      const { pValue } = crossedDifference(crossedSums(imageDifferences(pairs)!));
      claims.push(Number(pValue !== null && pValue <= 0.05));
      factors.push(Number(factorExcludesOne(dealt.slice(seeds), dealt.slice(0, seeds))));
      if (deal === 0 && compareRuns(['one', 'other'], dealt, [], undefined).verdict.claim !== 'none')
        verdicts++;
    }
  }
  return { claims: mean(claims), factors: mean(factors), comparisons, verdicts };
}

/** The super-convergence factor as compare computes it: up to the baseline's mean final accuracy. */
function factorExcludesOne(arm: readonly RecordedRun[], baseline: readonly RecordedRun[]): boolean {
  const target = mean(baseline.map(({ final }) => final.validAccuracy));
  const pairs = pairsOf(arm, baseline).map((pair) => ({
    arm: stepsOf(pair.arm, target),
    baseline: stepsOf(pair.baseline, target),
    armBudget: pair.arm.record.steps.length,
    baselineBudget: pair.baseline.record.steps.length,
  }));
  const found = superConvergence(pairs, target);
  return found !== null && ((found.low ?? 0) > 1 || (found.high ?? Infinity) < 1);
}

/** A share, with Wilson's interval for so many independent comparisons; a mean over deals is no whole number of them. */
function rate(share: number, comparisons: number): string {
  const { low, high } = interval(share, comparisons);
  const percent = (value: number) => `${(100 * value).toFixed(1)}%`;
  return `${percent(share)} of ${comparisons} a deal, 95% interval ${percent(low)} to ${percent(high)}`;
}

function interval(share: number, n: number): { readonly low: number; readonly high: number } {
  const z = 1.959964;
  const centre = (share + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((share * (1 - share)) / n + (z / (2 * n)) ** 2);
  return { low: Math.max(0, centre - half), high: centre + half };
}
