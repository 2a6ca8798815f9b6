import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { readArms } from '../config/arms.js';
import { readDefaults, type Settings } from '../config/default-settings.js';
import { shellLine, trainFlags } from '../config/train-flags.js';
import { SCHEMA_VERSION } from '../record/schema-version.js';
import { datasetSummary, type DatasetSummary } from './dataset-document.js';
import type { Environment } from './environment.js';
import { findRecorded } from './find-recorded.js';
import { planPower, type PlanPower } from './plan-power.js';
import { BenchCache, planRuns, type PlannedRun } from './plan-runs.js';
import { planTime, type PlanTime } from './plan-time.js';
import { plannedRunKey } from './run-key-of.js';
import type { TrainRequest } from './train.js';

/** One run of a plan. */
export interface PlannedCommand {
  readonly arm: string;
  readonly seed: number;
  /** A line for a shell. */
  readonly command: string;
  /** The folder that holds this run already, else null. */
  readonly recorded: string | null;
}

/** What `compare --plan` answers: nothing was trained. */
export interface ComparePlan {
  readonly schemaVersion: number;
  readonly command: 'compare';
  readonly status: 'completed';
  readonly config: Settings;
  readonly environment: Environment;
  readonly dataset: DatasetSummary;
  readonly seconds: number;
  readonly plan: {
    readonly runs: readonly PlannedCommand[];
    readonly power: PlanPower;
    readonly time: PlanTime;
    /** What compares the runs once they have come, for a shell. */
    readonly compare: string;
  };
}

/** Plans a comparison for other machines: the commands, what they will be able to show, and how long they take. */
export async function planComparison(request: TrainRequest): Promise<ComparePlan> {
  const { settings, environment } = request;
  const started = performance.now();
  const arms = await readArms(settings.policies, settings.momentum);
  const benches = new BenchCache(request);
  try {
    const planned = await planRuns(request, arms, benches);
    const [first] = planned;
    if (first === undefined) throw new Error('a comparison has at least one arm and one seed');
    const recorded = await findRecorded(settings.out);
    const runs = planned.map((run): PlannedCommand => {
      const { arm, seed } = run.config;
      const found = recorded.get(plannedRunKey(run.bench, run.config, environment));
      const line = shellLine(['onecycle', 'train', ...flagsOf(run, environment)]);
      return { arm, seed, command: line, recorded: found?.state === 'ended' ? found.dir : null };
    });
    const jobs = settings.jobs ?? availableParallelism();
    const missing = planned.filter((_, i) => runs[i]?.recorded === null);
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
        power: await planPower(
          request,
          planned,
          arms.map(({ name }) => name),
        ),
        time: await planTime(request, planned, missing, jobs),
      },
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    benches.close();
  }
}

/** Everything that the line must not leave to the machine that runs it: places, split, rate, backend, the arm's name. */
function flagsOf({ config, settings }: PlannedRun, { backend }: Environment): string[] {
  const { arm, lr, seed, splitSeed } = config;
  return trainFlags(
    {
      ...settings,
      arm,
      lr,
      seed,
      splitSeed,
      data: placeOf(settings.data),
      weights: placeOf(settings.weights),
      backend: asBackend(backend),
      out: resolve(settings.out),
    },
    readDefaults().settings,
  );
}

/** Arms in another order than the default would have another baseline. */
function compareLine({ policies, target, out }: Settings): string {
  const usual = readDefaults().settings.policies;
  const words = [
    ...(policies.join() === usual.join() ? [] : ['--policies', policies.join()]),
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
