import { existsSync } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { armFault } from '../config/arms.js';
import { UsageError } from '../errors.js';
import { counted } from '../printable.js';
import { bestAndFinalByClass } from '../runs/check-run.js';
import { type BestEpoch, RUN_FILES, type RunRecord } from '../runs/documents.js';
import { isCount, isJsonObject, type JsonObject, type JsonValue } from '../runs/json.js';
import { lockedBy } from '../runs/lock.js';
import { readDocument } from '../runs/read-document.js';
import { inOrder, listRuns, readRun } from '../runs/read-run.js';
import { pairOf, recordedRunKey } from '../train/recorded.js';

/** What finished and other runs have in common: which run it is. */
interface RunIdentity {
  readonly arm: string;
  readonly seed: number;
  /** Equal for the runs of other arms that it is compared with. */
  readonly pair: number;
  /** What the arm's own rate is multiplied by; 1 where it is that rate itself. */
  readonly lrFactor: number;
}

/** A recorded run as a comparison reads it. */
export interface RecordedRun extends RunIdentity {
  readonly record: RunRecord;
  /** Equal for runs that would be the same if trained again. */
  readonly key: string;
  readonly best: BestEpoch;
  readonly final: BestEpoch;
  readonly stepsPerEpoch: number;
}

/** A run that cannot be compared, and why. */
export interface FailedRun extends RunIdentity {
  readonly run: string;
  readonly reason: string;
  /** What was recorded of it; null where it has no folder. */
  readonly record: RunRecord | null;
  /** Null where nothing was recorded. */
  readonly key: string | null;
}

/** Runs that belong into one comparison, and what was left out of it. */
export interface ReadRuns {
  readonly finished: readonly RecordedRun[];
  readonly failed: readonly FailedRun[];
  /** Sentences about runs that were given but count for nothing. */
  readonly notes: readonly string[];
}

/** The run folders that are meant: a folder of runs stands for those in it, and a pattern for those that it matches. */
export async function runFoldersAt(places: readonly string[]): Promise<string[]> {
  const dirs: string[] = [];
  for (const place of places) {
    if (isPattern(place) && !existsSync(place)) {
      const matched = (await matching(place)).filter(isRunFolder);
      if (matched.length === 0) {
        throw new UsageError(
          `No run folder matches ${place}. Name run folders, or the folder that holds them.`,
        );
      }
      dirs.push(...matched);
    } else {
      const inside = isRunFolder(place) ? [] : await listRuns(place).catch(() => []);
      dirs.push(...(inside.length > 0 ? inside : [place]));
    }
  }
  return dirs;
}

function isRunFolder(dir: string): boolean {
  return existsSync(join(dir, RUN_FILES.config));
}

function isPattern(path: string): boolean {
  return /[*?]/.test(path);
}

/** What a pattern with * and ? matches, as a shell would have it: hidden names left out, in order. */
async function matching(pattern: string): Promise<string[]> {
  const [folder, name] = [dirname(pattern), basename(pattern)];
  const folders = isPattern(folder) ? await matching(folder) : [folder];
  const text = name
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const expression = new RegExp(`^${text}$`, 's');
  const found = await Promise.all(
    folders.map(async (dir) => {
      const names = await readdir(dir).catch(() => []);
      const visible = names.filter((entry) => !entry.startsWith('.') && expression.test(entry));
      return visible.sort(inOrder).map((entry) => join(dir, entry));
    }),
  );
  return found.flat();
}

/**
 * Reads the folders of a comparison. A folder of a range test is left out, with a note where no run took its rate from it, and a
 * run that lies in several folders counts once, with a note: the same numbers twice would look like certainty.
 *
 * @throws UsageError where a folder is given twice (also through a link), where folders are damaged or no runs
 *   (all of them are named), where runs have other classes, and where an arm has two different runs of one seed
 */
export async function readRuns(dirs: readonly string[]): Promise<ReadRuns> {
  await refuseRepeated(dirs);
  const notes: string[] = [];
  const problems: string[] = [];
  const rangeTests: string[] = [];
  const read: (RecordedRun | FailedRun)[] = [];
  for (const dir of dirs) {
    if (await isRangeTest(dir)) {
      rangeTests.push(dir);
      continue;
    }
    try {
      read.push(await readForComparison(dir));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      problems.push(error.message);
    }
  }
  if (problems.length === 1) throw new UsageError(problems[0] ?? '');
  if (problems.length > 1) {
    throw new UsageError(
      `${problems.length} of the ${dirs.length - rangeTests.length} folders cannot be compared:\n${problems.map((text) => `  ${text}`).join('\n')}`,
    );
  }
  // A pattern such as runs/* also matches the range test that the runs took their rates from.
  const used = new Set(read.map(({ record }) => basename(String(record?.config['lrFrom'] ?? ''))));
  for (const dir of rangeTests.filter((test) => !used.has(basename(test)))) {
    notes.push(`${dir} is a range test, not a training run: it is left out.`);
  }
  const once = eachRunOnce(read, notes);
  refuseOtherClasses(once);
  refuseRivals(once.filter(isFinished));
  return {
    finished: once.filter(isFinished),
    failed: once.filter((run): run is FailedRun => !isFinished(run)),
    notes,
  };
}

/** Reads a run's folder for a comparison. Throws UsageError where it is no run of `train` or is damaged. */
export async function readForComparison(dir: string): Promise<RecordedRun | FailedRun> {
  const record = await readRun(dir);
  const { arm, policy, seed } = record.config;
  if (!isCount(seed) || typeof policy !== 'string') {
    throw new UsageError(`${dir}/config.json names no policy and seed: this is no run of onecycle train.`);
  }
  const name = typeof arm === 'string' ? arm : policy;
  const fault = armFault(name);
  if (fault !== undefined)
    throw new UsageError(`${dir}/config.json names an arm that there cannot be: ${fault}.`);
  const { lrFactor } = record.config;
  const identity = {
    ...{ arm: name, seed, pair: pairOf(record.config), record, key: recordedRunKey(record) },
    lrFactor: typeof lrFactor === 'number' ? lrFactor : 1,
  };
  if (record.status !== 'completed') return { ...identity, run: dir, reason: await reasonOf(record) };
  const { best, final } = bestAndFinalByClass(record);
  if (best === null || final === null) {
    throw new UsageError(
      `${dir} is marked completed, but has no epoch. Put the original back, or remove the run.`,
    );
  }
  return {
    ...identity,
    best,
    final,
    stepsPerEpoch: record.steps.length / record.epochs.length,
  };
}

async function reasonOf({ dir, status, result, epochs, steps, config }: RunRecord): Promise<string> {
  const failure: JsonValue | undefined = result?.['failure'];
  if (isJsonObject(failure) && typeof failure['message'] === 'string') return failure['message'];
  const { epochs: planned } = config;
  const done =
    typeof planned === 'number'
      ? `${epochs.length} of ${counted(planned, 'epoch')}`
      : counted(epochs.length, 'epoch');
  const so = `after ${done} (${counted(steps.length, 'step')})`;
  const owner = await lockedBy(dir);
  if (owner !== null) return `not finished ${so}: ${owner.message}`;
  return status === 'unfinished'
    ? `unfinished: it has no result.json ${so}; it was killed`
    : `it was ${status} ${so}`;
}

/** Whether a run has a final result. */
export function isFinished(run: RecordedRun | FailedRun): run is RecordedRun {
  return 'final' in run;
}

async function refuseRepeated(dirs: readonly string[]): Promise<void> {
  const seen = new Map<string, string>();
  for (const dir of dirs) {
    const real = await realpath(dir).catch(() => dir);
    const before = seen.get(real);
    if (before === dir) throw new UsageError(`${dir} is given twice. Name each run once.`);
    if (before !== undefined) {
      throw new UsageError(`${before} and ${dir} are the same folder. Name each run once.`);
    }
    seen.set(real, dir);
  }
}

export async function isRangeTest(dir: string): Promise<boolean> {
  try {
    return (await readDocument(join(dir, RUN_FILES.config)))['command'] === 'find-lr';
  } catch {
    // The full read that follows reports what is wrong.
    return false;
  }
}

/** Of runs with one key the first that finished, else the first. */
function eachRunOnce(read: readonly (RecordedRun | FailedRun)[], notes: string[]) {
  const kept = new Map<string, RecordedRun | FailedRun>();
  for (const run of read) {
    const key = run.key ?? dirOf(run);
    const before = kept.get(key);
    if (before === undefined) {
      kept.set(key, run);
      continue;
    }
    const better = isFinished(run) && !isFinished(before) ? run : before;
    const other = better === run ? before : run;
    kept.set(key, better);
    notes.push(
      isFinished(better) && !isFinished(other)
        ? `${dirOf(other)} did not finish, but ${dirOf(better)} is the same run and did: that one counts.`
        : `${dirOf(better)} and ${dirOf(other)} are the same run (same settings, data and seed): it counts once.`,
    );
  }
  return [...kept.values()];
}

/** Where a run lies. */
function dirOf(run: RecordedRun | FailedRun): string {
  return isFinished(run) ? run.record.dir : run.run;
}

function refuseOtherClasses(runs: readonly (RecordedRun | FailedRun)[]): void {
  const [first, ...others] = runs.flatMap(({ record }) => (record === null ? [] : [record]));
  if (first === undefined) return;
  const classes = ({ dataset }: typeof first) => JSON.stringify(dataset['classes'] ?? null);
  const other = others.find((record) => classes(record) !== classes(first));
  if (other === undefined) return;
  throw new UsageError(
    `${first.dir} and ${other.dir} were trained on different data sets: the classes are ${shortList(first.dataset['classes'])} and ${shortList(other.dataset['classes'])}. ` +
      'Accuracies on different tasks cannot be compared; name runs of one data set.',
  );
}

function shortList(classes: JsonValue | undefined): string {
  if (!Array.isArray(classes)) return 'not recorded';
  const shown = classes.slice(0, 5).map(String).join(', ');
  return classes.length > 5 ? `${shown} and ${classes.length - 5} more` : shown;
}

/**
 * Two different runs of one arm, pair and rate leave open which of them is compared with the other arm's; those of one arm and
 * seed that are in two pairs would be the same chance counted twice.
 */
function refuseRivals(runs: readonly RecordedRun[]): void {
  for (const [i, run] of runs.entries()) {
    const rival = runs
      .slice(0, i)
      .find(
        ({ arm, pair, seed, lrFactor }) =>
          arm === run.arm && lrFactor === run.lrFactor && (pair === run.pair || seed === run.seed),
      );
    if (rival === undefined) continue;
    const names = [...new Set([...Object.keys(run.record.config), ...Object.keys(rival.record.config)])];
    const differing = names.filter(
      (name) => JSON.stringify(run.record.config[name]) !== JSON.stringify(rival.record.config[name]),
    );
    const what = differing.length > 0 ? `in ${differing.join(', ')}` : 'in data, weights, backend or version';
    const place = rival.seed === run.seed ? `with seed ${run.seed}` : `in pair ${run.pair}`;
    throw new UsageError(
      `${rival.record.dir} and ${run.record.dir} are both ${run.arm} ${place} but differ ${what}: a comparison takes one run an arm and seed. ` +
        'Name the runs of one experiment, or give arms of their own to runs with train --arm NAME.',
    );
  }
}

/** A field of a run's configuration, data set or environment as text, for comparing runs. */
export function fieldText(document: JsonObject, name: string): string {
  const value = document[name];
  if (value === undefined) return 'not recorded';
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return typeof value === 'string' ? value : JSON.stringify(value).replace(/^\[|\]$/gu, '');
}
