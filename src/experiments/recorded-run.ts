import { UsageError } from '../errors/errors.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../record/json.js';
import { readRun, type RunRecord } from '../record/read-run.js';
import type { EpochRecord } from '../training/records.js';
import { isBetter, type BestEpoch } from '../training/run-state.js';
import { recordedRunKey } from './run-key-of.js';

/** What finished and other runs have in common: which run it is. */
interface RunIdentity {
  readonly arm: string;
  readonly seed: number;
  /** What pairs it with the other arm's runs: the seed less the arm's shift. */
  readonly pair: number;
}

/** A recorded run as a comparison reads it. */
export interface RecordedRun extends RunIdentity {
  readonly record: RunRecord;
  /** Equal for runs that would be the same if trained again. */
  readonly key: string;
  readonly best: BestEpoch;
  readonly final: BestEpoch;
  readonly stepsPerEpoch: number;
}

/** A run that cannot be compared, and why. */
export interface FailedRun extends RunIdentity {
  readonly run: string;
  readonly reason: string;
  /** What was recorded of it; null where it has no folder. */
  readonly record: RunRecord | null;
  /** Null where nothing was recorded. */
  readonly key: string | null;
}

/** Whether a run has a final result. */
export function isFinished(run: RecordedRun | FailedRun): run is RecordedRun {
  return 'final' in run;
}

/** Reads a run's folder for a comparison. Throws UsageError where it is no run of `train` or is damaged. */
export async function readForComparison(dir: string): Promise<RecordedRun | FailedRun> {
  const record = await readRun(dir);
  const { arm, policy, seed } = record.config;
  if (typeof seed !== 'number' || typeof policy !== 'string') {
    throw new UsageError(`${dir}/config.json names no policy and seed: this is no run of onecycle train.`);
  }
  const name = typeof arm === 'string' ? arm : policy;
  const identity = { arm: name, seed, pair: seed - shiftOf(name), record, key: recordedRunKey(record) };
  if (record.status !== 'completed') return { ...identity, run: dir, reason: reasonOf(record) };
  const final = record.epochs.at(-1);
  if (final === undefined) {
    throw new UsageError(
      `${dir} is damaged: it is marked completed but epochs.jsonl is empty. Put the original back, or remove the run.`,
    );
  }
  return {
    ...identity,
    best: summaryOf(record.epochs.reduce((best, epoch) => (isBetter(epoch, best) ? epoch : best))),
    final: summaryOf(final),
    stepsPerEpoch: record.steps.length / record.epochs.length,
  };
}

/** Arms as `1cycle@100` shift their seeds, for A/A tests. */
function shiftOf(arm: string): number {
  return Number(/@(\d+)$/.exec(arm)?.[1] ?? 0);
}

function reasonOf({ status, result, epochs, steps, config }: RunRecord): string {
  const failure: JsonValue | undefined = result?.['failure'];
  if (isJsonObject(failure) && typeof failure['message'] === 'string') return failure['message'];
  const planned = typeof config['epochs'] === 'number' ? ` of ${config['epochs']}` : '';
  const so = `after ${epochs.length}${planned} epochs (${steps.length} steps)`;
  return status === 'unfinished'
    ? `unfinished: it has no result.json ${so}; it is still running, or was killed`
    : `it was ${status} ${so}`;
}

function summaryOf({ epoch, validAccuracy, correct, total, validLoss }: EpochRecord): BestEpoch {
  return { epoch, validAccuracy, correct, total, validLoss };
}

/** A field of a run's configuration, data set or environment as text, for comparing runs. */
export function fieldText(document: JsonObject, name: string): string {
  const value = document[name];
  if (value === undefined) return 'not recorded';
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return typeof value === 'string' ? value : JSON.stringify(value).replace(/^\[|\]$/gu, '');
}
