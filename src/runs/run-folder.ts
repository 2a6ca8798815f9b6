import { rmSync } from 'node:fs';
import { link, lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RunError, UsageError } from '../errors.js';
import { makeFolders, readWholeFile, syncFolder } from '../files.js';
import {
  explainWriteError,
  isTemporaryName,
  requireWritable,
  sweepFolder,
  temporaryName,
  writeDurably,
  writeFileAtomic,
  writeFolder,
} from './atomic.js';
import { checkpointPath, type FoundCheckpoint, readNewestCheckpoint } from './checkpoint.js';
import {
  type EpochRecord,
  type PredictionRecord,
  RUN_FILES,
  type RunEvent,
  type RunResult,
  SCHEMA_VERSION,
  type StepRecord,
} from './documents.js';
import { documentText, jsonText } from './json.js';
import { type JsonlOffsets, JsonlWriter, offsetsOf, requireLines, truncateTo } from './jsonl.js';
import { heldLock, lockPath, lockRun, ownLockText, type RunLock } from './lock.js';
import { listRuns, readEnvironment } from './read-run.js';

/** What is known before the first step; plain JSON data, but for the checkpoint. environment.json gets `schemaVersion` besides. */
export interface RunDocuments {
  readonly config: object;
  readonly environment: object;
  readonly dataset: object;
  /** To go on from where the program ends before it writes one; with offsets of 0. */
  readonly checkpoint?: Uint8Array;
}

/** A run that this process has locked to go on with it. Nothing in its folder has changed yet. */
export interface HeldRun {
  /** The newest whole one: where the run stands. */
  readonly checkpoint: FoundCheckpoint;
  /** Sentences for the user: a lock that was taken over, a damaged checkpoint that was passed over. */
  readonly notes: readonly string[];
  /** Brings the folder back to the checkpoint and opens it; closing it releases the lock. */
  open(): Promise<RunFolder>;
  /** Gives the run free; does nothing where that has been done. */
  release(): Promise<void>;
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
 * Locks a run to go on with it and reads where it stands. Throws UsageError where the folder is no run, is in use
 * (InUseError), or has no checkpoint to go on from.
 */
export async function holdRun(dir: string): Promise<HeldRun> {
  await readEnvironment(dir);
  const lock = await lockRun(dir);
  try {
    const checkpoint = await readResumePoint(dir);
    const notes = [lock.note, checkpoint.note].filter((note) => note !== null);
    return { checkpoint, notes, open: () => reopen(dir, lock, checkpoint), release: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * Reads where a run stands: its newest whole checkpoint. Throws UsageError where there is none, and where the lines that
 * it counts on are not in the files any more.
 */
export async function readResumePoint(dir: string): Promise<FoundCheckpoint> {
  const checkpoint = await readNewestCheckpoint(dir);
  const { steps, epochs, sha256 } = requireOffsets(dir, checkpoint);
  await requireLines(join(dir, RUN_FILES.steps), steps, sha256?.steps);
  await requireLines(join(dir, RUN_FILES.epochs), epochs, sha256?.epochs);
  return checkpoint;
}

function requireOffsets(dir: string, { header, generation }: FoundCheckpoint): JsonlOffsets {
  const offsets = offsetsOf(header);
  if (offsets !== undefined) return offsets;
  throw new UsageError(
    `Expected offsets.steps and offsets.epochs in ${checkpointPath(dir, generation)} but there are none. Start the run anew.`,
  );
}

/**
 * Cuts the JSONL files back to what the checkpoint counts on, removes what a killed process left half-written, and
 * opens the folder. The old result stays until the first line is appended.
 */
async function reopen(dir: string, lock: RunLock, checkpoint: FoundCheckpoint): Promise<RunFolder> {
  try {
    const offsets = requireOffsets(dir, checkpoint);
    await truncateTo(join(dir, RUN_FILES.steps), offsets.steps);
    await truncateTo(join(dir, RUN_FILES.epochs), offsets.epochs);
    if (checkpoint.generation === 'previous') {
      // Else the next checkpoint would put the damaged one in the place of the only whole one.
      await rename(checkpointPath(dir, 'previous'), checkpointPath(dir, 'last'));
    }
    await removeLeftovers(dir);
    await removeLeftovers(join(dir, RUN_FILES.checkpoints));
    return await RunFolder.open(dir, lock, true);
  } catch (error) {
    await lock.release();
    throw explainWriteError(error, dir, 'resume');
  }
}

/**
 * Checks, before any work is done, that runs can be recorded in `out`, and removes what killed processes of this machine left
 * half-written there: folders of runs that were being made, and files in runs. Throws as `requireWritable` does.
 */
export async function prepareOut(out: string): Promise<void> {
  await requireWritable(out, '--out');
  await sweepFolder(out);
  for (const dir of await listRuns(out).catch(() => [])) {
    await sweepFolder(dir);
    await sweepFolder(join(dir, RUN_FILES.checkpoints));
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

/**
 * A run's folder, open for writing and locked. Every method throws RunError where the disk refuses.
 *
 * A checkpoint is written in this order, so that it never counts on lines that are not on the disk:
 * `sync`, then `encodeCheckpoint` with the offsets as `offsets` in its header, then `writeCheckpoint`.
 */
export class RunFolder {
  /** Whether what an earlier part of the run concluded still lies there. */
  #concluded: boolean;
  #closed = false;

  private constructor(
    /** The folder's path. */
    readonly dir: string,
    private readonly lock: RunLock,
    private readonly steps: JsonlWriter,
    private readonly epochs: JsonlWriter,
    concluded: boolean,
  ) {
    this.#concluded = concluded;
  }

  /** Opens a folder that this process has locked, at the end of its lines; `concluded`: it may hold a result. */
  static async open(dir: string, lock: RunLock, concluded: boolean): Promise<RunFolder> {
    const steps = await JsonlWriter.open(join(dir, RUN_FILES.steps));
    try {
      return new RunFolder(dir, lock, steps, await JsonlWriter.open(join(dir, RUN_FILES.epochs)), concluded);
    } catch (error) {
      await steps.close();
      throw error;
    }
  }

  /** Adds a line to steps.jsonl, which readers see with the next epoch, `sync` or `close`. */
  appendStep(record: StepRecord): void {
    this.#goOn();
    this.steps.append(record);
  }

  /** Adds a line to epochs.jsonl and shows readers all lines, the steps' first. */
  appendEpoch(record: EpochRecord): void {
    this.#goOn();
    this.epochs.append(record);
    this.steps.flush();
    this.epochs.flush();
  }

  /** Waits until all lines are on the disk and returns the lengths that a checkpoint is to hold as `offsets`. */
  async sync(): Promise<JsonlOffsets> {
    const lengths = { steps: await this.steps.sync(), epochs: await this.epochs.sync() };
    await this.#requireOwn();
    return { ...lengths, sha256: { steps: this.steps.sha256, epochs: this.epochs.sha256 } };
  }

  /** Makes `bytes` the last checkpoint and keeps the one before it; with `best` they also become the best one. */
  async writeCheckpoint(
    bytes: Uint8Array,
    { best = false }: { readonly best?: boolean } = {},
  ): Promise<void> {
    const previous = checkpointPath(this.dir, 'previous');
    await writeFileAtomic(checkpointPath(this.dir, 'last'), bytes, { phase: 'run', previous });
    // Last: if the program ends in between, going on from the last checkpoint makes it the best one. The other way round the
    // weights of the best epoch so far would be gone, while the epoch that replaced them may be another one elsewhere.
    if (best) await this.writeBest(bytes);
  }

  /** Makes `bytes` the checkpoint of the best epoch. */
  async writeBest(bytes: Uint8Array): Promise<void> {
    await writeFileAtomic(checkpointPath(this.dir, 'best'), bytes, { phase: 'run' });
  }

  /** Writes events.jsonl as a whole; without events there is none. */
  async writeEvents(events: readonly RunEvent[]): Promise<void> {
    const path = join(this.dir, RUN_FILES.events);
    const text = events.map((event) => `${jsonText(event)}\n`).join('');
    if (text !== '') await writeFileAtomic(path, text, { phase: 'run' });
    else await rm(path, { force: true });
  }

  /** Replaces config.json or environment.json of a run that goes on otherwise than it began; its result is void. */
  async replace(name: 'config' | 'environment', content: object): Promise<void> {
    this.#goOn();
    const document = name === 'config' ? content : { schemaVersion: SCHEMA_VERSION, ...content };
    await writeFileAtomic(join(this.dir, RUN_FILES[name]), `${jsonText(document, 2)}\n`, { phase: 'run' });
  }

  /** Writes predictions.jsonl as a whole. */
  async writePredictions(lines: Iterable<PredictionRecord>): Promise<void> {
    await this.#requireOwn();
    const text = Array.from(lines, (line) => `${jsonText(line)}\n`).join('');
    await writeFileAtomic(join(this.dir, RUN_FILES.predictions), text, { phase: 'run' });
  }

  /**
   * Writes model/, replacing it as a whole.
   * @param files the run's own, by name
   * @param shared files that other runs hold too; those take their space once in all the runs beside each other
   */
  async writeModel(
    files: Readonly<Record<string, string | Uint8Array>>,
    shared: Readonly<Record<string, Uint8Array>> = {},
  ): Promise<void> {
    await this.#requireOwn();
    const path = join(this.dir, RUN_FILES.model);
    const [fresh, old] = [temporaryName(path), temporaryName(path)];
    try {
      await writeFolder(fresh, { ...files, ...shared }, (file, data, name) =>
        Object.hasOwn(shared, name)
          ? this.#linkOrWrite(file, Buffer.from(data), name)
          : writeDurably(file, data),
      );
      // A folder that is not empty cannot be renamed over.
      await rename(path, old).catch(() => undefined);
      await rename(fresh, path);
      await syncFolder(this.dir);
    } catch (error) {
      throw explainWriteError(error, path, 'run');
    } finally {
      for (const left of [fresh, old])
        await rm(left, { recursive: true, force: true }).catch(() => undefined);
    }
  }

  /** Makes a file of model/ a hard link to the one of a run beside this, where that holds the same bytes. */
  async #linkOrWrite(path: string, data: Buffer, name: string): Promise<void> {
    const beside = dirname(this.dir);
    for (const run of await readdir(beside).catch(() => [])) {
      const linked = link(join(beside, run, RUN_FILES.model, name), path);
      if (!(await linked.then(() => true).catch(() => false))) continue;
      const same = await readWholeFile(path, data.length).then(
        (found) => data.equals(found),
        // Another's folder may hold anything.
        () => false,
      );
      if (same) return;
      await rm(path);
    }
    await writeDurably(path, data);
  }

  /** Ends the record: result.json, written last. It begins with `schemaVersion`. */
  async finish(result: RunResult): Promise<void> {
    await this.sync();
    const text = jsonText({ schemaVersion: SCHEMA_VERSION, ...result }, 2);
    await writeFileAtomic(join(this.dir, RUN_FILES.result), `${text}\n`, { phase: 'run' });
    this.#concluded = true;
  }

  /** Writes what is left and gives the folder free, also where writing fails; a second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.steps.close();
    } finally {
      await this.epochs.close().finally(() => this.lock.release());
    }
  }

  /** Throws RunError where another folder lies in this one's place: what is written by its path would destroy what is there. */
  async #requireOwn(): Promise<void> {
    if (await this.lock.isHeld()) return;
    throw new RunError(
      `Could not write ${this.dir}: it is not the folder of this run any more, but was removed, moved or replaced, or its ` +
        `${basename(lockPath(this.dir))} was removed. Put the folder back and go on with --resume, or start again.`,
    );
  }

  /** A run that goes on has no result any more: else a reader would take the old one for the new. */
  #goOn(): void {
    if (!this.#concluded) return;
    for (const name of [RUN_FILES.result, RUN_FILES.predictions]) {
      const path = join(this.dir, name);
      try {
        rmSync(path, { force: true });
      } catch (error) {
        throw explainWriteError(error, path, 'run');
      }
    }
    this.#concluded = false;
  }
}

/** A folder that was just made and is locked by this process. */
interface MadeFolder {
  readonly dir: string;
  readonly lock: RunLock;
}

/**
 * Makes the folder `outDir`/`name`, or `name`-2, -3 and so on where that exists, with these files and folders in
 * it; a file's name may lead into one of the folders. `outDir` is made too. The folder appears whole or not at all. Throws UsageError where it cannot be made,
 * RunError where there is no space, RangeError for a name that is no plain visible file name.
 */
export async function makeFolder(
  outDir: string,
  name: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  folders: readonly string[] = [],
): Promise<MadeFolder> {
  if (!/^[^./\\\0][^/\\\0]*$/.test(name)) {
    throw new RangeError(
      `Expected a file name without folders and leading dot for a run but received ${JSON.stringify(name)}.`,
    );
  }
  const lockText = ownLockText();
  let made = temporaryName(join(outDir, name));
  try {
    await makeFolders(outDir);
    await mkdir(made);
    await writeDurably(lockPath(made), lockText);
    for (const folder of folders) await mkdir(join(made, folder));
    for (const [file, data] of Object.entries(files)) await writeDurably(join(made, file), data);
    for (const folder of folders) await syncFolder(join(made, folder));
    await syncFolder(made);
    made = await moveToFreeName(made, join(outDir, name));
    await syncFolder(outDir);
    return { dir: made, lock: heldLock(made, lockText) };
  } catch (error) {
    await rm(made, { recursive: true, force: true }).catch(() => undefined);
    throw explainWriteError(error, join(outDir, name), 'start');
  }
}

/** Renames a folder to `path`, or `path`-2, -3 and so on; nobody else can get the same name. */
async function moveToFreeName(from: string, path: string): Promise<string> {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? path : `${path}-${n}`;
    // A rename fails on a folder with something in it, but it would replace an empty one, or on Windows fail otherwise.
    if (await exists(candidate)) continue;
    try {
      await rename(from, candidate);
      return candidate;
    } catch (error) {
      if (!(await exists(candidate))) throw error;
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
