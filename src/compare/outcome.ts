import type { Settings } from '../config/settings.js';
import { UsageError } from '../errors.js';
import type { Comparison } from '../runs/documents.js';
import { type FailedRun, readRuns, type ReadRuns, type RecordedRun, runFoldersAt } from './read.js';

/** A comparison with the runs behind it. */
export interface CompareOutcome {
  readonly comparison: Comparison;
  readonly runs: readonly RecordedRun[];
  readonly failed: readonly FailedRun[];
  readonly status: 'completed' | 'interrupted' | 'failed';
}

/** Fewer finished seeds than this in an arm make a comparison fail, unless no more were asked for. */
const FEWEST_SEEDS = 2;

/**
 * Compares what lies in run folders; trains nothing. The first of --policies is the baseline.
 * @param places run folders, folders that hold them, and patterns such as runs/* that no shell has expanded
 */
export async function compareRecorded(
  places: readonly string[],
  settings: Settings,
): Promise<CompareOutcome> {
  const read = await readRuns(await runFoldersAt(places));
  const arms = [...new Set([...read.finished, ...read.failed].map(({ arm }) => arm))];
  if (arms.length === 0) {
    throw new UsageError(
      'None of the folders holds a training run. Name folders that train or compare made.',
    );
  }
  const inOrder = arms.sort((a, b) => orderOf(a, settings) - orderOf(b, settings));
  return outcomeOf(inOrder, read, settings, false);
}

/** The arms of --policies in their order, each followed by its own variants, then others as they came. */
function orderOf(arm: string, { policies }: Settings): number {
  const at = policies.indexOf(arm);
  if (at >= 0) return at;
  const kin = policies.findLastIndex(
    (policy) => arm.startsWith(`${policy}:`) || arm.startsWith(`${policy}@`),
  );
  return kin < 0 ? policies.length : kin + 0.5;
}

/** The comparison of what was read. @param arms in the order of the report, the baseline first */
export async function outcomeOf(
  arms: readonly string[],
  { finished, failed, notes }: ReadRuns,
  settings: Settings,
  interrupted: boolean,
): Promise<CompareOutcome> {
  // However the folders were given: every list is in the order of the arms, then of the seeds.
  const inOrder = <Run extends { readonly arm: string; readonly pair: number }>(
    runs: readonly Run[],
  ): Run[] => runs.toSorted((a, b) => arms.indexOf(a.arm) - arms.indexOf(b.arm) || a.pair - b.pair);
  const { compareRuns } = await loadStatistics();
  const { chooseRates } = await import('./rates.js');
  const all = { finished: inOrder(finished), failed: inOrder(failed) };
  const compared = compareRuns(arms, all.finished, all.failed, settings.target, settings.metric);
  const { finished: runs, failed: lost } = chooseRates(arms, all, settings.metric);
  const comparison = { ...compared, warnings: [...notes, ...compared.warnings] };
  // One seed on purpose is a comparison without a claim; one seed left of several is a failure.
  const enough = comparison.arms.every(
    (arm) =>
      arm.runs.length > 0 && arm.runs.length >= Math.min(FEWEST_SEEDS, arm.runs.length + arm.failed.length),
  );
  const paired = comparison.differences.every(({ mean }) => mean !== null);
  const status = interrupted ? 'interrupted' : enough && paired ? 'completed' : 'failed';
  return { comparison, runs, failed: lost, status };
}

/** Loaded while the runs train, so that these start sooner. */
export function loadStatistics() {
  return import('./conclude.js');
}
