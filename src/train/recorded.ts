import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { shiftByPolicies } from '../config/arms.js';
import { type RunConfig, runName } from '../config/run-config.js';
import { InUseError, UsageError } from '../errors.js';
import { checkpointPath } from '../runs/checkpoint.js';
import { type Environment, RUN_FILES, type RunRecord } from '../runs/documents.js';
import { environmentsOf } from '../runs/environments.js';
import { asJson, isJsonObject, type JsonObject } from '../runs/json.js';
import { lockedBy } from '../runs/lock.js';
import { readDocument } from '../runs/read-document.js';
import { inOrder, listRuns, readRun, recordKey } from '../runs/read-run.js';
import type { Emit } from '../workbench/events.js';
import { datasetDocument, type OpenBench, type Workbench } from '../workbench/bench.js';

/** A recorded run that makes training one from its start needless, or impossible. */
export interface FoundRun {
  readonly dir: string;
  /**
   * `ended`: finished or diverged, as it would again; `running`: another process trains it; `resumable`: it has a checkpoint
   * to go on from.
   */
  readonly state: 'ended' | 'running' | 'resumable';
  /** Of a running one: who trains it, as a sentence. */
  readonly owner: string | null;
}

/** The folder of runs to look in, and where a run would be computed. */
interface Place {
  readonly out: string;
  readonly environment: Environment;
}

/** Of several runs with one key the first of these counts. */
const PREFERENCE: readonly FoundRun['state'][] = ['ended', 'running', 'resumable'];

/** Which of the runs in a folder are looked for, and who is told of those that cannot be read. */
interface Search {
  /** The name that training gives their folders, where no others are meant; a number may follow it. */
  readonly named?: string;
  readonly wanted?: (config: JsonObject) => boolean;
  readonly note?: (text: string) => void;
}

/** The runs in `out` that can be taken, must be waited for or can be gone on with, by their key. */
export async function findRecorded(out: string, search: Search = {}): Promise<Map<string, FoundRun>> {
  const found = new Map<string, FoundRun>();
  for (const record of await readableRuns(out, search)) {
    const run = await foundRun(record);
    if (run === undefined) continue;
    const key = recordedRunKey(record);
    const before = found.get(key);
    const better = before === undefined || PREFERENCE.indexOf(run.state) < PREFERENCE.indexOf(before.state);
    if (better) found.set(key, run);
  }
  return found;
}

/** Finds the runs of these configurations alone: of all others no more than the configuration is read. */
export function searchFor(configs: readonly RunConfig[], emit: Emit = () => undefined): Search {
  const keys = new Set(configs.map((config) => settingsKey(asJson(config))));
  return {
    wanted: (config) => keys.has(settingsKey(config)),
    note: (text) => emit({ type: 'warning', text }),
  };
}

/** Finds what is being made of one run at this moment: its folder has the name that training gives it. */
export function searchNow(config: RunConfig): Search {
  return { ...searchFor([config]), named: runName(config) };
}

/**
 * The run in `out` that training this configuration here would make again; undefined where there is none.
 * Throws InUseError where another process trains it at this moment.
 */
export async function findAgain(
  { whole }: OpenBench,
  config: RunConfig,
  { out, environment, emit }: Place & { readonly emit: Emit },
): Promise<FoundRun | undefined> {
  const found = await findRecorded(out, searchFor([config], emit));
  // Only a candidate waits for the hashes, which are known once all images are decoded.
  if (found.size === 0) return undefined;
  const run = found.get(plannedRunKey(await whole, config, environment));
  const [other] = [...found.values()].filter(({ state }) => state === 'resumable');
  if (run === undefined && other !== undefined) {
    emit({
      type: 'note',
      text: `${other.dir} was interrupted with the same settings, but on other images or weights, or computed otherwise: it is left as it is.`,
    });
  }
  if (run?.state !== 'running') return run;
  throw alreadyTrained(runName(config), run.owner);
}

/**
 * Throws InUseError where another process made the folder of the same run a moment before this one: both had looked, and found none.
 * Of two folders the one whose name has the lower number is the first.
 */
export async function requireFirst(
  dir: string,
  bench: Workbench,
  config: RunConfig,
  { out, environment }: Place,
): Promise<void> {
  const name = runName(config);
  if (basename(dir) === name) return;
  const key = plannedRunKey(bench, config, environment);
  for (const record of await readableRuns(out, searchNow(config))) {
    const earlier = inOrder(basename(record.dir), basename(dir)) < 0;
    if (!earlier || recordedRunKey(record) !== key) continue;
    const run = await foundRun(record);
    if (run?.state === 'running') throw alreadyTrained(name, run.owner);
  }
}

function alreadyTrained(name: string, owner: string | null): InUseError {
  return new InUseError(
    `${name} is being trained already: ${owner ?? ''} --again trains another copy beside it.`,
  );
}

/** The runs of `train` in a folder of runs; damaged ones and those of other commands are not this experiment's. */
export async function readableRuns(
  out: string,
  { named, wanted = () => true, note = () => undefined }: Search = {},
): Promise<RunRecord[]> {
  const runs: RunRecord[] = [];
  const isNamed = (dir: string) =>
    named === undefined || [basename(dir), basename(dir).replace(/-\d+$/u, '')].includes(named);
  for (const dir of (await listRuns(out)).filter(isNamed)) {
    const config = await readDocument(join(dir, RUN_FILES.config)).catch(() => undefined);
    if (config === undefined || typeof config['policy'] !== 'string' || !wanted(config)) continue;
    try {
      runs.push(await readRun(dir));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      note(`${dir} is passed over: ${error.message}`);
    }
  }
  return runs;
}

async function foundRun({ dir, status, result }: RunRecord): Promise<FoundRun | undefined> {
  // Runs are deterministic: what diverged once diverges again.
  const diverged = status === 'failed' && isJsonObject(result?.['failure']);
  if (status === 'completed' || diverged) return { dir, state: 'ended', owner: null };
  const owner = await lockedBy(dir);
  if (owner !== null) return { dir, state: 'running', owner: owner.message };
  const checkpoints = [checkpointPath(dir, 'last'), checkpointPath(dir, 'previous')];
  const there = await Promise.all(checkpoints.map((path) => stat(path).catch(() => undefined)));
  const resumable = status !== 'failed' && there.some((file) => file !== undefined);
  return resumable ? { dir, state: 'resumable', owner: null } : undefined;
}

/**
 * Which runs of the other arms a recorded run is compared with: those of the same pair. It is recorded, or else the seed.
 *
 * Versions that did not record it let `--policies` shift the seeds by the arm's name: 1cycle@100 with seed 100 was paired with
 * seed 0. Such names are read only where `--policies` accepted them, a built-in policy or a .json file with @ and digits,
 * and only where the seed is at least the shift. With `--arm` anybody could give such a name; that cannot be told apart in
 * an old record, and `train` accepts it no more without --pair. Every other name, such as v2@224, is a name and no shift.
 */
export function pairOf({ arm, seed, pair }: JsonObject): number {
  if (typeof pair === 'number') return pair;
  const own = typeof seed === 'number' ? seed : 0;
  const shift = typeof arm === 'string' ? shiftByPolicies(arm) : 0;
  return shift <= own ? own - shift : own;
}

/** The key of a recorded run: equal keys mean that training again would give the same result. */
export function recordedRunKey(record: RunRecord): string {
  const { config } = record;
  return recordKey({ ...config, pair: pairOf(config) }, record.dataset, environmentsOf(record));
}

/** The key of a run about to be trained. */
export function plannedRunKey(bench: Workbench, config: RunConfig, environment: Environment): string {
  const plain = asJson(config);
  return recordKey({ ...plain, pair: pairOf(plain) }, asJson(datasetDocument(bench)), [asJson(environment)]);
}

/** What makes a configuration what it is, whatever the images and wherever it is computed. */
function settingsKey(config: JsonObject): string {
  return recordKey({ ...config, pair: pairOf(config) }, {}, []);
}

/** What a recorded run has in common with the same arm's runs of other seeds. */
export function recordedArmKey(record: RunRecord): string {
  return recordKey(withoutSeed(record.config), record.dataset, environmentsOf(record));
}

/** What a planned run has in common with the same arm's runs of other seeds. */
export function plannedArmKey(bench: Workbench, config: RunConfig, environment: Environment): string {
  return recordKey(withoutSeed(asJson(config)), asJson(datasetDocument(bench)), [asJson(environment)]);
}

function withoutSeed(config: JsonObject): JsonObject {
  return { ...config, seed: null, pair: null };
}
