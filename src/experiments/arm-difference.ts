import { bootstrapMeanOverImages, type BootstrapInterval } from '../stats/bootstrap.js';
import { mcnemar } from '../stats/mcnemar.js';
import { pairedDifference, type PairedDifference } from '../stats/paired-difference.js';
import { finals, type ArmRuns } from './compared-arm.js';
import type { RecordedRun } from './recorded-run.js';

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
  readonly perSeed: readonly SeedDifference[];
}

/** Two runs of one seed on the same images. */
export interface SeedDifference {
  readonly seed: number;
  readonly difference: number;
  readonly onlyArm: number;
  readonly onlyBaseline: number;
  readonly pValue: number;
}

/** What pairs of runs say, before it is corrected for the number of comparisons. */
export interface RawDifference {
  readonly paired: PairedDifference | null;
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

/** The difference of two arms over seeds and over images. */
export function rawDifference(arm: ArmRuns, baseline: ArmRuns): RawDifference {
  const pairs = pairsOf(arm.runs, baseline.runs);
  const paired: PairedDifference | null =
    pairs.length === 0
      ? null
      : pairedDifference(finals(pairs.map((p) => p.arm)), finals(pairs.map((p) => p.baseline)));
  const images = imageDifferences(pairs);
  return {
    paired,
    overImages: images === null ? null : bootstrapMeanOverImages(meanOfRows(images)),
    perSeed: pairs.flatMap((pair, i) => {
      const row = images?.[i];
      if (row === undefined) return [];
      const onlyArm = row.filter((value) => value > 0).length;
      const onlyBaseline = row.filter((value) => value < 0).length;
      return [
        {
          seed: pair.baseline.seed,
          difference: pair.arm.final.validAccuracy - pair.baseline.final.validAccuracy,
          onlyArm,
          onlyBaseline,
          pValue: mcnemar(onlyArm, onlyBaseline),
        },
      ];
    }),
  };
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
