import { join } from 'node:path';
import { writeFileAtomic } from './atomic.js';
import { type CurveLine, RUN_FILES, type RunResult, SCHEMA_VERSION } from './documents.js';
import { JsonlWriter } from './jsonl.js';
import type { RunLock } from './lock.js';
import { documentText, makeFolder, type RunDocuments } from './run-folder.js';

/** Where things lie in a range test's folder, beside config.json, environment.json, dataset.json and result.json. */
export const SWEEP_FILES = {
  curve: 'curve.jsonl',
  suggestion: 'suggestion.json',
  svg: 'curve.svg',
  png: 'curve.png',
} as const;

/** A range test's folder, open for writing and locked. Every method throws RunError where the disk refuses. */
export class SweepFolder {
  #closed = false;

  private constructor(
    /** The folder's path. */
    readonly dir: string,
    private readonly lock: RunLock,
    private readonly curve: JsonlWriter,
  ) {}

  /** Makes the folder as `createRun` makes a run's, and throws what that throws. */
  static async create(outDir: string, name: string, documents: RunDocuments): Promise<SweepFolder> {
    const { dir, lock } = await makeFolder(outDir, name, {
      [RUN_FILES.config]: documentText(documents.config),
      [RUN_FILES.environment]: documentText({ schemaVersion: SCHEMA_VERSION, ...documents.environment }),
      [RUN_FILES.dataset]: documentText(documents.dataset),
      [SWEEP_FILES.curve]: '',
    });
    try {
      return new SweepFolder(dir, lock, await JsonlWriter.open(join(dir, SWEEP_FILES.curve)));
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Adds a line to curve.jsonl, which readers see at once: what was measured outlives a killed process. */
  appendPoint(line: CurveLine): void {
    this.curve.append(line);
    this.curve.flush();
  }

  /** Writes suggestion.json, which `--lr from:RUN` reads. */
  async writeSuggestion(suggestion: object): Promise<void> {
    await writeFileAtomic(join(this.dir, SWEEP_FILES.suggestion), documentText(suggestion));
  }

  /** Writes the chart in both forms. */
  async writeCharts({ svg, png }: { readonly svg: string; readonly png: Uint8Array }): Promise<void> {
    await writeFileAtomic(join(this.dir, SWEEP_FILES.svg), svg);
    await writeFileAtomic(join(this.dir, SWEEP_FILES.png), png);
  }

  /** Ends the record: result.json, written last. */
  async finish(result: RunResult): Promise<void> {
    await this.curve.sync();
    const text = documentText({ schemaVersion: SCHEMA_VERSION, ...result });
    await writeFileAtomic(join(this.dir, RUN_FILES.result), text);
  }

  /** Writes what is left and gives the folder free, also where writing fails; a second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.curve.close().finally(() => this.lock.release());
  }
}
