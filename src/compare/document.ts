import type { CompareConfig, CompareDocument, Comparison, Metric } from '../runs/documents.js';
import { environmentsOf } from '../runs/environments.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../runs/json.js';
import type { CompareOutcome } from './outcome.js';
import { atOwnRate } from './fairness.js';
import type { RecordedRun } from './read.js';

/**
 * Puts a comparison's document together.
 * @param trainedHere the environment where this process trained, else undefined
 */
export function compareDocument(
  { comparison, runs, failed, status }: CompareOutcome,
  { target, metric = 'accuracy', seconds, trainedHere }: CompareContext,
): CompareDocument {
  const records = [...runs, ...failed].flatMap(({ record }) => (record === null ? [] : [record]));
  const [first] = records;
  return {
    ...comparison,
    status,
    config: configOf(comparison, { runs, failed }, { target, metric }),
    environment: trainedHere ?? newestOf(first?.environment ?? {}),
    dataset: first === undefined ? null : summaryOf(first.dataset),
    seconds,
    jobs: Math.max(1, ...runs.map(jobsOf)),
    sharedFeatures: runs.some(sharesFeatures),
  };
}

/** Most runs that were trained side by side with this one, itself included; a run of `train` was alone. */
function jobsOf({ record }: RecordedRun): number {
  return Math.max(1, ...environmentsOf(record).map(({ jobs }) => (typeof jobs === 'number' ? jobs : 1)));
}

/** A comparison's runs share the cached features of a frozen part; a run of `train` is alone with them. */
function sharesFeatures({ record }: RecordedRun): boolean {
  const compared = environmentsOf(record).some(({ jobs }) => typeof jobs === 'number');
  return typeof record.config['views'] === 'number' && compared;
}

/** What the records do not tell. */
export interface CompareContext {
  readonly target: number | undefined;
  /** [accuracy] */
  readonly metric?: Metric;
  readonly seconds: number;
  readonly trainedHere: JsonObject | undefined;
}

/** Settings that are each run's own, or that the arm's name tells. */
const PER_RUN = new Set(['arm', 'seed', 'pair', 'lrFactor']);

/** Settings in which arms differ, by arm; an arm without any record has none. */
function settingsPerArm(names: readonly string[], runs: readonly Pick<RecordedRun, 'arm' | 'record'>[]) {
  const configs = names.flatMap((name) => {
    const run = runs.find(({ arm }) => arm === name);
    return run === undefined ? [] : [{ name, config: atOwnRate(run.record.config) }];
  });
  const keys = [...new Set(configs.flatMap(({ config }) => Object.keys(config)))].filter(
    (key) => !PER_RUN.has(key),
  );
  const differing = keys.filter(
    (key) => new Set(configs.map(({ config }) => JSON.stringify(config[key] ?? null))).size > 1,
  );
  const pick = (config: JsonObject, wanted: readonly string[]): JsonObject =>
    Object.fromEntries(wanted.map((key) => [key, config[key] ?? null]));
  const shared = keys.filter((key) => !differing.includes(key));
  return {
    shared: pick(configs[0]?.config ?? {}, shared),
    perArm: Object.fromEntries(configs.map(({ name, config }) => [name, pick(config, differing)])),
  };
}

function configOf(
  { arms }: Comparison,
  { runs, failed }: Pick<CompareOutcome, 'runs' | 'failed'>,
  { target, metric }: Required<Pick<CompareContext, 'target' | 'metric'>>,
): CompareConfig {
  const names = arms.map(({ policy }) => policy);
  const all = [...runs, ...failed];
  const recorded = all.flatMap(({ arm, record }) => (record === null ? [] : [{ arm, record }]));
  const { shared, perArm } = settingsPerArm(names, recorded);
  const pairs = new Set(all.map(({ pair }) => pair));
  const own = Object.entries(perArm).map(([name, settings]): [string, JsonValue] => [
    name,
    settings['lr'] ?? null,
  ]);
  return {
    ...shared,
    policies: names,
    seed: pairs.size === 0 ? null : Math.min(...pairs),
    seeds: pairs.size,
    target: target ?? null,
    metric,
    lr: shared['lr'] ?? Object.fromEntries(own),
    perArm,
  };
}

/** dataset.json without the list of files and their hashes, as every other document has it. */
function summaryOf(dataset: JsonObject): JsonObject {
  const { classes, train, valid, counts, skipped } = dataset;
  const summary = { classes, train, valid, counts, skipped };
  return isJsonObject(summary) ? JSON.parse(JSON.stringify(summary)) : {};
}

/** The newest environment alone: the document has a schemaVersion of its own, and a warning where there were several. */
function newestOf({ schemaVersion: _version, history: _history, ...environment }: JsonObject): JsonObject {
  return environment;
}
