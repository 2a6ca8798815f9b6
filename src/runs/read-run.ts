import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../errors.js';
import { errnoOf } from '../files.js';
import {
  type EpochRecord,
  type PredictionRecord,
  RUN_FILES,
  type RunEvent,
  type RunRecord,
  type RunResult,
  type StepRecord,
  WITHOUT_RECORD,
} from './documents.js';
import { againstLastCheckpoint, contradictions } from './check-run.js';
import { peekHeader } from './checkpoint.js';
import { isCount, isJsonObject, type JsonObject, type JsonValue, runKey } from './json.js';
import { type Lines, offsetsOf, readJsonl } from './jsonl.js';
import { checkSchemaVersion, ifThere, readDocument } from './read-document.js';

/** Only a range test has it. */
const RANGE_TEST_CURVE = 'curve.jsonl';

/** Contradictions that a message names. */
const NAMED = 3;

/**
 * Reads a run's folder, also while another process writes it: a torn last line is left out. Throws UsageError
 * naming what is missing or damaged, which files contradict each other, and where the record is of a newer version.
 */
export async function readRun(dir: string): Promise<RunRecord> {
  const environment = await readEnvironment(dir);
  const path = (name: string) => join(dir, name);
  const result = await ifThere(path(RUN_FILES.result), readDocument);
  if (result !== null) checkSchemaVersion(result, path(RUN_FILES.result));
  const [config, dataset] = [
    await readDocument(path(RUN_FILES.config)),
    await readDocument(path(RUN_FILES.dataset)),
  ];
  // Of a run that has not ended, only a checkpoint's lines were surely on the disk when the machine stopped.
  const counted = result?.['status'] === 'completed' ? undefined : offsetsOf(await peekHeader(dir, 'last'));
  const lines = {
    steps: await readJsonl(path(RUN_FILES.steps), counted?.steps),
    epochs: await readJsonl(path(RUN_FILES.epochs), counted?.epochs),
  };
  const [events, predictions] = [
    await ifThere(path(RUN_FILES.events), readJsonl),
    await ifThere(path(RUN_FILES.predictions), readJsonl),
  ];
  const record: RunRecord = {
    ...{ dir, config, environment, dataset },
    steps: checked(path(RUN_FILES.steps), lines.steps, stepShape),
    epochs: checked(path(RUN_FILES.epochs), lines.epochs, epochShape),
    events: events === null ? [] : checked(path(RUN_FILES.events), events, eventShape),
    result,
    status: result === null ? 'unfinished' : statusOf(result, path(RUN_FILES.result)),
    predictions:
      predictions === null ? null : checked(path(RUN_FILES.predictions), predictions, predictionShape),
  };
  const told = contradictions(record);
  if (told.length === 0 && result !== null) {
    told.push(...(await againstLastCheckpoint(record, lines)));
  }
  if (told.length === 0) return record;
  // Another process may have gone on with the run while it was read.
  const again = await ifThere(path(RUN_FILES.result), readDocument);
  if (JSON.stringify(again) !== JSON.stringify(result)) return readRun(dir);
  throw contradicting(dir, told);
}

/** A run whose files cannot be of one run, and what contradicts what. */
export function contradicting(dir: string, told: readonly string[]): UsageError {
  const more = told.length > NAMED ? [`and ${told.length - NAMED} more`] : [];
  return new UsageError(
    `${dir} is damaged, for its files contradict each other: ${[...told.slice(0, NAMED), ...more].join('; ')}. ` +
      'Put the originals back, or remove the run.',
  );
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
    const [inside] = await listRuns(dir).catch(() => []);
    const advice =
      inside === undefined ? 'the folder of a run of onecycle train' : `a run in it, such as ${inside}`;
    if (names.includes(RANGE_TEST_CURVE)) {
      throw new UsageError(`${dir} is a range test of onecycle find-lr, and no training. Give ${advice}.`);
    }
    throw new UsageError(
      `${dir} is not the folder of a run: it lacks ${missing.join(', ')}. Give ${advice}.`,
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
  const visible = names.filter((name) => !name.startsWith('.')).sort(inOrder);
  const paths = visible.map((name) => join(outDir, name));
  const kinds = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  return paths.filter((_, i) => kinds[i]?.isDirectory() === true);
}

const order = new Intl.Collator('en', { numeric: true });

/** The order of the names of run folders: numbers in them by value. */
export function inOrder(a: string, b: string): number {
  return order.compare(a, b) || (a < b ? -1 : 1);
}

/** Where data and weights lie and how files were chosen says nothing about what they are: their hashes and classes do. */
const PLACES = new Set([
  ...['data', 'weights', 'valSplit', 'splitSeed', 'followLinks'],
  ...['labels', 'classDepth'],
]);
/** Where a rate was taken from says nothing about what it is. */
const ORIGINS = new Set(['lrFrom', 'lrSource']);

/**
 * A name for what makes a record what it is: equal keys mean that computing again would give the same result. Neither
 * places nor where a rate was taken from count, and what older records do not say is what was done then.
 * @param environments of all its parts
 */
export function recordKey(
  config: JsonObject,
  dataset: JsonObject,
  environments: readonly JsonObject[],
): string {
  const settings = Object.entries({ ...WITHOUT_RECORD, ...config }).filter(
    ([name]) => !PLACES.has(name) && !ORIGINS.has(name),
  );
  const computed = environments.map(({ backend, arithmetic, onecycle }) =>
    JSON.stringify([backend ?? null, arithmetic ?? null, onecycle ?? null]),
  );
  return runKey({
    config: Object.fromEntries(settings),
    classes: dataset['classes'] ?? null,
    files: dataset['files'] ?? null,
    weights: dataset['weightsSha256'] ?? null,
    computed: [...new Set(computed)],
  });
}

/** The lines of a JSONL file. Throws UsageError naming the first that does not match. */
export async function readRecords<T>(path: string, shape: Shape<T>): Promise<readonly T[]> {
  return checked(path, await readJsonl(path), shape);
}

function checked<T>(path: string, { records }: Lines, shape: Shape<T>): readonly T[] {
  return records.map((line, i) => {
    if (shape.matches(line, i)) return line;
    throw new UsageError(
      `${path}, line ${i + 1}, is damaged: expected ${shape.expected(i)} but received ${JSON.stringify(line).slice(0, 200)}. ` +
        'Put the original back, or remove the run.',
    );
  });
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
/** What a line of epochs.jsonl holds beside these, except of older versions. */
export const CLASS_FIELDS = ['balancedAccuracy', 'macroF1'] as const;
const PREDICTION = ['predicted', 'probability'] as const;

/** What the line at an index, from 0, of a JSONL file must be; other keys than these may be there too. */
interface Shape<T> {
  /** For messages, such as «a step with ...». */
  expected(index: number): string;
  matches(line: JsonObject, index: number): line is JsonObject & T;
}

/** A line of steps.jsonl. */
const stepShape: Shape<StepRecord> = {
  expected: (index) =>
    `step ${index} with the numbers ${STEP_FIELDS.join(', ')}, a rate of at least 0 and a momentum below 1`,
  matches: (line, index): line is JsonObject & StepRecord =>
    hasNumbers(line, STEP_FIELDS) &&
    line['step'] === index &&
    isCount(line['epoch']) &&
    isWithin(line['learningRate'], 0, Infinity) &&
    isWithin(line['momentum'], 0, 1),
};

/** A line of epochs.jsonl. */
export const epochShape: Shape<EpochRecord> = {
  expected: (index) =>
    `epoch ${index + 1} with the numbers ${EPOCH_FIELDS.join(', ')}, no more correct than there are in total, and shares from 0 to 1`,
  matches: (line, index): line is JsonObject & EpochRecord =>
    hasNumbers(line, EPOCH_FIELDS) &&
    line['epoch'] === index + 1 &&
    isWithin(line['validAccuracy'], 0, 1) &&
    isCount(line['total']) &&
    isCount(line['correct']) &&
    isWithin(line['correct'], 0, Number(line['total'])) &&
    CLASS_FIELDS.every((name) => line[name] === undefined || isWithin(line[name], 0, 1)) &&
    isWithin(line['seconds'], 0, Infinity),
};

/** A line of predictions.jsonl. */
const predictionShape: Shape<PredictionRecord> = {
  expected: () => `image, label, and final and best with a class as predicted and a probability from 0 to 1`,
  matches: (line): line is JsonObject & PredictionRecord =>
    typeof line['image'] === 'string' &&
    isCount(line['label']) &&
    isPrediction(line['final']) &&
    isPrediction(line['best']),
};

/** A line of events.jsonl. */
const eventShape: Shape<RunEvent> = {
  expected: () => 'the texts type and text, and the numbers step and epoch',
  matches: (line): line is JsonObject & RunEvent =>
    typeof line['type'] === 'string' &&
    typeof line['text'] === 'string' &&
    hasNumbers(line, ['step', 'epoch']),
};

/** Numbers that are none, such as 1e999, count as missing. */
function hasNumbers(value: JsonValue | undefined, keys: readonly string[]): boolean {
  return isJsonObject(value) && keys.every((key) => Number.isFinite(value[key]));
}

function isWithin(value: JsonValue | undefined, low: number, high: number): boolean {
  return typeof value === 'number' && value >= low && value <= high;
}

function isPrediction(value: JsonValue | undefined): boolean {
  return (
    isJsonObject(value) &&
    hasNumbers(value, PREDICTION) &&
    isCount(value['predicted']) &&
    isWithin(value['probability'], 0, 1)
  );
}
