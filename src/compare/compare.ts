import { availableParallelism } from 'node:os';
import type { Settings } from '../config/settings.js';
import { InUseError, RunError, UsageError } from '../errors.js';
import type { Comparison, Environment } from '../runs/documents.js';
import { runName, tellWork, type TrainRequest } from '../train/run.js';
import { workbenchHandle } from '../workbench/share.js';
import { planGrid, type PlannedRun } from './grid.js';
import { type RunTask, type TaskOutcome, trainAll } from './pool.js';
import { type FailedRun, readRuns, type ReadRuns, type RecordedRun, runFoldersAt } from './read.js';
import { findRecorded, plannedRunKey, searchFor } from '../train/recorded.js';

/** A comparison with the runs behind it. */
export interface CompareOutcome {
  readonly comparison: Comparison;
  readonly runs: readonly RecordedRun[];
  readonly failed: readonly FailedRun[];
  readonly status: 'completed' | 'interrupted' | 'failed';
}

/** Fewer finished seeds than this in an arm make a comparison fail, unless no more were asked for. */
const FEWEST_SEEDS = 2;

/**
 * Compares what lies in run folders; trains nothing. The first of --policies is the baseline.
 * @param places run folders, folders that hold them, and patterns such as runs/* that no shell has expanded
 */
export async function compareRecorded(
  places: readonly string[],
  settings: Settings,
): Promise<CompareOutcome> {
  const read = await readRuns(await runFoldersAt(places));
  const arms = [...new Set([...read.finished, ...read.failed].map(({ arm }) => arm))];
  if (arms.length === 0) {
    throw new UsageError(
      'None of the folders holds a training run. Name folders that train or compare made.',
    );
  }
  const inOrder = arms.sort((a, b) => orderOf(a, settings) - orderOf(b, settings));
  return outcomeOf(inOrder, read, settings, false);
}

/** The arms of --policies in their order, each followed by its own variants, then others as they came. */
function orderOf(arm: string, { policies }: Settings): number {
  const at = policies.indexOf(arm);
  if (at >= 0) return at;
  const kin = policies.findLastIndex(
    (policy) => arm.startsWith(`${policy}:`) || arm.startsWith(`${policy}@`),
  );
  return kin < 0 ? policies.length : kin + 0.5;
}

/** Trains every arm with every seed, taking finished runs of the same key from --out, and compares. */
export async function compare(request: TrainRequest): Promise<CompareOutcome> {
  const { settings, signal } = request;
  const grid = await planGrid(request);
  try {
    const { dirs, lost } = await trainMissing(request, grid.runs);
    const { finished, failed, notes } = await readRuns(dirs);
    const read = { finished, failed: [...failed, ...lost], notes };
    return await outcomeOf(grid.arms, read, settings, signal.aborted);
  } finally {
    grid.close();
  }
}

/** Trains what --out does not hold yet. Returns the folders of all runs, and the runs that broke off. */
async function trainMissing(request: TrainRequest, planned: readonly PlannedRun[]) {
  const { settings, environment, emit, signal } = request;
  const { dirs, missing } = await findMissing(request, planned);
  const jobs = Math.min(missing.length, settings.jobs ?? defaultJobs(environment));
  const workers = settings.workers ?? Math.max(1, Math.floor(availableParallelism() / Math.max(1, jobs)));
  const tasks = missing.map(({ bench, config, resume }): RunTask => {
    const { out, tensorboard } = settings;
    const context = { environment: { ...environment, jobs }, out, tensorboard, workers };
    return { bench: workbenchHandle(bench), config, context, resume };
  });
  tellWork(missing, emit);
  // A failure is reported where the statistics are used.
  loadStatistics().catch(() => undefined);
  const outcomes = await trainAll(tasks, { jobs, backend: environment.backend, emit, signal });
  throwWhereAllAreWrong(outcomes);
  const lost = outcomes.flatMap((outcome, i): FailedRun[] => {
    const run = missing[i];
    if (outcome === undefined || run === undefined) return [];
    if ('document' in outcome) {
      dirs.push(outcome.document.run);
      return [];
    }
    const { error, folder = '' } = outcome;
    // Another process began to train it since this one looked: a run that goes on elsewhere has not failed.
    const elsewhere = error instanceof InUseError;
    if (elsewhere || !(error instanceof RunError || error instanceof UsageError)) throw error;
    const { arm, seed, pair, lrFactor = 1 } = run.config;
    emit({ type: 'warning', text: `${runName(run.config)} broke off: ${error.message}` });
    return [{ run: folder, arm, seed, pair, lrFactor, reason: error.message, record: null, key: null }];
  });
  return { dirs, lost };
}

/**
 * Divides the runs into those that lie in --out and those to train, each with the folder to go on in where it was begun.
 * Throws InUseError where another process trains one of them at this moment.
 */
async function findMissing({ settings, environment, emit }: TrainRequest, planned: readonly PlannedRun[]) {
  const configs = planned.map(({ config }) => config);
  const recorded = await findRecorded(settings.out, searchFor(configs, emit));
  const found = planned.map((run) => ({
    ...run,
    found: recorded.get(plannedRunKey(run.bench, run.config, environment)),
  }));
  const running = found.find((run) => run.found?.state === 'running');
  if (running !== undefined) {
    throw new InUseError(
      `${runName(running.config)} of this comparison is being trained already: ${running.found?.owner ?? ''} Or give this one another --out.`,
    );
  }
  const dirs: string[] = [];
  const missing: (PlannedRun & { readonly resume: string | undefined })[] = [];
  for (const { found: run, ...rest } of found) {
    const name = runName(rest.config);
    if (run?.state === 'ended') {
      emit({ type: 'note', text: `${name} is taken from ${run.dir}` });
      dirs.push(run.dir);
    } else {
      if (run !== undefined) emit({ type: 'note', text: `${name} goes on in ${run.dir}` });
      missing.push({ ...rest, resume: run?.dir });
    }
  }
  return { dirs, missing };
}

/** Loaded while the runs train, so that these start sooner. */
function loadStatistics() {
  return import('./conclude.js');
}

/** On the CPU one run a core; a GPU is one device, however many cores there are. */
function defaultJobs({ backend }: Environment): number {
  return backend === 'wasm' || backend === 'cpu' ? availableParallelism() : 1;
}

/** An error that all runs have in common lies in the options, the data or the place: no run has failed then. */
function throwWhereAllAreWrong(outcomes: readonly (TaskOutcome | undefined)[]): void {
  const [first] = outcomes;
  const isWrong = (outcome: TaskOutcome | undefined) =>
    outcome !== undefined && 'error' in outcome && outcome.error instanceof UsageError;
  if (first !== undefined && 'error' in first && outcomes.every(isWrong)) throw first.error;
}

async function outcomeOf(
  arms: readonly string[],
  { finished, failed, notes }: ReadRuns,
  settings: Settings,
  interrupted: boolean,
): Promise<CompareOutcome> {
  // However the folders were given: every list is in the order of the arms, then of the seeds.
  const inOrder = <Run extends { readonly arm: string; readonly pair: number }>(
    runs: readonly Run[],
  ): Run[] => runs.toSorted((a, b) => arms.indexOf(a.arm) - arms.indexOf(b.arm) || a.pair - b.pair);
  const { compareRuns } = await loadStatistics();
  const { chooseRates } = await import('./rates.js');
  const all = { finished: inOrder(finished), failed: inOrder(failed) };
  const compared = compareRuns(arms, all.finished, all.failed, settings.target, settings.metric);
  const { finished: runs, failed: lost } = chooseRates(arms, all, settings.metric);
  const comparison = { ...compared, warnings: [...notes, ...compared.warnings] };
  // One seed on purpose is a comparison without a claim; one seed left of several is a failure.
  const enough = comparison.arms.every(
    (arm) =>
      arm.runs.length > 0 && arm.runs.length >= Math.min(FEWEST_SEEDS, arm.runs.length + arm.failed.length),
  );
  const paired = comparison.differences.every(({ mean }) => mean !== null);
  const status = interrupted ? 'interrupted' : enough && paired ? 'completed' : 'failed';
  return { comparison, runs, failed: lost, status };
}
