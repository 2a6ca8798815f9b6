import { UsageError } from '../errors/errors.js';
import { SCHEMA_VERSION } from '../record/schema-version.js';
import { holm } from '../stats/adjust.js';
import { superConvergence, type SuperConvergence } from '../stats/super-convergence.js';
import { summarize } from '../stats/t-interval.js';
import { verdict, type Verdict } from '../stats/verdict.js';
import { pairsOf, rawDifference, type ArmDifference } from './arm-difference.js';
import { comparedArm, finals, stepsOf, type ArmRuns, type ComparedArm } from './compared-arm.js';
import { fairnessWarnings } from './fairness.js';
import { lossWarnings } from './loss-warnings.js';
import type { FailedRun, RecordedRun } from './recorded-run.js';

/** What `compare` concludes from recorded runs. */
export interface Comparison {
  readonly schemaVersion: number;
  readonly command: 'compare';
  readonly arms: readonly ComparedArm[];
  readonly differences: readonly ArmDifference[];
  /** The last arm against the first. */
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
  const [baseline, ...others] = names.map((name): ArmRuns => ({ name, runs: runsOf(name, runs) }));
  if (baseline === undefined) throw new UsageError('compare needs at least one arm.');
  const aim = target ?? (baseline.runs.length > 0 ? summarize(finals(baseline.runs)).mean : undefined);
  const arms = [baseline, ...others].map((arm) => comparedArm(arm, failed, aim));
  const raw = others.map((arm) => ({ arm, ...rawDifference(arm, baseline) }));
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
    warnings: [...fairnessWarnings(runs), ...lossWarnings([baseline, ...others], failed)],
  };
}

/** In the order of the seeds, however the folders were given. */
function runsOf(name: string, runs: readonly RecordedRun[]): RecordedRun[] {
  return runs.filter(({ arm }) => arm === name).sort((a, b) => a.pair - b.pair);
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
