import { lstat, readdir, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { messageOf, UsageError } from '../errors.js';
import { type ListedRun, RUN_FILES, type RunsDocument, SCHEMA_VERSION } from '../runs/documents.js';
import { lockedBy, lockRun } from '../runs/lock.js';
import { checkSchemaVersion, ifThere, readDocument } from '../runs/read-document.js';
import { epochShape, listFolders, readRecords } from '../runs/read-run.js';
import { bestAndFinal } from '../runs/check-run.js';
import { requireOwnModel } from '../runs/run-model.js';

/** Which runs are listed, and in which order. */
export interface ListOptions {
  readonly sort: SortKey;
  /** A policy or the name of an arm. */
  readonly policy?: string;
  /** A data folder, as it was named, by its path or by its last part. */
  readonly data?: string;
}

/** Texts rise; of numbers the largest, and of ages the newest, is first. */
const ORDERS = {
  name: (a, b) => collator.compare(a.run, b.run),
  arm: (a, b) => collator.compare(a.arm ?? '', b.arm ?? ''),
  data: (a, b) => collator.compare(a.data, b.data),
  seed: (a, b) => a.seed - b.seed,
  status: (a, b) => collator.compare(a.status, b.status),
  best: (a, b) => accuracy(b.best) - accuracy(a.best),
  final: (a, b) => accuracy(b.final) - accuracy(a.final),
  age: (a, b) => Date.parse(b.changed) - Date.parse(a.changed),
  size: (a, b) => b.bytes - a.bytes,
} satisfies Record<string, (a: ListedRun, b: ListedRun) => number>;

export type SortKey = keyof typeof ORDERS;

export const SORT_KEYS = Object.keys(ORDERS);

export function isSortKey(text: string): text is SortKey {
  return Object.hasOwn(ORDERS, text);
}

const collator = new Intl.Collator('en', { numeric: true });

function accuracy(epoch: ListedRun['best']): number {
  return epoch === null ? -1 : epoch.validAccuracy;
}

/**
 * The runs in a folder of runs. What is no run or cannot be read is passed over, with a reason.
 * @throws UsageError where `dir` cannot be read, or is itself a run
 */
export async function listRecorded(dir: string, options: ListOptions): Promise<RunsDocument> {
  if ((await lstat(dir).catch(() => undefined)) === undefined) {
    throw new UsageError(`There is no folder ${dir}. Give the one that --out named.`);
  }
  const runs: ListedRun[] = [];
  const passedOver: { folder: string; reason: string }[] = [];
  for (const folder of await listFolders(dir)) {
    try {
      runs.push(await listedRun(folder));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      passedOver.push({ folder, reason: messageOf(error) });
    }
  }
  if (runs.length === 0 && (await lstat(join(dir, RUN_FILES.config)).catch(() => undefined)) !== undefined) {
    throw new UsageError(`${dir} is a run, not a folder of runs. onecycle show ${dir} prints it.`);
  }
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'runs',
    status: 'completed',
    dir,
    wanted: { policy: options.policy ?? null, data: options.data ?? null },
    recorded: runs.length,
    // The order of the names decides among equals.
    runs: runs.filter((run) => isWanted(run, options)).sort(ORDERS[options.sort]),
    passedOver,
  };
}

function isWanted({ arm, policy, data }: ListedRun, wanted: ListOptions): boolean {
  const byPolicy = wanted.policy === undefined || [arm, policy].includes(wanted.policy);
  const byData =
    wanted.data === undefined ||
    data === wanted.data ||
    basename(data) === wanted.data ||
    resolve(data) === resolve(wanted.data);
  return byPolicy && byData;
}

/** Throws UsageError where the folder is no run of this program, or damaged. */
async function listedRun(dir: string): Promise<ListedRun> {
  const path = join(dir, RUN_FILES.config);
  const config = await ifThere(join(dir, RUN_FILES.config), readDocument);
  if (config === null) throw new UsageError(`${dir} is no run: it holds no ${RUN_FILES.config}.`);
  const environment = await readDocument(join(dir, RUN_FILES.environment));
  checkSchemaVersion(environment, join(dir, RUN_FILES.environment));
  const { seed, data, policy, arm, epochs: planned } = config;
  if (typeof seed !== 'number' || typeof data !== 'string' || typeof planned !== 'number') {
    throw new UsageError(`${path} names no data, epochs and seed: it is not that of a run.`);
  }
  const result = await ifThere(join(dir, RUN_FILES.result), readDocument);
  const common = { run: dir, data, seed, ...(await filesOf(dir)) };
  const status = await statusOf(dir, result?.['status']);
  if (config['command'] === 'find-lr') {
    return {
      ...common,
      command: 'find-lr',
      arm: null,
      policy: null,
      status,
      epochs: null,
      best: null,
      final: null,
    };
  }
  if (typeof policy !== 'string') throw new UsageError(`${path} names no policy: it is not that of a run.`);
  const epochs = await readRecords(join(dir, RUN_FILES.epochs), epochShape);
  return {
    ...common,
    command: 'train',
    arm: typeof arm === 'string' ? arm : policy,
    policy,
    status,
    epochs: { done: epochs.length, planned },
    ...bestAndFinal(epochs),
  };
}

async function statusOf(dir: string, status: unknown): Promise<ListedRun['status']> {
  // Also a run with a result may be going on: --extend-to voids it with the first step.
  if ((await lockedBy(dir)) !== null) return 'running';
  return status === 'completed' || status === 'failed' || status === 'interrupted' ? status : 'killed';
}

/** The size of a run's files, and when one of them was last written. Links are not followed. */
async function filesOf(dir: string): Promise<Pick<ListedRun, 'changed' | 'bytes' | 'checkpointBytes'>> {
  const names = await readdir(dir, { recursive: true });
  const found = { bytes: 0, checkpointBytes: 0, changed: 0 };
  for (const name of names) {
    // A file may go while a run is being trained.
    const file = await lstat(join(dir, name)).catch(() => undefined);
    if (file?.isFile() !== true) continue;
    found.bytes += file.size;
    if (name.startsWith(RUN_FILES.checkpoints)) found.checkpointBytes += file.size;
    found.changed = Math.max(found.changed, file.mtimeMs);
  }
  return { ...found, changed: new Date(found.changed).toISOString() };
}

/** Runs whose checkpoints nobody needs to go on: finished, and with checkpoints still there. */
export function prunable({ runs }: RunsDocument): ListedRun[] {
  return runs.filter(({ status, checkpointBytes }) => status === 'completed' && checkpointBytes > 0);
}

/**
 * Removes the checkpoints of finished runs. Each is looked at again under its lock: a run that is in use by then, or goes on, is
 * left alone.
 */
export async function pruneRuns(runs: readonly ListedRun[]): Promise<NonNullable<RunsDocument['pruned']>> {
  const pruned: string[] = [];
  const left: { run: string; reason: string }[] = [];
  let bytes = 0;
  for (const { run } of runs) {
    try {
      bytes += await pruneRun(run);
      pruned.push(run);
    } catch (error) {
      left.push({ run, reason: messageOf(error) });
    }
  }
  return { runs: pruned, bytes, left };
}

async function pruneRun(dir: string): Promise<number> {
  const lock = await lockRun(dir);
  try {
    const result = await ifThere(join(dir, RUN_FILES.result), readDocument);
    if (result?.['status'] !== 'completed') throw new UsageError(`${dir} is no longer finished.`);
    // Else the checkpoints hold the only good weights.
    await requireOwnModel(dir);
    const folder = join(dir, RUN_FILES.checkpoints);
    if ((await lstat(folder)).isSymbolicLink()) throw new UsageError(`${folder} leads to another place.`);
    const { checkpointBytes } = await filesOf(dir);
    for (const name of await readdir(folder)) await rm(join(folder, name), { force: true });
    return checkpointBytes;
  } finally {
    await lock.release();
  }
}
