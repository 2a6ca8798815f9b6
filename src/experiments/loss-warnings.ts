import { pairsOf } from './arm-difference.js';
import type { ArmRuns } from './compared-arm.js';
import type { FailedRun } from './recorded-run.js';

/** What is missing from a comparison, one sentence each: runs that failed, runs without a partner. */
export function lossWarnings(arms: readonly ArmRuns[], failed: readonly FailedRun[]): string[] {
  return [...failedWarnings(arms, failed), ...unpairedWarnings(arms)];
}

/** Seeds that failed are no accident that may be forgotten: what is left flatters the arm. */
function failedWarnings(arms: readonly ArmRuns[], failed: readonly FailedRun[]): string[] {
  return arms.flatMap(({ name, runs }) => {
    const lost = failed.filter(({ arm }) => arm === name).length;
    if (lost === 0) return [];
    const rest =
      runs.length === 0
        ? 'Nothing can be said about it.'
        : 'Its means are over those that finished, which flatters it.';
    return [`${name} did not finish with ${lost} of ${lost + runs.length} seeds. ${rest}`];
  });
}

function unpairedWarnings([baseline, ...others]: readonly ArmRuns[]): string[] {
  if (baseline === undefined) return [];
  return others.flatMap((arm) => {
    const paired = pairsOf(arm.runs, baseline.runs).length;
    const unpaired = arm.runs.length + baseline.runs.length - 2 * paired;
    if (unpaired === 0) return [];
    const verb = unpaired === 1 ? '1 run' : `${unpaired} runs`;
    return [
      `${verb} of ${arm.name} and ${baseline.name} ${unpaired === 1 ? 'has' : 'have'} no partner with the same seed and ${unpaired === 1 ? 'counts' : 'count'} in no difference.`,
    ];
  });
}
