import { availableParallelism } from 'node:os';
import { readArms, type Arm } from '../config/arms.js';
import type { Settings } from '../config/default-settings.js';
import { RunError, UsageError } from '../errors/errors.js';
import type { RunConfig } from '../config/run-config.js';
import { listRuns, readRun } from '../record/read-run.js';
import { compareRuns, type Comparison } from './compare-runs.js';
import { plannedRunKey, recordedRunKey } from './run-key-of.js';
import { runName } from './train-run.js';
import { readForComparison, type FailedRun, type RecordedRun } from './recorded-run.js';
import type { RunTask } from './run-worker-protocol.js';
import { trainAll } from './run-pool.js';
import { resolveConfig, type TrainRequest } from './train.js';
import { openWorkbench, workbenchHandle, type Workbench } from './workbench.js';

/** A comparison with the runs behind it. */
export interface CompareOutcome {
  readonly comparison: Comparison;
  readonly runs: readonly RecordedRun[];
  readonly status: 'completed' | 'interrupted' | 'failed';
}

/** Fewer finished seeds than this in an arm make a comparison fail. */
const FEWEST_SEEDS = 2;

/** Compares what lies in run folders; trains nothing. Arms in the order in which they first appear. */
export async function compareRecorded(dirs: readonly string[], settings: Settings): Promise<CompareOutcome> {
  const twice = dirs.find((dir, i) => dirs.indexOf(dir) !== i);
  if (twice !== undefined) throw new UsageError(`${twice} is given twice. Name each run once.`);
  const read = await Promise.all(dirs.map(readForComparison));
  const arms = [...new Set(read.map(({ arm }) => arm))].sort(
    (a, b) => orderOf(a, settings) - orderOf(b, settings),
  );
  return outcomeOf(arms, read, settings, false);
}

/** The known policies first, in the order of --policies; others behind them as they came. */
function orderOf(arm: string, { policies }: Settings): number {
  const at = policies.indexOf(arm);
  return at < 0 ? policies.length : at;
}

/** Trains every arm with every seed, taking finished runs of the same key from --out, and compares. */
export async function compare(request: TrainRequest): Promise<CompareOutcome> {
  const { settings, environment, emit, signal } = request;
  const arms = await readArms(settings.policies, settings.momentum);
  const benches = new BenchCache(request);
  try {
    const jobs = settings.jobs ?? availableParallelism();
    const workers = settings.workers ?? Math.max(1, Math.floor(availableParallelism() / jobs));
    const planned = await planRuns(request, arms, benches, workers);
    const recorded = await recordedByKey(settings.out);
    const dirs: (string | undefined)[] = [];
    const tasks: { readonly task: RunTask; readonly at: number }[] = [];
    for (const [at, { bench, config }] of planned.entries()) {
      const found = recorded.get(plannedRunKey(bench, config, environment));
      if (found?.completed === true) {
        emit({ type: 'note', text: `${runName(config)} is taken from ${found.dir}` });
        dirs[at] = found.dir;
        continue;
      }
      const context = { environment, out: settings.out, workers };
      tasks.push({ at, task: { bench: workbenchHandle(bench), config, context, resume: found?.dir } });
    }
    const options = { jobs, backend: environment.backend, emit, signal };
    const outcomes = await trainAll(
      tasks.map(({ task }) => task),
      options,
    );
    const lost: FailedRun[] = [];
    for (const [i, { at, task }] of tasks.entries()) {
      const outcome = outcomes[i];
      if (outcome === undefined) continue;
      if ('document' in outcome) dirs[at] = outcome.document.run;
      else if (outcome.error instanceof RunError) {
        lost.push({ run: '', arm: task.config.arm, seed: task.config.seed, reason: outcome.error.message });
      } else throw outcome.error;
    }
    const read = await Promise.all(dirs.filter((dir) => dir !== undefined).map(readForComparison));
    return outcomeOf(
      arms.map(({ name }) => name),
      [...read, ...lost],
      settings,
      signal.aborted,
    );
  } finally {
    benches.close();
  }
}

function outcomeOf(
  arms: readonly string[],
  read: readonly (RecordedRun | FailedRun)[],
  settings: Settings,
  interrupted: boolean,
): CompareOutcome {
  const runs = read.filter((run) => 'record' in run);
  const failed = read.filter((run): run is FailedRun => !('record' in run));
  const comparison = compareRuns(arms, runs, failed, settings.target);
  // One seed on purpose is a comparison without a claim; one seed left of several is a failure.
  const enough = comparison.arms.every(
    (arm) =>
      arm.runs.length >= Math.min(FEWEST_SEEDS, arm.runs.length + arm.failed.length) && arm.runs.length > 0,
  );
  return { comparison, runs, status: interrupted ? 'interrupted' : enough ? 'completed' : 'failed' };
}

interface PlannedRun {
  readonly bench: Workbench;
  readonly config: RunConfig;
}

/** Every run of the comparison, seed by seed, so that paired runs are trained side by side. */
async function planRuns(
  request: TrainRequest,
  arms: readonly Arm[],
  benches: BenchCache,
  workers: number,
): Promise<PlannedRun[]> {
  const { settings } = request;
  const common = { ...settings, splitSeed: settings.splitSeed ?? settings.seed };
  const resolved: { arm: Arm; bench: Workbench; config: RunConfig }[] = [];
  for (const arm of arms) {
    const armSettings: Settings = { ...common, ...arm.overrides };
    const bench = await benches.open(armSettings);
    const config = await resolveConfig(bench, { ...request, settings: armSettings }, arm.name, workers);
    resolved.push({ arm, bench, config });
  }
  return Array.from({ length: settings.seeds }, (_, i) =>
    resolved.map(({ arm, bench, config }) => ({
      bench,
      config: { ...config, seed: config.seed + i + arm.seedShift },
    })),
  ).flat();
}

/** Arms that agree in data, weights and frozen part share one workbench. */
class BenchCache {
  private readonly benches = new Map<string, Workbench>();

  constructor(private readonly request: TrainRequest) {}

  async open(settings: Settings): Promise<Workbench> {
    const { data, valSplit, splitSeed, weights, imageSize, trainable, augment, views, followLinks } =
      settings;
    const key = JSON.stringify([
      data,
      valSplit,
      splitSeed,
      weights,
      imageSize,
      trainable,
      augment,
      views,
      followLinks,
    ]);
    const known = this.benches.get(key);
    if (known !== undefined) return known;
    const bench = await openWorkbench(settings, this.request);
    this.benches.set(key, bench);
    return bench;
  }

  close(): void {
    for (const bench of this.benches.values()) bench.close();
  }
}

async function recordedByKey(out: string): Promise<Map<string, { dir: string; completed: boolean }>> {
  const found = new Map<string, { dir: string; completed: boolean }>();
  for (const dir of await listRuns(out)) {
    const record = await readRun(dir).catch(() => undefined);
    // Damaged folders and those of other commands are not this experiment's.
    if (record === undefined || typeof record.config['policy'] !== 'string') continue;
    const completed = record.status === 'completed';
    const resumable = completed || record.status === 'interrupted' || record.status === 'unfinished';
    const key = recordedRunKey(record);
    if (resumable && found.get(key)?.completed !== true) found.set(key, { dir, completed });
  }
  return found;
}
