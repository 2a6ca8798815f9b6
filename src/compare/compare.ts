import { availableParallelism } from 'node:os';
import { type RunConfig, runName } from '../config/run-config.js';
import { InUseError, RunError, UsageError } from '../errors.js';
import type { Environment } from '../runs/documents.js';
import { tellWork, type TrainRequest } from '../train/run.js';
import { workbenchHandle } from '../workbench/share.js';
import { planGrid, type PlannedRun } from './grid.js';
import { type RunTask, type TaskOutcome, trainAll } from './pool.js';
import { type CompareOutcome, loadStatistics, outcomeOf } from './outcome.js';
import { type FailedRun, readRuns } from './read.js';
import { findRecorded, type FoundRun, plannedRunKey, searchFor, searchNow } from '../train/recorded.js';

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
  const before = async (task: RunTask, i: number) => {
    const found = task.resume === undefined ? await lookAgain(request, missing[i]) : undefined;
    if (found === undefined) return task;
    if (found.state === 'ended')
      emit({ type: 'note', text: `${runName(task.config)} is taken from ${found.dir}` });
    return fromFound(task, found);
  };
  const outcomes = await trainAll(tasks, { jobs, backend: environment.backend, emit, signal, before });
  throwWhereAllAreWrong(outcomes);
  const lost: FailedRun[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    const run = missing[i];
    if (outcome === undefined || run === undefined) continue;
    if ('run' in outcome) {
      dirs.push(outcome.run);
      continue;
    }
    const { error, folder = '' } = outcome;
    // A run that another process trains has not failed, and may have ended there by now.
    const elsewhere = error instanceof InUseError ? await lookAgain(request, run) : undefined;
    if (elsewhere?.state === 'ended') {
      dirs.push(elsewhere.dir);
      continue;
    }
    if (error instanceof InUseError || !(error instanceof RunError || error instanceof UsageError))
      throw error;
    const { arm, seed, pair, lrFactor = 1 } = run.config;
    emit({ type: 'warning', text: `${runName(run.config)} broke off: ${error.message}` });
    lost.push({ run: folder, arm, seed, pair, lrFactor, reason: error.message, record: null, key: null });
  }
  return { dirs, lost };
}

/** What another process has made of a run since the comparison began; undefined where it is as it was. */
async function lookAgain(
  { settings, environment }: TrainRequest,
  run: PlannedRun | undefined,
): Promise<FoundRun | undefined> {
  if (run === undefined) return undefined;
  const { bench, config } = run;
  const found = await findRecorded(settings.out, searchNow(config));
  return found.get(plannedRunKey(bench, config, environment));
}

/** A run that another process has begun meanwhile: taken where it has ended, left to that process, or gone on with. */
function fromFound(task: RunTask, { dir, state, owner }: FoundRun): RunTask | TaskOutcome {
  if (state === 'ended') return { run: dir };
  if (state === 'resumable') return { ...task, resume: dir };
  return { error: beingTrained(task.config, owner), folder: dir };
}

function beingTrained(config: RunConfig, owner: string | null): InUseError {
  return new InUseError(
    `${runName(config)} of this comparison is being trained already: ${owner ?? ''} Or give this one another --out.`,
  );
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
    throw beingTrained(running.config, running.found?.owner ?? null);
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
