import { join } from 'node:path';
import type { FinderConfig, RunConfig } from '../config/run-config.js';
import { UsageError } from '../errors.js';
import { METHODS } from '../report/charts/range-test.js';
import { foundRate, recordedCurve } from '../find-lr/find-lr.js';
import {
  type DatasetSummary,
  type FinderDocument,
  type RecordedEnvironment,
  RUN_FILES,
  type RunRecord,
  SCHEMA_VERSION,
  type TrainDocument,
} from '../runs/documents.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../runs/json.js';
import { lockedBy } from '../runs/lock.js';
import { readCurve } from '../runs/range-test-folder.js';
import { checkSchemaVersion, ifThere, readDocument } from '../runs/read-document.js';
import { readRun } from '../runs/read-run.js';
import type { RangeCurve } from '../stats/range/curve.js';
import { rangeStop } from '../stats/range/stop.js';
import { bestAndFinalByClass, confusionOfRun } from '../runs/check-run.js';
import { classScores } from '../stats/classes.js';

/** What a folder holds, as the command that made it prints it, and what lies behind that. */
export type RecordedRun =
  | { readonly kind: 'train'; readonly document: TrainDocument; readonly record: RunRecord }
  | { readonly kind: 'find-lr'; readonly document: FinderDocument };

/**
 * Reads the folder of a run of `train` or `find-lr`, finished or not. Where the program was killed, the document is made from the
 * records, with the status `interrupted`.
 * @throws UsageError where the folder is no run, is damaged, or of a newer version
 */
export async function readRecordedRun(dir: string): Promise<RecordedRun> {
  if (await isRangeTest(dir)) return { kind: 'find-lr', document: await finderDocument(dir) };
  const record = await readRun(dir);
  return { kind: 'train', document: trainDocument(record), record };
}

/** A sentence on who writes in the folder at this moment; null where nobody does. */
export async function writerOf(dir: string): Promise<string | null> {
  return (await lockedBy(dir))?.message ?? null;
}

async function isRangeTest(dir: string): Promise<boolean> {
  // What is wrong with a folder is told by the full read that follows.
  const config = await readDocument(join(dir, RUN_FILES.config)).catch(() => undefined);
  return config?.['command'] === 'find-lr';
}

/** The parts that JSONL files hold too are taken from there: their lines have been checked. */
function trainDocument({ dir, ...record }: RunRecord): TrainDocument {
  const { config, environment, dataset, epochs, events, result, status } = record;
  const path = join(dir, RUN_FILES.config);
  requireFields(config, path, { policy: 'string', seed: 'number', lr: 'number', labelSmoothing: 'number' });
  const told = isJsonObject(result?.['environment']) ? result['environment'] : withoutVersion(environment);
  const failure = result?.['failure'];
  const stoppedEarly = result?.['stoppedEarly'];
  const { seconds, modelSha256 } = result ?? {};
  const summary = summaryOf(dataset, join(dir, RUN_FILES.dataset));
  const counts = confusionOfRun(record, 'final');
  const { classes } = summary;
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'train',
    status: status === 'unfinished' ? 'interrupted' : status,
    run: dir,
    policy: config['policy'] as RunConfig['policy'],
    config: config as unknown as RunConfig,
    environment: told as unknown as RecordedEnvironment,
    dataset: summary,
    seconds: typeof seconds === 'number' ? seconds : epochs.reduce((sum, epoch) => sum + epoch.seconds, 0),
    epochs,
    ...bestAndFinalByClass(record),
    perClass: counts === null ? null : classScores(counts, classes),
    ...(typeof modelSha256 === 'string' && { modelSha256 }),
    failure: hasMessage(failure, 'message') ? (failure as unknown as TrainDocument['failure']) : null,
    stoppedEarly: hasMessage(stoppedEarly, 'reason')
      ? (stoppedEarly as unknown as TrainDocument['stoppedEarly'])
      : null,
    events,
  };
}

/** environment.json has a version of its own, documents have one at their top. */
function withoutVersion({ schemaVersion: _version, ...environment }: JsonObject): JsonObject {
  return environment;
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function hasMessage(value: JsonValue | undefined, name: string): boolean {
  return isJsonObject(value) && typeof value[name] === 'string';
}

async function finderDocument(dir: string): Promise<FinderDocument> {
  const paths = { config: join(dir, RUN_FILES.config), environment: join(dir, RUN_FILES.environment) };
  const config = await readDocument(paths.config);
  requireFields(config, paths.config, {
    ...{ seed: 'number', seeds: 'number', steps: 'number', trainingSteps: 'number' },
    ...{ loss: 'string', stopAt: 'number', trim: 'object' },
  });
  const given = config as unknown as FinderConfig;
  const recorded = await readDocument(paths.environment);
  checkSchemaVersion(recorded, paths.environment);
  const environment = withoutVersion(recorded);
  const datasetPath = join(dir, RUN_FILES.dataset);
  const dataset = summaryOf(await readDocument(datasetPath), datasetPath);
  const result = await ifThere(join(dir, RUN_FILES.result), readDocument);
  const found = result === null ? await measuredSoFar(dir, given, dataset) : concluded(result, dir);
  const seconds = result?.['seconds'];
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'find-lr',
    status: result?.['status'] === 'completed' ? 'completed' : 'interrupted',
    run: dir,
    config: given,
    environment: (result?.['environment'] ?? environment) as unknown as FinderDocument['environment'],
    dataset,
    seconds: typeof seconds === 'number' ? seconds : 0,
    ...found,
  };
}

type Found = Pick<FinderDocument, 'curves' | 'suggestions' | 'recommended' | 'reason' | 'agreement'>;

/** What result.json says: what was concluded then, also where this version would conclude otherwise. */
function concluded(result: JsonObject, dir: string): Found {
  const { curves, suggestions, recommended, reason, agreement } = result;
  const sound =
    isList(curves) &&
    curves.every(isCurve) &&
    METHODS.every(({ key }) =>
      hasNumbers(isJsonObject(suggestions) ? suggestions[key] : null, SPREAD, true),
    ) &&
    (recommended === null || hasNumbers(recommended, ['learningRate', 'fixedLearningRate'])) &&
    typeof reason === 'string';
  if (!sound) {
    const path = join(dir, RUN_FILES.result);
    throw new UsageError(
      `${path} is damaged: expected curves, suggestions and rates. Put the original back, or remove the run.`,
    );
  }
  return { curves, suggestions, recommended, reason, agreement } as unknown as Found;
}

const SPREAD = ['median', 'low', 'high'];

function isCurve(value: JsonValue): boolean {
  if (!hasNumbers(value, ['seed'])) return false;
  const { points } = value as JsonObject;
  return (
    isList(points) &&
    points.every(
      (point) =>
        hasNumbers(point, ['step', 'learningRate']) && hasNumbers(point, ['loss', 'smoothedLoss'], true),
    )
  );
}

function hasNumbers(value: JsonValue | undefined, names: readonly string[], orNull = false): boolean {
  return (
    isJsonObject(value) &&
    names.every((name) => typeof value[name] === 'number' || (orNull && value[name] === null))
  );
}

/** What the lines of curve.jsonl come to where the program was killed: a test that was interrupted. */
async function measuredSoFar(dir: string, config: FinderConfig, { classes }: DatasetSummary): Promise<Found> {
  const lines = await readCurve(dir);
  const seeds = [...new Set(lines.map(({ seed }) => seed))];
  const curves = seeds.map((seed) => {
    const points = lines
      .filter((line) => line.seed === seed)
      .map(({ step, learningRate, loss, smoothedLoss }) => {
        return { step, learningRate, loss: loss ?? NaN, smoothedLoss: smoothedLoss ?? NaN };
      });
    return judged(seed, points, { classes: classes.length, stopAt: config.stopAt });
  });
  const found = foundRate(curves, config, { classes: classes.length, interrupted: true });
  return { ...found, curves: found.curves.map(recordedCurve) };
}

/** A seed's points with how its test ended: the rule is pure, so that it says again what it said then. */
function judged(
  seed: number,
  points: RangeCurve['points'],
  options: Parameters<typeof rangeStop>[0],
): RangeCurve {
  const rule = rangeStop(options);
  const { stop, at } = points.reduce(
    (state, { step, smoothedLoss, loss }) => rule.observe(state, { step, smoothedLoss, rawLoss: loss }),
    rule.initialState,
  );
  return { seed, points, divergedAt: at, stop };
}

/** dataset.json without its list of files. Throws UsageError where it does not say what was trained on. */
function summaryOf(dataset: JsonObject, path: string): DatasetSummary {
  const { classes, train, valid, counts, skipped } = dataset;
  const named = isList(classes) && classes.every((name) => typeof name === 'string');
  if (
    !named ||
    typeof train !== 'number' ||
    typeof valid !== 'number' ||
    !isList(counts) ||
    !isList(skipped)
  ) {
    throw new UsageError(
      `${path} is damaged: expected classes, counts and skipped files. Put the original back, or remove the run.`,
    );
  }
  return { classes, train, valid, counts, skipped } as unknown as DatasetSummary;
}

function requireFields(
  document: JsonObject,
  path: string,
  fields: Readonly<Record<string, 'string' | 'number' | 'object'>>,
): void {
  const wrong = Object.keys(fields).filter((name) => typeof document[name] !== fields[name]);
  if (wrong.length === 0) return;
  throw new UsageError(
    `Expected ${wrong.map((name) => `a ${fields[name]} for "${name}"`).join(', ')} in ${path}. Is it that of a run?`,
  );
}
