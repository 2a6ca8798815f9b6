import { secondsToTarget, stepsToTarget, summarizeTimes, type TimesSummary } from '../stats/censored.js';
import { summarize, type Summary } from '../stats/t-interval.js';
import type { BestEpoch } from '../training/run-state.js';
import type { FailedRun, RecordedRun } from './recorded-run.js';

/** An arm's finished runs in the order of their seeds. */
export interface ArmRuns {
  readonly name: string;
  readonly runs: readonly RecordedRun[];
}

/** A number over an arm's seeds; null where no run finished. */
export type OverSeeds =
  Summary | { readonly mean: null; readonly sd: null; readonly low: null; readonly high: null };

/** One arm over its seeds. */
export interface ComparedArm {
  readonly policy: string;
  readonly runs: readonly {
    readonly run: string;
    readonly seed: number;
    readonly best: BestEpoch;
    readonly final: BestEpoch;
  }[];
  readonly bestAccuracy: OverSeeds;
  readonly finalAccuracy: OverSeeds;
  readonly validLoss: OverSeeds;
  /** To the end of the first epoch whose evaluation stood at the target. */
  readonly stepsToTarget: TimesSummary | null;
  /** As stepsToTarget, in wall-clock seconds of training and evaluation. */
  readonly secondsToTarget: TimesSummary | null;
  readonly failed: readonly { readonly run: string; readonly seed: number; readonly reason: string }[];
}

/** What an arm's runs come to. */
export function comparedArm(
  { name, runs }: ArmRuns,
  failed: readonly FailedRun[],
  target: number | undefined,
): ComparedArm {
  const over = (value: (run: RecordedRun) => number): OverSeeds =>
    runs.length === 0 ? { mean: null, sd: null, low: null, high: null } : summarize(runs.map(value));
  const times = (value: (run: RecordedRun, target: number) => number | null): TimesSummary | null =>
    target === undefined || runs.length === 0 ? null : summarizeTimes(runs.map((run) => value(run, target)));
  return {
    policy: name,
    runs: runs.map(({ record, seed, best, final }) => ({ run: record.dir, seed, best, final })),
    bestAccuracy: over(({ best }) => best.validAccuracy),
    finalAccuracy: over(({ final }) => final.validAccuracy),
    validLoss: over(({ final }) => final.validLoss),
    stepsToTarget: times(stepsOf),
    secondsToTarget: times(secondsOf),
    failed: failed.filter(({ arm }) => arm === name).map(({ run, seed, reason }) => ({ run, seed, reason })),
  };
}

/** Final accuracies, from 0 to 1. */
export function finals(runs: readonly RecordedRun[]): number[] {
  return runs.map(({ final }) => final.validAccuracy);
}

/** Steps after which a run first stood at the target, null where it never did. */
export function stepsOf({ record, stepsPerEpoch }: RecordedRun, target: number): number | null {
  const epochs = record.epochs.map(({ epoch, validAccuracy }) => ({
    step: epoch * stepsPerEpoch,
    accuracy: validAccuracy,
  }));
  return stepsToTarget(epochs, target);
}

function secondsOf({ record }: RecordedRun, target: number): number | null {
  return secondsToTarget(
    record.epochs.map(({ seconds, validAccuracy }) => ({ seconds, accuracy: validAccuracy })),
    target,
  );
}
