import { stat } from 'node:fs/promises';
import { checkpointPath } from '../record/read-checkpoint.js';
import { listRuns, readRun, type RunRecord } from '../record/read-run.js';
import { isJsonObject } from '../record/json.js';
import { recordedRunKey } from './run-key-of.js';

/** A run that need not be trained from its start. */
export interface FoundRun {
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
