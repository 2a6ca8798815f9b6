import { UsageError } from '../errors/errors.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../record/json.js';
import { readRun, type RunRecord } from '../record/read-run.js';
import type { EpochRecord } from '../training/records.js';
import { isBetter, type BestEpoch } from '../training/run-state.js';

/** A recorded run as a comparison reads it. */
export interface RecordedRun {
  readonly record: RunRecord;
  readonly arm: string;
  readonly seed: number;
  /** What pairs it with the other arm's runs: the seed less the arm's shift. */
  readonly pair: number;
  readonly best: BestEpoch;
  readonly final: BestEpoch;
  readonly stepsPerEpoch: number;
}

/** A run that cannot be compared, and why. */
export interface FailedRun {
  readonly run: string;
  readonly arm: string;
  readonly seed: number;
  readonly reason: string;
}

/** Reads a run's folder for a comparison. Throws UsageError where it is no run of `train` or is damaged. */
export async function readForComparison(dir: string): Promise<RecordedRun | FailedRun> {
  const record = await readRun(dir);
  const { arm, policy, seed } = record.config;
  if (typeof seed !== 'number' || typeof policy !== 'string') {
    throw new UsageError(`${dir}/config.json names no policy and seed: this is no run of onecycle train.`);
  }
  const name = typeof arm === 'string' ? arm : policy;
  const identity = { run: dir, arm: name, seed };
  if (record.status !== 'completed') return { ...identity, reason: reasonOf(record) };
  const final = record.epochs.at(-1);
  if (final === undefined)
    throw new UsageError(`${dir} is marked completed but epochs.jsonl is empty: the run is damaged.`);
  const steps = record.steps.length;
  return {
    record,
    arm: name,
    seed,
    pair: seed - shiftOf(name),
    best: summaryOf(record.epochs.reduce((best, epoch) => (isBetter(epoch, best) ? epoch : best))),
    final: summaryOf(final),
    stepsPerEpoch: steps / record.epochs.length,
  };
}

/** Arms as `1cycle@100` shift their seeds, for A/A tests. */
function shiftOf(arm: string): number {
  return Number(/@(\d+)$/.exec(arm)?.[1] ?? 0);
}

function reasonOf({ status, result }: RunRecord): string {
  const failure: JsonValue | undefined = result?.['failure'];
  if (isJsonObject(failure) && typeof failure['message'] === 'string') return failure['message'];
  return status === 'unfinished' ? 'it has no result: still running, or killed' : `it was ${status}`;
}

function summaryOf({ epoch, validAccuracy, correct, total, validLoss }: EpochRecord): BestEpoch {
  return { epoch, validAccuracy, correct, total, validLoss };
}

/** A field of a run's configuration, data set or environment as text, for comparing runs. */
export function fieldText(document: JsonObject, name: string): string {
  return JSON.stringify(document[name] ?? null);
}
