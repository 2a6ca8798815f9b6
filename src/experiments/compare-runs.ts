import { UsageError } from '../errors/errors.js';
import { SCHEMA_VERSION } from '../record/schema-version.js';
import { holm } from '../stats/adjust.js';
import { bootstrapMeanOverImages, type BootstrapInterval } from '../stats/bootstrap.js';
import { stepsToTarget, summarizeTimes, type TimesSummary } from '../stats/censored.js';
import { mcnemar } from '../stats/mcnemar.js';
import { pairedDifference, type PairedDifference } from '../stats/paired-difference.js';
import { superConvergence, type SuperConvergence } from '../stats/super-convergence.js';
import { summarize, type Summary } from '../stats/t-interval.js';
import { verdict, type Verdict } from '../stats/verdict.js';
import type { BestEpoch } from '../training/run-state.js';
import { fairnessWarnings } from './fairness.js';
import type { FailedRun, RecordedRun } from './recorded-run.js';

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
  readonly stepsToTarget: TimesSummary | null;
  readonly failed: readonly { readonly run: string; readonly seed: number; readonly reason: string }[];
}

/** An arm against the baseline in final accuracy, paired by seed. */
export interface ArmDifference {
  readonly arm: string;
  readonly baseline: string;
  readonly metric: 'finalAccuracy';
  /** arm - baseline. */
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly pValue: number | null;
  readonly adjustedPValue: number | null;
  readonly method: string;
  /** The mean difference over validation images, with a bootstrap interval. */
  readonly overImages: BootstrapInterval | null;
  /** Images that one arm alone got right, seed by seed, with McNemar's exact p; for display. */
  readonly perSeed: readonly {
    readonly seed: number;
    readonly onlyArm: number;
    readonly onlyBaseline: number;
    readonly pValue: number;
  }[];
}

/** What `compare` concludes from recorded runs. */
export interface Comparison {
  readonly schemaVersion: number;
  readonly command: 'compare';
  readonly arms: readonly ComparedArm[];
  readonly differences: readonly ArmDifference[];
  readonly difference: ArmDifference | null;
  readonly verdict: Verdict;
  readonly superConvergence: SuperConvergence | null;
  readonly warnings: readonly string[];
}

/**
 * Compares arms over their finished runs; the first arm is the baseline.
 * @param names the arms in order
 * @param target accuracy for steps to target, or undefined for the baseline's mean final accuracy
 */
export function compareRuns(
  names: readonly string[],
  runs: readonly RecordedRun[],
  failed: readonly FailedRun[],
  target: number | undefined,
): Comparison {
  const [baseline, ...others] = names.map((name) => ({ name, runs: runs.filter(({ arm }) => arm === name) }));
  if (baseline === undefined) throw new UsageError('compare needs at least one arm.');
  const aim = target ?? (baseline.runs.length > 0 ? summarize(finals(baseline.runs)).mean : undefined);
  const arms = [baseline, ...others].map((arm) => comparedArm(arm, failed, aim));
  const raw = others.map((arm) => ({ arm, ...difference(arm, baseline) }));
  const adjusted = holm(raw.map(({ paired }) => paired?.pValue ?? null));
  const differences = raw.map(({ arm, paired, overImages, perSeed }, i): ArmDifference => ({
    arm: arm.name,
    baseline: baseline.name,
    metric: 'finalAccuracy',
    mean: paired?.mean ?? null,
    low: paired?.low ?? null,
    high: paired?.high ?? null,
    pValue: paired?.pValue ?? null,
    adjustedPValue: adjusted[i] ?? null,
    method: paired?.method ?? 'paired t',
    overImages,
    perSeed,
  }));
  const last = raw.at(-1);
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'compare',
    arms,
    differences,
    difference: differences.at(-1) ?? null,
    verdict:
      last === undefined
        ? { claim: 'none', sentence: `Only ${baseline.name} was run: there is nothing to compare it with.` }
        : verdict({
            arm: last.arm.name,
            baseline: baseline.name,
            overSeeds: last.paired,
            overImages: last.overImages,
            adjustedPValue: adjusted.at(-1) ?? null,
          }),
    superConvergence:
      last === undefined || aim === undefined ? null : superConvergenceOf(last.arm.runs, baseline.runs, aim),
    warnings: [...fairnessWarnings(runs), ...unpairedWarnings(baseline, others)],
  };
}

interface ArmRuns {
  readonly name: string;
  readonly runs: readonly RecordedRun[];
}

function comparedArm(
  { name, runs }: ArmRuns,
  failed: readonly FailedRun[],
  target: number | undefined,
): ComparedArm {
  const over = (value: (run: RecordedRun) => number): OverSeeds =>
    runs.length === 0 ? { mean: null, sd: null, low: null, high: null } : summarize(runs.map(value));
  return {
    policy: name,
    runs: runs.map(({ record, seed, best, final }) => ({ run: record.dir, seed, best, final })),
    bestAccuracy: over(({ best }) => best.validAccuracy),
    finalAccuracy: over(({ final }) => final.validAccuracy),
    validLoss: over(({ final }) => final.validLoss),
    stepsToTarget:
      target === undefined || runs.length === 0
        ? null
        : summarizeTimes(runs.map((run) => stepsOf(run, target))),
    failed: failed.filter(({ arm }) => arm === name).map(({ run, seed, reason }) => ({ run, seed, reason })),
  };
}

function finals(runs: readonly RecordedRun[]): number[] {
  return runs.map(({ final }) => final.validAccuracy);
}

function stepsOf({ record, stepsPerEpoch }: RecordedRun, target: number): number | null {
  const epochs = record.epochs.map(({ epoch, validAccuracy }) => ({
    step: epoch * stepsPerEpoch,
    accuracy: validAccuracy,
  }));
  return stepsToTarget(epochs, target);
}

interface Pair {
  readonly arm: RecordedRun;
  readonly baseline: RecordedRun;
}

function pairsOf(arm: readonly RecordedRun[], baseline: readonly RecordedRun[]): Pair[] {
  return arm.flatMap((run) => {
    const partner = baseline.find(({ pair }) => pair === run.pair);
    return partner === undefined ? [] : [{ arm: run, baseline: partner }];
  });
}

function difference(arm: ArmRuns, baseline: ArmRuns) {
  const pairs = pairsOf(arm.runs, baseline.runs);
  const paired: PairedDifference | null =
    pairs.length === 0
      ? null
      : pairedDifference(finals(pairs.map((p) => p.arm)), finals(pairs.map((p) => p.baseline)));
  const images = pairs.map(imageDifferences).filter((row) => row !== undefined);
  const comparable =
    images.length === pairs.length &&
    images.length > 0 &&
    new Set(images.map((row) => row.length)).size === 1;
  return {
    paired,
    overImages: comparable ? bootstrapMeanOverImages(meanOfRows(images)) : null,
    perSeed: pairs.flatMap((pair, i) => {
      const row = images[i];
      if (!comparable || row === undefined) return [];
      const onlyArm = row.filter((value) => value > 0).length;
      const onlyBaseline = row.filter((value) => value < 0).length;
      return [{ seed: pair.baseline.seed, onlyArm, onlyBaseline, pValue: mcnemar(onlyArm, onlyBaseline) }];
    }),
  };
}

/** For each validation image 1 where the arm alone is right, -1 where the baseline alone is; undefined where the lists differ. */
function imageDifferences({ arm, baseline }: Pair): number[] | undefined {
  const [own, its] = [arm.record.predictions, baseline.record.predictions];
  if (own === null || its === null || own.length !== its.length) return undefined;
  if (own.some(({ image }, i) => image !== its[i]?.image)) return undefined;
  const right = ({ label, final }: (typeof own)[number]) => Number(final.predicted === label);
  return own.map((line, i) => right(line) - (its[i] === undefined ? 0 : right(its[i])));
}

function meanOfRows(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).map((_, i) => rows.reduce((sum, row) => sum + (row[i] ?? 0), 0) / rows.length);
}

function superConvergenceOf(arm: readonly RecordedRun[], baseline: readonly RecordedRun[], target: number) {
  const pairs = pairsOf(arm, baseline).map((pair) => ({
    arm: stepsOf(pair.arm, target),
    baseline: stepsOf(pair.baseline, target),
    armBudget: pair.arm.record.steps.length,
    baselineBudget: pair.baseline.record.steps.length,
  }));
  return superConvergence(pairs, target);
}

function unpairedWarnings(baseline: ArmRuns, others: readonly ArmRuns[]): string[] {
  return others.flatMap((arm) => {
    const paired = pairsOf(arm.runs, baseline.runs).length;
    const unpaired = arm.runs.length + baseline.runs.length - 2 * paired;
    return unpaired === 0
      ? []
      : [
          `${unpaired} run(s) of ${arm.name} and ${baseline.name} have no partner with the same seed and count in no difference.`,
        ];
  });
}
