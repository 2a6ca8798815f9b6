import type { RunConfig } from '../config/run-config.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../record/json.js';
import type { RunRecord } from '../record/read-run.js';
import { runKey } from '../record/run-key.js';
import { datasetDocument } from './dataset-document.js';
import type { Environment } from './environment.js';
import type { Workbench } from './workbench.js';

/** Where data and weights lie and how files were chosen says nothing about what they are; their hashes do. */
const PLACES = new Set(['data', 'weights', 'valSplit', 'splitSeed', 'followLinks']);

/** The key of a run about to be trained. */
export function plannedRunKey(bench: Workbench, config: RunConfig, environment: Environment): string {
  return keyOf(asJson(config), asJson(datasetDocument(bench)), asJson(environment));
}

/** The key of a recorded run: equal keys mean that training again would give the same result. */
export function recordedRunKey({ config, dataset, environment }: RunRecord): string {
  return keyOf(config, dataset, environment);
}

/** What a planned run has in common with the same arm's runs of other seeds. */
export function plannedArmKey(bench: Workbench, config: RunConfig, environment: Environment): string {
  return keyOf(withoutSeed(asJson(config)), asJson(datasetDocument(bench)), asJson(environment));
}

/** What a recorded run has in common with the same arm's runs of other seeds. */
export function recordedArmKey({ config, dataset, environment }: RunRecord): string {
  return keyOf(withoutSeed(config), dataset, environment);
}

function withoutSeed(config: JsonObject): JsonObject {
  return { ...config, seed: null };
}

function keyOf(config: JsonObject, dataset: JsonObject, environment: JsonObject): string {
  const settings = Object.entries(config).filter(([name]) => !PLACES.has(name));
  return runKey({
    config: Object.fromEntries(settings),
    files: dataset['files'] ?? null,
    weights: dataset['weightsSha256'] ?? null,
    backend: environment['backend'] ?? null,
    arithmetic: environment['arithmetic'] ?? null,
    version: environment['onecycle'] ?? null,
  });
}

function asJson(value: object): JsonObject {
  const plain: JsonValue = JSON.parse(JSON.stringify(value));
  if (!isJsonObject(plain)) throw new Error('expected an object');
  return plain;
}
