import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../errors.js';
import { parseJson } from '../parse-json.js';
import { writeFileAtomic } from './atomic.js';
import { type CurveLine, type FoundRate, RUN_FILES, type RunResult, SCHEMA_VERSION } from './documents.js';
import { documentText, isJsonObject, type JsonObject } from './json.js';
import { JsonlWriter } from './jsonl.js';
import type { RunLock } from './lock.js';
import { readDocument } from './read-document.js';
import { readRecords } from './read-run.js';
import { makeFolder, type RunDocuments } from './run-folder.js';

/** Where things lie in a range test's folder, beside config.json, environment.json, dataset.json and result.json. */
export const RANGE_TEST_FILES = {
  curve: 'curve.jsonl',
  suggestion: 'suggestion.json',
  svg: 'curve.svg',
  png: 'curve.png',
} as const;

/** What a range test recommends: rates for both policies, or none, and the reason. */
export type Suggestion = Pick<FoundRate, 'recommended' | 'reason'>;

/** A finished range test as it lies on the disk. */
interface RangeTestRecord {
  readonly config: JsonObject;
  readonly environment: JsonObject;
  readonly dataset: JsonObject;
  readonly suggestion: Suggestion;
}

/** Reads a range test's folder; undefined where it is another command's, or has not ended. Throws UsageError where it is damaged. */
export async function readRangeTest(dir: string): Promise<RangeTestRecord | undefined> {
  const config = await readDocument(join(dir, RUN_FILES.config));
  if (config['command'] !== 'find-lr') return undefined;
  const result = await readDocument(join(dir, RUN_FILES.result));
  if (result['status'] !== 'completed') return undefined;
  return {
    config,
    environment: await readDocument(join(dir, RUN_FILES.environment)),
    dataset: await readDocument(join(dir, RUN_FILES.dataset)),
    suggestion: await readSuggestion(dir),
  };
}

/** Reads the points of a range test, also while it goes on. Throws UsageError where a line is damaged. */
export function readCurve(dir: string): Promise<readonly CurveLine[]> {
  return readRecords(join(dir, RANGE_TEST_FILES.curve), {
    expected: 'the numbers seed, step and learningRate, and losses that are numbers or null',
    matches: (line): line is JsonObject & CurveLine =>
      ['seed', 'step', 'learningRate'].every((name) => typeof line[name] === 'number') &&
      ['loss', 'smoothedLoss'].every((name) => line[name] === null || typeof line[name] === 'number'),
  });
}

/** Reads what a range test recommends. Throws UsageError where there is none, or where its file is damaged. */
export async function readSuggestion(dir: string): Promise<Suggestion> {
  const path = join(dir, RANGE_TEST_FILES.suggestion);
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(`there is no ${path}. Expected the folder of a finished find-lr run.`);
  });
  const again = 'Run onecycle find-lr again.';
  let found: unknown;
  try {
    found = parseJson(text);
  } catch {
    found = undefined;
  }
  if (!isJsonObject(found)) throw new UsageError(`${path} is damaged. ${again}`);
  const { recommended, reason } = found;
  const why = typeof reason === 'string' ? reason : '';
  if (recommended === null) return { recommended, reason: why };
  const { learningRate, fixedLearningRate } = isJsonObject(recommended) ? recommended : {};
  if (!isRate(learningRate) || !isRate(fixedLearningRate)) {
    throw new UsageError(`${path} holds no recommended rates. ${again}`);
  }
  return { recommended: { learningRate, fixedLearningRate }, reason: why };
}

function isRate(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

/** A range test's folder, open for writing and locked. Every method throws RunError where the disk refuses. */
export class RangeTestFolder {
  #closed = false;

  private constructor(
    /** The folder's path. */
    readonly dir: string,
    private readonly lock: RunLock,
    private readonly curve: JsonlWriter,
  ) {}

  /** Makes the folder as `createRun` makes a run's, and throws what that throws. */
  static async create(outDir: string, name: string, documents: RunDocuments): Promise<RangeTestFolder> {
    const { dir, lock } = await makeFolder(outDir, name, {
      [RUN_FILES.config]: documentText(documents.config),
      [RUN_FILES.environment]: documentText({ schemaVersion: SCHEMA_VERSION, ...documents.environment }),
      [RUN_FILES.dataset]: documentText(documents.dataset),
      [RANGE_TEST_FILES.curve]: '',
    });
    try {
      return new RangeTestFolder(dir, lock, await JsonlWriter.open(join(dir, RANGE_TEST_FILES.curve)));
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
    await writeFileAtomic(join(this.dir, RANGE_TEST_FILES.suggestion), documentText(suggestion));
  }

  /** Writes the chart in both forms. */
  async writeCharts({ svg, png }: { readonly svg: string; readonly png: Uint8Array }): Promise<void> {
    await writeFileAtomic(join(this.dir, RANGE_TEST_FILES.svg), svg);
    await writeFileAtomic(join(this.dir, RANGE_TEST_FILES.png), png);
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
