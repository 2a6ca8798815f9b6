import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../errors/errors.js';
import { isTemporaryName } from './atomic.js';
import { offsetsOf } from './jsonl-offsets.js';
import { truncateTo } from './jsonl.js';
import { documentText, makeFolder } from './make-folder.js';
import { checkpointPath, readNewestCheckpoint, type FoundCheckpoint } from './read-checkpoint.js';
import { readEnvironment } from './read-run.js';
import { RunFolder } from './run-files.js';
import { RUN_FILES } from './run-layout.js';
import { lockRun } from './run-lock.js';
import { SCHEMA_VERSION } from './schema-version.js';
import { explainWriteError } from './write-error.js';

export type { RunFolder };

/** What is known before the first step; plain JSON data, but for the checkpoint. environment.json gets `schemaVersion` besides. */
export interface RunDocuments {
  readonly config: object;
  readonly environment: object;
  readonly dataset: object;
  /** To go on from where the program ends before it writes one; with offsets of 0. */
  readonly checkpoint?: Uint8Array;
}

/** A run to go on with, from `checkpoint`. */
export interface OpenedRun {
  readonly run: RunFolder;
  readonly checkpoint: FoundCheckpoint;
  /** Sentences for the user: a lock that was taken over, a damaged checkpoint that was passed over. */
  readonly notes: readonly string[];
}

const FIRST_CHECKPOINT = checkpointPath('', 'last');

/**
 * Makes the folder `outDir`/`name`, or `name`-2, -3 and so on where that exists, and opens it. `outDir` is made
 * too. The folder appears whole or not at all. Throws UsageError where it cannot be made, RunError where there is
 * no space, RangeError for a name that is no plain visible file name and for numbers that are not finite.
 */
export async function createRun(outDir: string, name: string, documents: RunDocuments): Promise<RunFolder> {
  const files = {
    [RUN_FILES.config]: documentText(documents.config),
    [RUN_FILES.environment]: documentText({ schemaVersion: SCHEMA_VERSION, ...documents.environment }),
    [RUN_FILES.dataset]: documentText(documents.dataset),
    [RUN_FILES.steps]: '',
    [RUN_FILES.epochs]: '',
    ...(documents.checkpoint && { [FIRST_CHECKPOINT]: documents.checkpoint }),
  };
  const { dir, lock } = await makeFolder(outDir, name, files, [RUN_FILES.checkpoints]);
  try {
    return await RunFolder.open(dir, lock, false);
  } catch (error) {
    await rm(dir, { recursive: true, force: true }).catch(() => undefined);
    throw explainWriteError(error, dir, 'start');
  }
}

/**
 * Opens a run's folder to go on with it: takes its lock, cuts the JSONL files back to what the newest whole
 * checkpoint counts on, and removes what a killed process left half-written. The old result stays until the first
 * line is appended. Throws UsageError where the folder is no run, is in use, or has no checkpoint to go on from.
 */
export async function openRun(dir: string): Promise<OpenedRun> {
  await readEnvironment(dir);
  const lock = await lockRun(dir);
  try {
    const checkpoint = await readNewestCheckpoint(dir);
    const offsets = offsetsOf(checkpoint.header);
    if (offsets === undefined) {
      throw new UsageError(
        `Expected offsets.steps and offsets.epochs in ${checkpointPath(dir, checkpoint.generation)} but there are none. Start the run anew.`,
      );
    }
    await truncateTo(join(dir, RUN_FILES.steps), offsets.steps);
    await truncateTo(join(dir, RUN_FILES.epochs), offsets.epochs);
    if (checkpoint.generation === 'previous') {
      // Else the next checkpoint would put the damaged one in the place of the only whole one.
      await rename(checkpointPath(dir, 'previous'), checkpointPath(dir, 'last'));
    }
    await removeLeftovers(dir);
    await removeLeftovers(join(dir, RUN_FILES.checkpoints));
    const run = await RunFolder.open(dir, lock, true);
    return { run, checkpoint, notes: [lock.note, checkpoint.note].filter((note) => note !== null) };
  } catch (error) {
    await lock.release();
    throw explainWriteError(error, dir, 'resume');
  }
}

/** Only for the holder of the lock: another writer's temporary files would be taken for leftovers. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    // Those of the lock belong to whoever just asks for it.
    if (!isTemporaryName(name) || name.startsWith('..lock')) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}
