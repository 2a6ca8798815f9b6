import { stat } from 'node:fs/promises';
import type { RunConfig } from '../config/run-config.js';
import { checkpointPath } from '../runs/checkpoint.js';
import type { Environment } from '../runs/documents.js';
import { isJsonObject, type JsonObject, type JsonValue, runKey } from '../runs/json.js';
import { listRuns, readRun, type RunRecord } from '../runs/read-run.js';
import { datasetDocument, type Workbench } from '../workbench/workbench.js';

/** A run that need not be trained from its start. */
interface FoundRun {
  readonly dir: string;
  /** `ended`: finished or diverged, as it would again; `resumable`: it has a checkpoint to go on from. */
  readonly state: 'ended' | 'resumable';
}

/** The runs of `train` in a folder of runs; damaged ones and those of other commands are not this experiment's. */
export async function readableRuns(out: string): Promise<RunRecord[]> {
  const runs: RunRecord[] = [];
  for (const dir of await listRuns(out)) {
    const record = await readRun(dir).catch(() => undefined);
    if (record !== undefined && typeof record.config['policy'] === 'string') runs.push(record);
  }
  return runs;
}

/** The runs in `out` that an experiment can take or go on with, by their key. */
export async function findRecorded(out: string): Promise<Map<string, FoundRun>> {
  const found = new Map<string, FoundRun>();
  for (const record of await readableRuns(out)) {
    const state = await stateOf(record);
    const key = recordedRunKey(record);
    if (state !== undefined && found.get(key)?.state !== 'ended') found.set(key, { dir: record.dir, state });
  }
  return found;
}

async function stateOf({ dir, status, result }: RunRecord): Promise<FoundRun['state'] | undefined> {
  if (status === 'completed') return 'ended';
  // Runs are deterministic: what diverged once diverges again.
  if (status === 'failed') return isJsonObject(result?.['failure']) ? 'ended' : undefined;
  const checkpoints = [checkpointPath(dir, 'last'), checkpointPath(dir, 'previous')];
  const there = await Promise.all(checkpoints.map((path) => stat(path).catch(() => undefined)));
  return there.some((file) => file !== undefined) ? 'resumable' : undefined;
}

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
