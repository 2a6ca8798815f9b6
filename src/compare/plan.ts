import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { flagWords, type OptionName, OPTIONS, type OptionSpec, shellLine } from '../config/options.js';
import { FRESH_WEIGHTS, readDefaults, type Settings } from '../config/settings.js';
import {
  type CompareDryRun,
  type ComparePlan,
  type Environment,
  type PlannedCommand,
  type PlanPower,
  type PlanTime,
  SCHEMA_VERSION,
} from '../runs/documents.js';
import { claimPower, imagesToClaim, seedsToClaim, type Spread, spreadOf } from '../stats/claim-power.js';
import { balancedSquares, balancedSums, crossedSums, meanSquares } from '../stats/crossed.js';
import { median } from '../stats/describe.js';
import { costOfRuns, planOf } from '../train/plan.js';
import type { TrainRequest } from '../train/run.js';
import { datasetSummary } from '../workbench/bench.js';
import { imageDifferences, type Pair, pairsOf } from './conclude.js';
import { type Grid, planGrid, type PlannedRun } from './grid.js';
import { isFinished, readForComparison } from './read.js';
import {
  findRecorded,
  plannedArmKey,
  plannedRunKey,
  readableRuns,
  recordedArmKey,
} from '../train/recorded.js';

/** Plans a comparison for other machines: the commands, what they will be able to show, and how long they take. */
export async function planComparison(request: TrainRequest): Promise<ComparePlan> {
  const { settings, environment } = request;
  const started = performance.now();
  const grid = await planGrid(request);
  try {
    const [first] = grid.runs;
    if (first === undefined) throw new Error('a comparison has at least one arm and one seed');
    const recorded = await findRecorded(settings.out);
    const runs = grid.runs.map((run): PlannedCommand => {
      const { arm, seed } = run.config;
      const found = recorded.get(plannedRunKey(run.bench, run.config, environment));
      const line = shellLine(['onecycle', 'train', ...flagsOf(run, environment)]);
      return { arm, seed, command: line, recorded: found?.state === 'ended' ? found.dir : null };
    });
    const missing = runs.filter(({ recorded: dir }) => dir === null).length;
    return {
      schemaVersion: SCHEMA_VERSION,
      command: 'compare',
      status: 'completed',
      config: settings,
      environment,
      dataset: datasetSummary(first.bench),
      plan: {
        runs,
        compare: compareLine(settings),
        power: await planPower(request, grid),
        time: await planTime(request, grid.runs, missing),
      },
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    grid.close();
  }
}

/** `compare --dry-run`: the schedule of every arm, and what all runs take. */
export async function planArms(request: TrainRequest): Promise<CompareDryRun> {
  const { settings, environment, signal } = request;
  // Nothing is trained, so that no range test is made either.
  const grid = await planGrid(request, 'later');
  try {
    const seed = grid.runs[0]?.config.pair;
    const first = grid.runs.filter(({ config }) => config.pair === seed && config.lrFactor === undefined);
    const arms = first.map(({ bench, config }) => planOf(bench, config));
    const [run] = first;
    if (run === undefined) throw new Error('a comparison has at least one arm');
    const workers = settings.workers ?? availableParallelism();
    const cost = await costOfRuns(run.bench, run.config, grid.runs.length, { workers, signal });
    return {
      schemaVersion: SCHEMA_VERSION,
      command: 'compare',
      status: 'completed',
      config: settings,
      environment,
      dataset: datasetSummary(run.bench),
      seconds: performance.now() / 1000,
      arms,
      cost,
    };
  } finally {
    grid.close();
  }
}

/** The flags of a planned line. It spells out what another machine could resolve otherwise: places, split, rate, backend. */
function flagsOf({ config, settings }: PlannedRun, { backend }: Environment): string[] {
  const { arm, lrFactor = 1, seed, pair, splitSeed } = config;
  // A range test stays named: what was measured on this data may be claimed about it.
  const lr = config.lrFrom === undefined ? config.lr / lrFactor : (`from:${resolve(config.lrFrom)}` as const);
  return trainFlags(
    {
      ...settings,
      arm,
      lr,
      seed,
      pair,
      splitSeed,
      data: placeOf(settings.data),
      ...(settings.labels === undefined ? {} : { labels: placeOf(settings.labels) }),
      weights: settings.weights === FRESH_WEIGHTS ? FRESH_WEIGHTS : placeOf(settings.weights),
      backend: asBackend(backend),
      out: resolve(settings.out),
    },
    readDefaults().settings,
  );
}

/** Arms in another order than the default would have another baseline. */
function compareLine({ policies, target, metric, out }: Settings): string {
  const usual = readDefaults().settings;
  const words = [
    ...(policies.join() === usual.policies.join() ? [] : ['--policies', policies.join()]),
    ...(metric === usual.metric ? [] : ['--metric', metric]),
    ...(target === undefined ? [] : ['--target', String(target)]),
  ];
  return `${shellLine(['onecycle', 'compare', ...words, resolve(out)])}/*`;
}

/** A path from the root, so that it means the same in every folder; a bundled name as it is. */
function placeOf(given: string): string {
  return existsSync(given) ? resolve(given) : given;
}

function asBackend(name: string): Settings['backend'] {
  return name === 'tensorflow' || name === 'webgpu' || name === 'wasm' || name === 'cpu' ? name : 'auto';
}

const DIFFERENCE = 0.02;
/** Between seeds, fine-tuning a small network for a few epochs; on images, two runs that disagree on some 15%. */
const ASSUMED = { sd: 0.02, between: 0.05, within: 0.1 };

/** The power of the last arm against the first, at the spread seen so far in --out, or an assumed one. */
async function planPower(
  { settings, environment }: TrainRequest,
  { arms, runs: planned }: Grid,
): Promise<PlanPower> {
  const keys = new Map(
    planned
      .filter(({ config }) => config.lrFactor === undefined)
      .map(({ bench, config }) => [config.arm, plannedArmKey(bench, config, environment)]),
  );
  const runs = (await readableRuns(settings.out)).filter((record) =>
    [...keys.values()].includes(recordedArmKey(record)),
  );
  const read = (await Promise.all(runs.map(({ dir }) => readForComparison(dir)))).filter(isFinished);
  const ofArm = (arm: string | undefined) => read.filter((run) => run.arm === arm);
  const pairs = arms.length < 2 ? [] : pairsOf(ofArm(arms.at(-1)), ofArm(arms[0]));
  const valid = planned[0]?.bench.images.valid ?? [];
  const { metric } = settings;
  const labels = metric === 'accuracy' ? null : valid.map(({ label }) => label);
  const images = Math.max(1, valid.length);
  const seen = seenSpread(pairs, images, labels);
  const spread = seen ?? assumedSpread(images, labels);
  return {
    difference: DIFFERENCE,
    spread,
    pairs: seen === null ? 0 : pairs.length,
    recordedPairs: pairs.length,
    seeds: settings.seeds,
    chance: settings.seeds < 2 ? null : claimPower(DIFFERENCE, spread, settings.seeds),
    seedsNeeded: seedsToClaim(DIFFERENCE, spread),
    imagesNeeded: imagesToClaim(DIFFERENCE, spread),
  };
}

/**
 * Null where pairs are too few to show a spread, or show none.
 * @param labels the class of each image where balanced accuracy is compared, else null
 */
function seenSpread(pairs: readonly Pair[], images: number, labels: readonly number[] | null): Spread | null {
  const rows = imageDifferences(pairs);
  const classes = labels === null ? 1 : new Set(labels).size;
  if (pairs.length < 2 || rows === null || images <= classes) return null;
  const squares =
    labels === null ? meanSquares(crossedSums(rows)) : balancedSquares(balancedSums(rows, labels)).squares;
  const spread = spreadOf(squares, pairs.length, images);
  return spread.sd === 0 ? null : spread;
}

/** Of balanced accuracy a mean over few images of a class varies more, by what uneven weights cost (Kish, «Survey Sampling», 1965). */
function assumedSpread(images: number, labels: readonly number[] | null): Spread {
  const sizes = [...new Set(labels ?? [])].map(
    (label) => labels?.filter((other) => other === label).length ?? 1,
  );
  const loss =
    labels === null ? 1 : (images * sizes.reduce((sum, size) => sum + 1 / size, 0)) / sizes.length ** 2;
  return { sd: ASSUMED.sd, between: loss * ASSUMED.between, within: loss * ASSUMED.within, images };
}

/**
 * Estimates from runs of the same arms in --out, else from a short timing on this machine, with as many threads as a planned
 * line will use here.
 */
async function planTime(
  request: TrainRequest,
  planned: readonly PlannedRun[],
  missing: number,
): Promise<PlanTime> {
  const seen = await recordedSeconds(request, planned);
  const timed = seen.length > 0 ? null : await timeSteps(request, planned);
  const secondsPerRun = timed === null ? median(seen) : timed.seconds;
  return {
    secondsPerRun,
    from: timed === null ? 'runs' : 'steps',
    count: timed === null ? seen.length : timed.steps,
    workers: timed === null ? null : timed.workers,
    missing,
    totalSeconds: secondsPerRun * missing,
  };
}

async function recordedSeconds({ settings, environment }: TrainRequest, planned: readonly PlannedRun[]) {
  const keys = new Set(planned.map(({ bench, config }) => plannedArmKey(bench, config, environment)));
  return (await readableRuns(settings.out))
    .filter((record) => record.status === 'completed' && keys.has(recordedArmKey(record)))
    .map(({ epochs }) => epochs.reduce((sum, { seconds }) => sum + seconds, 0));
}

async function timeSteps({ settings, signal }: TrainRequest, [first]: readonly PlannedRun[]) {
  if (first === undefined) return { seconds: 0, steps: 0, workers: 0 };
  const { bench, config } = first;
  const workers = settings.workers ?? availableParallelism();
  const cost = await costOfRuns(bench, config, 1, { workers, signal });
  return { seconds: cost.firstRun, steps: cost.timedSteps, workers: cost.workers };
}

/** Options that say nothing about a run, or that only a person at a terminal wants. */
const NEVER = new Set<OptionName>([
  'config',
  'json',
  'quiet',
  'color',
  'debug',
  'resume',
  'report',
  'again',
  'extendTo',
  'printConfig',
  'dryRun',
  'jobs',
]);
/** Options that are spelled out even where they have their default: the run's identity and place. */
const ALWAYS = new Set<OptionName>(['arm', 'pair', 'policy', 'lr', 'seed', 'splitSeed', 'backend', 'out']);

/** The flags that make `onecycle train` train exactly these settings, whatever the defaults of `defaults` are. */
export function trainFlags(settings: Settings, defaults: Settings): string[] {
  const names = Object.keys(OPTIONS).filter((name): name is OptionName => {
    const spec: OptionSpec | undefined = Object.hasOwn(OPTIONS, name)
      ? OPTIONS[name as OptionName]
      : undefined;
    return spec?.commands.includes('train') === true;
  });
  return names.flatMap((name) => {
    const value = settings[name];
    if (NEVER.has(name) || value === undefined) return [];
    if (!ALWAYS.has(name) && JSON.stringify(value) === JSON.stringify(defaults[name])) return [];
    return flagWords(name, value);
  });
}
