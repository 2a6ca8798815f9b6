import { requireKnownArms } from '../config/arms.js';
import { UsageError } from '../errors.js';
import { superConvergenceNote } from '../report/words/compare.js';
import { counted, formatLoss, twoDigits } from '../report/text/numbers.js';
import { verdictWords } from '../report/words/verdict.js';
import {
  type ArmDifference,
  type ComparedArm,
  type Comparison,
  type Metric,
  type OverSeeds,
  SCHEMA_VERSION,
  type SeedDifference,
} from '../runs/documents.js';
import { confusionOfRun } from '../runs/check-run.js';
import { type ClassScore, classScores, isFarAboveGuessing } from '../stats/classes.js';
import {
  balancedDifference,
  balancedSums,
  type CrossedDifference,
  crossedDifference,
  crossedSums,
} from '../stats/crossed.js';
import { mean } from '../stats/describe.js';
import {
  balancedMcnemar,
  holm,
  mcnemar,
  pairedDifference,
  type PairedDifference,
} from '../stats/difference.js';
import {
  type BootstrapInterval,
  bootstrapMeanOverClasses,
  bootstrapMeanOverImages,
} from '../stats/intervals.js';
import {
  secondsToTarget,
  stepsToTarget,
  summarizeTimes,
  superConvergence,
  type TimesSummary,
} from '../stats/times.js';
import { bestSupportedFirst, verdict } from '../stats/verdict.js';
import { fairnessWarnings } from './fairness.js';
import { chooseRates, finalScore, overSeeds, ratesBehind } from './rates.js';
import type { FailedRun, RecordedRun } from './read.js';

/**
 * Compares arms over their finished runs, each arm at the rates that chooseRates takes; the first arm is the baseline.
 * @param names the arms in order
 * @param target for steps to target, or undefined for the baseline's mean after the last epoch
 * @param metric what is compared, by which rates are chosen and which the target is of
 * @throws UsageError where runs have no balanced accuracy and that is the metric
 */
export function compareRuns(
  names: readonly string[],
  finished: readonly RecordedRun[],
  broken: readonly FailedRun[],
  target: number | undefined,
  metric: Metric = 'accuracy',
): Comparison {
  const {
    finished: runs,
    failed,
    rates,
    warnings,
  } = chooseRates(names, { finished, failed: broken }, metric);
  const ratesOf = (arm: string) => rates.get(arm) ?? [];
  const [baseline, ...others] = names.map((name): ArmRuns => ({ name, runs: runsOf(name, runs) }));
  if (baseline === undefined) throw new UsageError('compare needs at least one arm.');
  requireKnownArms(undefined, names);
  const asked = target ?? (baseline.runs.length > 0 ? mean(finals(baseline.runs, metric)) : undefined);
  const untold = runs.filter(({ record }) => !tellsEpochs(record, metric));
  const aim = untold.length > 0 ? undefined : asked;
  const arms = [baseline, ...others].map((arm) => ({
    ...comparedArm(arm, failed, aim, metric),
    rates: ratesOf(arm.name),
  }));
  const raw = others.map((arm) => ({ arm, ...rawDifference(arm, baseline, metric) }));
  const adjusted = holm(raw.map(({ found }) => found?.pValue ?? null));
  const differences = raw.map(({ arm, found, overImages, perSeed }, i): ArmDifference => ({
    arm: arm.name,
    baseline: baseline.name,
    metric: metric === 'accuracy' ? 'finalAccuracy' : 'balancedAccuracy',
    mean: found?.mean ?? null,
    low: found?.low ?? null,
    high: found?.high ?? null,
    pValue: found?.pValue ?? null,
    adjustedPValue: adjusted[i] ?? null,
    method: found?.method ?? 'paired t',
    degreesOfFreedom: found?.degreesOfFreedom ?? null,
    varianceShares: found !== null && 'images' in found ? found.varianceShares : null,
    overImages,
    perSeed,
  }));
  const last = raw.at(-1);
  const alone = { baseline: baseline.name, arm: null, difference: null, overImages: null };
  const judged = raw.map(({ arm, found, overImages }, i) =>
    verdict({
      arm: arm.name,
      baseline: baseline.name,
      difference: found,
      overImages,
      adjustedPValue: adjusted[i] ?? null,
      rates: ratesBehind([ratesOf(arm.name), ratesOf(baseline.name)]),
    }),
  );
  const [best = verdict(alone), ...lesser] = bestSupportedFirst(judged);
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'compare',
    arms,
    differences,
    difference: differences.at(-1) ?? null,
    verdict: {
      kind: best.kind,
      rates: ratesBehind(arms.map((arm) => arm.rates)),
      claim: best.claim,
      ...verdictWords(best, lesser, metric),
    },
    superConvergence:
      last === undefined || aim === undefined
        ? null
        : superConvergenceOf(last.arm.runs, baseline.runs, { target: aim, metric }),
    warnings: [
      ...fairnessWarnings(runs),
      ...lossWarnings([baseline, ...others], failed),
      ...[baseline, ...others].flatMap(divergedWarning),
      ...warnings,
      ...untoldWarning(untold),
    ],
  };
}

/** Whether a run's epochs say what is compared; those of older versions do not know balanced accuracy. */
function tellsEpochs({ epochs }: RecordedRun['record'], metric: Metric): boolean {
  return metric === 'accuracy' || epochs.every(({ balancedAccuracy }) => balancedAccuracy !== undefined);
}

function untoldWarning(runs: readonly RecordedRun[]): string[] {
  if (runs.length === 0) return [];
  const who = runs.length === 1 ? 'A run was' : `${runs.length} runs were`;
  return [
    `${who} recorded by a version that told the balanced accuracy of no epoch: it is taken from the predictions at the end, and there are no steps to a target.`,
  ];
}

/** In the order of the seeds, however the folders were given. */
function runsOf(name: string, runs: readonly RecordedRun[]): RecordedRun[] {
  return runs.filter(({ arm }) => arm === name).sort((a, b) => a.pair - b.pair);
}

function superConvergenceOf(
  arm: readonly RecordedRun[],
  baseline: readonly RecordedRun[],
  { target, metric }: { readonly target: number; readonly metric: Metric },
): Comparison['superConvergence'] {
  const pairs = pairsOf(arm, baseline).map((pair) => ({
    arm: stepsOf(pair.arm, target, metric),
    baseline: stepsOf(pair.baseline, target, metric),
    armBudget: pair.arm.record.steps.length,
    baselineBudget: pair.baseline.record.steps.length,
  }));
  const found = superConvergence(pairs, target);
  return found && { ...found, note: superConvergenceNote(found) };
}

/** What pairs of runs say, before it is corrected for the number of comparisons. */
export interface RawDifference {
  /** Over seeds and images; over seeds alone without predictions on common images; null without pairs. */
  readonly found: CrossedDifference | PairedDifference | null;
  readonly overImages: BootstrapInterval | null;
  readonly perSeed: readonly SeedDifference[];
}

/** A run and the baseline's run with the same seed. */
export interface Pair {
  readonly arm: RecordedRun;
  readonly baseline: RecordedRun;
}

/** Runs of both arms by seed; runs without a partner are left out. */
export function pairsOf(arm: readonly RecordedRun[], baseline: readonly RecordedRun[]): Pair[] {
  return arm.flatMap((run) => {
    const partner = baseline.find(({ pair }) => pair === run.pair);
    return partner === undefined ? [] : [{ arm: run, baseline: partner }];
  });
}

/** The difference of two arms over seeds and images. */
export function rawDifference(arm: ArmRuns, baseline: ArmRuns, metric: Metric = 'accuracy'): RawDifference {
  const pairs = pairsOf(arm.runs, baseline.runs);
  const images = imageDifferences(pairs);
  const labels = metric === 'accuracy' ? null : labelsOf(pairs);
  return {
    found: differenceOf(pairs, images, labels, metric),
    overImages: images === null ? null : overImages(meanOfRows(images), labels),
    perSeed: pairs.flatMap((pair, i) => {
      const row = images?.[i];
      if (row === undefined) return [];
      const onlyArm = row.filter((value) => value > 0).length;
      const onlyBaseline = row.filter((value) => value < 0).length;
      return [
        {
          seed: pair.baseline.seed,
          difference: finalScore(pair.arm.final, metric) - finalScore(pair.baseline.final, metric),
          onlyArm,
          onlyBaseline,
          pValue: labels === null ? mcnemar(onlyArm, onlyBaseline) : balancedMcnemar(row, labels),
        },
      ];
    }),
  };
}

function overImages(perImage: readonly number[], labels: readonly number[] | null): BootstrapInterval {
  return labels === null ? bootstrapMeanOverImages(perImage) : bootstrapMeanOverClasses(perImage, labels);
}

function differenceOf(
  pairs: readonly Pair[],
  images: readonly (readonly number[])[] | null,
  labels: readonly number[] | null,
  metric: Metric,
): RawDifference['found'] {
  if (pairs.length === 0) return null;
  // Single images say nothing about others of their class.
  const classes = labels === null ? 1 : new Set(labels).size;
  if (images !== null && (images[0]?.length ?? 0) > classes) {
    return labels === null
      ? crossedDifference(crossedSums(images))
      : balancedDifference(balancedSums(images, labels));
  }
  const scores = (runs: readonly RecordedRun[]) => finals(runs, metric);
  return pairedDifference(scores(pairs.map((p) => p.arm)), scores(pairs.map((p) => p.baseline)));
}

/** The class of each validation image. */
function labelsOf([first]: readonly Pair[]): number[] {
  return (first?.arm.record.predictions ?? []).map(({ label }) => label);
}

/**
 * A row a pair, a column a validation image: 1 where the arm alone is right, -1 where the baseline alone is, else
 * 0. Null where the pairs were not all judged on one list of images.
 */
export function imageDifferences(pairs: readonly Pair[]): number[][] | null {
  const [first] = pairs;
  const images = first?.arm.record.predictions?.map(({ image }) => image);
  if (images === undefined) return null;
  const rows = pairs.map(({ arm, baseline }) => {
    const [own, its] = [rightAnswers(arm, images), rightAnswers(baseline, images)];
    return own === null || its === null ? null : own.map((right, i) => right - (its[i] ?? 0));
  });
  const known = rows.filter((row) => row !== null);
  return known.length === rows.length ? known : null;
}

/** 1 for each image that a run classified rightly at its end, else 0; null where it saw other images. */
function rightAnswers({ record: { predictions } }: RecordedRun, images: readonly string[]): number[] | null {
  if (predictions === null || predictions.length !== images.length) return null;
  if (predictions.some(({ image }, i) => image !== images[i])) return null;
  return predictions.map(({ label, final }) => Number(final.predicted === label));
}

function meanOfRows(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).map((_, i) => rows.reduce((sum, row) => sum + (row[i] ?? 0), 0) / rows.length);
}

/** An arm's finished runs in the order of their seeds. */
export interface ArmRuns {
  readonly name: string;
  readonly runs: readonly RecordedRun[];
}

/** An arm's numbers over its runs. */
export function comparedArm(
  { name, runs }: ArmRuns,
  failed: readonly FailedRun[],
  target: number | undefined,
  metric: Metric = 'accuracy',
): Omit<ComparedArm, 'rates'> {
  const over = (value: (run: RecordedRun) => number | undefined, most?: number): OverSeeds =>
    overSeeds(runs, value, most);
  const times = (
    value: (run: RecordedRun, target: number, metric: Metric) => number | null,
  ): TimesSummary | null =>
    target === undefined || runs.length === 0
      ? null
      : summarizeTimes(runs.map((run) => value(run, target, metric)));
  return {
    policy: name,
    runs: runs.map(({ record, seed, best, final }) => ({ run: record.dir, seed, best, final })),
    bestAccuracy: over(({ best }) => best.validAccuracy),
    finalAccuracy: over(({ final }) => final.validAccuracy),
    balancedAccuracy: over(({ final }) => final.balancedAccuracy),
    macroF1: over(({ final }) => final.macroF1),
    perClass: scoresByClass(runs),
    validLoss: over(({ final }) => final.validLoss, Infinity),
    stepsToTarget: times(stepsOf),
    secondsToTarget: times(secondsOf),
    failed: failed.filter(({ arm }) => arm === name).map(({ run, seed, reason }) => ({ run, seed, reason })),
  };
}

/** The names of the classes, which all runs share; none where they were not recorded. */
function classesOf([first]: readonly RecordedRun[]): string[] {
  const classes = first?.record.dataset['classes'];
  return Array.isArray(classes) ? classes.map(String) : [];
}

/** Every class's scores over all runs; null where there are none, or not all have predictions. */
function scoresByClass(runs: readonly RecordedRun[]): ClassScore[] | null {
  const counts = runs.map(({ record }) => confusionOfRun(record, 'final')).filter((own) => own !== null);
  const classes = classesOf(runs);
  const [first] = counts;
  if (first === undefined || counts.length < runs.length || classes.length === 0) return null;
  const sums = first.map((row, label) =>
    row.map((_, predicted) => counts.reduce((sum, own) => sum + (own[label]?.[predicted] ?? 0), 0)),
  );
  return classScores(sums, classes).map((score) => ({
    ...score,
    images: Math.round(score.images / runs.length),
  }));
}

/** What runs are compared by, from 0 to 1. */
export function finals(runs: readonly RecordedRun[], metric: Metric = 'accuracy'): number[] {
  return runs.map(({ final }) => finalScore(final, metric));
}

/** Steps after which a run first stood at the target, null where it never did. */
export function stepsOf(
  { record, stepsPerEpoch }: RecordedRun,
  target: number,
  metric: Metric = 'accuracy',
): number | null {
  const epochs = record.epochs.map((epoch) => ({
    step: epoch.epoch * stepsPerEpoch,
    accuracy: finalScore(epoch, metric),
  }));
  return stepsToTarget(epochs, target);
}

function secondsOf({ record }: RecordedRun, target: number, metric: Metric): number | null {
  return secondsToTarget(
    record.epochs.map((epoch) => ({ seconds: epoch.seconds, accuracy: finalScore(epoch, metric) })),
    target,
  );
}

/** What is missing from a comparison, one sentence each: runs that failed, runs without a partner. */
export function lossWarnings(arms: readonly ArmRuns[], failed: readonly FailedRun[]): string[] {
  return [...failedWarnings(arms, failed), ...unpairedWarnings(arms)];
}

/** Failed seeds are always told: the means of the others flatter the arm. */
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

/** Runs that came to their end with finite numbers, and with a loss far above that of guessing. */
function divergedWarning({ name, runs }: ArmRuns): string[] {
  const classes = classesOf(runs);
  const lost = runs.flatMap(({ record }) => {
    const last = record.epochs.at(-1);
    return last !== undefined && isFarAboveGuessing(last, classes.length) ? [last] : [];
  });
  if (lost.length === 0) return [];
  const highest = Math.max(...lost.flatMap(({ trainLoss, validLoss }) => [trainLoss, validLoss]));
  return [
    `${name} ends with ${lost.length} of ${counted(runs.length, 'seed')} at a loss far above ${twoDigits(Math.log(classes.length))}, which guessing among ` +
      `${classes.length} classes gives: up to ${formatLoss(highest)}. Such a run diverged, or is sure of wrong answers, and counts as it ` +
      'is. Lower --lr, or let find-lr choose it.',
  ];
}

function unpairedWarnings([baseline, ...others]: readonly ArmRuns[]): string[] {
  if (baseline === undefined) return [];
  return others.flatMap((arm) => {
    const paired = pairsOf(arm.runs, baseline.runs).length;
    const alone = [arm, baseline].map(({ name, runs }) => ({ name, count: runs.length - paired }));
    const unpaired = alone.reduce((sum, { count }) => sum + count, 0);
    if (unpaired === 0) return [];
    const [has, counts] = unpaired === 1 ? ['has', 'counts'] : ['have', 'count'];
    const whose = alone
      .filter(({ count }) => count > 0)
      .map(({ name, count }) => `${counted(count, 'run')} of ${name}`);
    return [`${whose.join(' and ')} ${has} no partner with the same seed and ${counts} in no difference.`];
  });
}
