import { join } from 'node:path';
import { MissingPathError, UsageError } from '../errors.js';
import { writeFileAtomic } from './atomic.js';
import { type CurveLine, type FoundRate, RUN_FILES, type RunResult, SCHEMA_VERSION } from './documents.js';
import { documentText, isJsonObject, type JsonObject, type JsonValue, sameJson } from './json.js';
import { JsonlWriter } from './jsonl.js';
import type { RunLock } from './lock.js';
import { ifThere, readDocument } from './read-document.js';
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

/** A range test as it lies on the disk. */
interface RangeTestRecord {
  readonly config: JsonObject;
  readonly environment: JsonObject;
  readonly dataset: JsonObject;
  readonly suggestion: Suggestion;
  /** Null where it was killed after it had found its rates. */
  readonly result: JsonObject | null;
}

/** Reads the points of a range test, also while it goes on. Throws UsageError where a line is damaged. */
export function readCurve(dir: string): Promise<readonly CurveLine[]> {
  return readRecords(join(dir, RANGE_TEST_FILES.curve), {
    expected: () => 'the numbers seed, step and learningRate, and losses that are numbers or null',
    matches: (line): line is JsonObject & CurveLine =>
      ['seed', 'step', 'learningRate'].every((name) => Number.isFinite(line[name])) &&
      ['loss', 'smoothedLoss'].every((name) => line[name] === null || Number.isFinite(line[name])),
  });
}

/** Reads a range test's folder. Throws UsageError where it is another command's, is damaged, or has not found its rates yet. */
export async function readRangeTest(dir: string): Promise<RangeTestRecord> {
  const path = (name: string) => join(dir, name);
  const place = path(RANGE_TEST_FILES.suggestion);
  const found = await ifThere(place, readDocument);
  if (found === null) {
    throw new MissingPathError(`there is no ${place}. Expected the folder of a finished find-lr run.`, 'lr');
  }
  const suggestion = suggestionOf(found, place);
  const config = await readDocument(path(RUN_FILES.config));
  const environment = await readDocument(path(RUN_FILES.environment));
  const dataset = await readDocument(path(RUN_FILES.dataset));
  const result = await ifThere(path(RUN_FILES.result), readDocument);
  if (result !== null) {
    const told = contradictions({ config, found, records: await readCurve(dir) }, result);
    if (told !== undefined) {
      throw new UsageError(`${dir} is damaged: ${told} of result.json. Run onecycle find-lr again.`);
    }
  }
  return { config, environment, dataset, suggestion, result };
}

/** What in a finished range test's folder is not as its result repeats it; undefined where nothing is. */
function contradictions(
  files: { readonly config: JsonObject; readonly found: JsonObject; readonly records: readonly CurveLine[] },
  { config, recommended, curves }: JsonObject,
): string | undefined {
  if (isJsonObject(config) && !sameJson(config, files.config)) return 'config.json is not that';
  if (recommended !== undefined && !sameJson(recommended, files.found['recommended'] ?? null)) {
    return 'suggestion.json recommends other rates than that';
  }
  if (!Array.isArray(curves)) return undefined;
  const points = curves.flatMap((curve: JsonValue) => {
    const { seed, points: own } = isJsonObject(curve) ? curve : {};
    return Array.isArray(own) ? own.map((point: JsonValue) => ({ seed, ...(point as JsonObject) })) : [];
  });
  return sameJson(points as unknown as JsonValue, files.records as unknown as JsonValue)
    ? undefined
    : 'curve.jsonl holds other points than those';
}

function suggestionOf({ recommended, reason }: JsonObject, path: string): Suggestion {
  const why = typeof reason === 'string' ? reason : '';
  if (recommended === null) return { recommended, reason: why };
  const { learningRate, fixedLearningRate } = isJsonObject(recommended) ? recommended : {};
  if (!isRate(learningRate) || !isRate(fixedLearningRate)) {
    throw new UsageError(`${path} holds no recommended rates. Run onecycle find-lr again.`);
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
      const curve = await JsonlWriter.open(join(dir, RANGE_TEST_FILES.curve), 'once');
      return new RangeTestFolder(dir, lock, curve);
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
