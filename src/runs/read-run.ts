import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../errors.js';
import { errnoOf } from './atomic.js';
import {
  type EpochRecord,
  type PredictionRecord,
  RUN_FILES,
  type RunEvent,
  type RunResult,
  type StepRecord,
} from './documents.js';
import { isJsonObject, type JsonObject, type JsonValue, runKey } from './json.js';
import { readJsonl } from './jsonl.js';
import { checkSchemaVersion, readDocument } from './read-document.js';

/** A run as it lies on the disk, finished or not. */
export interface RunRecord {
  readonly dir: string;
  readonly config: JsonObject;
  /** Holds schemaVersion besides what the run's writer gave. */
  readonly environment: JsonObject;
  readonly dataset: JsonObject;
  readonly steps: readonly StepRecord[];
  readonly epochs: readonly EpochRecord[];
  /** What changed the run's course; mostly none. */
  readonly events: readonly RunEvent[];
  /** Null until the run has ended. */
  readonly result: JsonObject | null;
  /** As the result says it; 'unfinished' where there is none: still running, or killed. */
  readonly status: RunResult['status'] | 'unfinished';
  /** Null where none were written. */
  readonly predictions: readonly PredictionRecord[] | null;
}

/**
 * Reads a run's folder, also while another process writes it: a torn last line is left out. Throws UsageError
 * naming what is missing or damaged, and where the record is of a newer version.
 */
export async function readRun(dir: string): Promise<RunRecord> {
  const environment = await readEnvironment(dir);
  const result = await ifThere(dir, RUN_FILES.result, readDocument);
  if (result !== null) checkSchemaVersion(result, join(dir, RUN_FILES.result));
  return {
    dir,
    config: await readDocument(join(dir, RUN_FILES.config)),
    environment,
    dataset: await readDocument(join(dir, RUN_FILES.dataset)),
    steps: await readRecords(join(dir, RUN_FILES.steps), stepShape),
    epochs: await readRecords(join(dir, RUN_FILES.epochs), epochShape),
    events: (await ifThere(dir, RUN_FILES.events, (path) => readRecords(path, eventShape))) ?? [],
    result,
    status: result === null ? 'unfinished' : statusOf(result, join(dir, RUN_FILES.result)),
    predictions: await ifThere(dir, RUN_FILES.predictions, (path) => readRecords(path, predictionShape)),
  };
}

/** The first file to read: it tells whether this is a run at all, and of which version. Throws UsageError. */
export async function readEnvironment(dir: string): Promise<JsonObject> {
  const names = await readdir(dir).catch((error: unknown) => {
    throw new UsageError(
      `Expected a run's folder at ${dir} but could not read it (${errnoOf(error) ?? String(error)}).`,
      {
        cause: error,
      },
    );
  });
  const missing = [
    RUN_FILES.environment,
    RUN_FILES.config,
    RUN_FILES.dataset,
    RUN_FILES.steps,
    RUN_FILES.epochs,
  ].filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw new UsageError(
      `${dir} is not the folder of a run: it lacks ${missing.join(', ')}. Give a folder that onecycle made.`,
    );
  }
  const path = join(dir, RUN_FILES.environment);
  const environment = await readDocument(path);
  checkSchemaVersion(environment, path);
  return environment;
}

/**
 * The paths of the run folders in `outDir`, in the order of their names with numbers by value (a-2 before a-10).
 * None where `outDir` does not exist; throws UsageError where it cannot be read.
 */
export async function listRuns(outDir: string): Promise<string[]> {
  const runs: string[] = [];
  for (const dir of await listFolders(outDir)) {
    if (await isFile(join(dir, RUN_FILES.config))) runs.push(dir);
  }
  return runs;
}

/** As `listRuns`, with what is no run too: all that is visible in `outDir` but its files. */
export async function listFolders(outDir: string): Promise<string[]> {
  const names = await readdir(outDir).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw new UsageError(
      `Expected a folder of runs at ${outDir} but could not read it (${errnoOf(error) ?? String(error)}).`,
      {
        cause: error,
      },
    );
  });
  const order = new Intl.Collator('en', { numeric: true });
  const visible = names
    .filter((name) => !name.startsWith('.'))
    .sort((a, b) => order.compare(a, b) || (a < b ? -1 : 1));
  const paths = visible.map((name) => join(outDir, name));
  const kinds = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  return paths.filter((_, i) => kinds[i]?.isDirectory() === true);
}

/** Where data and weights lie and how files were chosen says nothing about what they are: their hashes do. */
const PLACES = new Set(['data', 'weights', 'valSplit', 'splitSeed', 'followLinks']);

/**
 * A name for what makes a record what it is: equal keys mean that computing again would give the same result. Neither
 * places nor where a rate was taken from count.
 * @param environments of all its parts
 */
export function recordKey(
  config: JsonObject,
  dataset: JsonObject,
  environments: readonly JsonObject[],
): string {
  const settings = Object.entries(config).filter(([name]) => !PLACES.has(name) && name !== 'lrFrom');
  const computed = environments.map(({ backend, arithmetic, onecycle }) =>
    JSON.stringify([backend ?? null, arithmetic ?? null, onecycle ?? null]),
  );
  return runKey({
    config: Object.fromEntries(settings),
    files: dataset['files'] ?? null,
    weights: dataset['weightsSha256'] ?? null,
    computed: [...new Set(computed)],
  });
}

/** The lines of a JSONL file. Throws UsageError naming the first that does not match. */
export async function readRecords<T>(path: string, shape: Shape<T>): Promise<readonly T[]> {
  return (await readJsonl(path)).map((line, i) => {
    if (shape.matches(line)) return line;
    throw new UsageError(
      `${path}, line ${i + 1}, is damaged: expected ${shape.expected} but received ${JSON.stringify(line).slice(0, 200)}. ` +
        'Put the original back, or remove the run.',
    );
  });
}

/** What `read` makes of a file in a run's folder; null where there is no such file. */
export async function ifThere<T>(
  dir: string,
  name: string,
  read: (path: string) => Promise<T>,
): Promise<T | null> {
  const path = join(dir, name);
  return (await isFile(path)) ? read(path) : null;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

function statusOf({ status }: JsonObject, path: string): RunResult['status'] {
  if (status === 'completed' || status === 'interrupted' || status === 'failed') return status;
  throw new UsageError(
    `Expected "completed", "interrupted" or "failed" as status in ${path} but received ${JSON.stringify(status)}.`,
  );
}

/** What a line of steps.jsonl and of epochs.jsonl holds, in this order. */
export const STEP_FIELDS = ['step', 'epoch', 'learningRate', 'momentum', 'loss'] as const;
export const EPOCH_FIELDS = [
  'epoch',
  'trainLoss',
  'validLoss',
  'validAccuracy',
  'correct',
  'total',
  'seconds',
] as const;
const PREDICTION = ['predicted', 'probability'] as const;

/** What one line of a JSONL file must be; other keys than these may be there too. */
interface Shape<T> {
  /** For messages, such as «a step with ...». */
  readonly expected: string;
  matches(line: JsonObject): line is JsonObject & T;
}

/** A line of steps.jsonl. */
const stepShape: Shape<StepRecord> = {
  expected: `the numbers ${STEP_FIELDS.join(', ')}`,
  matches: (line): line is JsonObject & StepRecord => hasNumbers(line, STEP_FIELDS),
};

/** A line of epochs.jsonl. */
export const epochShape: Shape<EpochRecord> = {
  expected: `the numbers ${EPOCH_FIELDS.join(', ')}`,
  matches: (line): line is JsonObject & EpochRecord => hasNumbers(line, EPOCH_FIELDS),
};

/** A line of predictions.jsonl. */
const predictionShape: Shape<PredictionRecord> = {
  expected: `image, label, and final and best with the numbers ${PREDICTION.join(' and ')}`,
  matches: (line): line is JsonObject & PredictionRecord =>
    typeof line['image'] === 'string' &&
    hasNumbers(line, ['label']) &&
    hasNumbers(line['final'], PREDICTION) &&
    hasNumbers(line['best'], PREDICTION),
};

/** A line of events.jsonl. */
const eventShape: Shape<RunEvent> = {
  expected: 'the texts type and text, and the numbers step and epoch',
  matches: (line): line is JsonObject & RunEvent =>
    typeof line['type'] === 'string' &&
    typeof line['text'] === 'string' &&
    hasNumbers(line, ['step', 'epoch']),
};

function hasNumbers(value: JsonValue | undefined, keys: readonly string[]): boolean {
  return isJsonObject(value) && keys.every((key) => typeof value[key] === 'number');
}
