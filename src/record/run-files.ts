import { rmSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EpochRecord, StepRecord } from '../training/records.js';
import { syncFolder, temporaryName, writeDurably, writeFileAtomic } from './atomic.js';
import { jsonText } from './json.js';
import type { JsonlOffsets } from './jsonl-offsets.js';
import { JsonlWriter } from './jsonl.js';
import { checkpointPath } from './read-checkpoint.js';
import { RUN_FILES, type PredictionRecord, type RunEvent, type RunResult } from './run-layout.js';
import type { RunLock } from './run-lock.js';
import { SCHEMA_VERSION } from './schema-version.js';
import { explainWriteError } from './write-error.js';

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
    return { steps: await this.steps.sync(), epochs: await this.epochs.sync() };
  }

  /** Makes `bytes` the last checkpoint and keeps the one before it; with `best` they also become the best one. */
  async writeCheckpoint(
    bytes: Uint8Array,
    { best = false }: { readonly best?: boolean } = {},
  ): Promise<void> {
    // Best first: if the program ends in between, going on from the older last one finds the same best again.
    if (best) await writeFileAtomic(checkpointPath(this.dir, 'best'), bytes);
    const previous = checkpointPath(this.dir, 'previous');
    await writeFileAtomic(checkpointPath(this.dir, 'last'), bytes, { previous });
  }

  /** Writes events.jsonl as a whole; without events there is none. */
  async writeEvents(events: readonly RunEvent[]): Promise<void> {
    const path = join(this.dir, RUN_FILES.events);
    const text = events.map((event) => `${jsonText(event)}\n`).join('');
    if (text !== '') await writeFileAtomic(path, text);
    else await rm(path, { force: true });
  }

  /** Replaces config.json or environment.json of a run that goes on otherwise than it began; its result is void. */
  async replace(name: 'config' | 'environment', content: object): Promise<void> {
    this.#goOn();
    const document = name === 'config' ? content : { schemaVersion: SCHEMA_VERSION, ...content };
    await writeFileAtomic(join(this.dir, RUN_FILES[name]), `${jsonText(document, 2)}\n`);
  }

  /** Writes predictions.jsonl as a whole. */
  async writePredictions(lines: Iterable<PredictionRecord>): Promise<void> {
    const text = Array.from(lines, (line) => `${jsonText(line)}\n`).join('');
    await writeFileAtomic(join(this.dir, RUN_FILES.predictions), text);
  }

  /** Writes model/, replacing it as a whole; `files` by name, without folders. */
  async writeModel(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    const path = join(this.dir, RUN_FILES.model);
    const [fresh, old] = [temporaryName(path), temporaryName(path)];
    try {
      await mkdir(fresh);
      for (const [name, data] of Object.entries(files)) await writeDurably(join(fresh, name), data);
      await syncFolder(fresh);
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

  /** Ends the record: result.json, written last. It begins with `schemaVersion`. */
  async finish(result: RunResult): Promise<void> {
    await this.sync();
    const text = jsonText({ schemaVersion: SCHEMA_VERSION, ...result }, 2);
    await writeFileAtomic(join(this.dir, RUN_FILES.result), `${text}\n`);
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
