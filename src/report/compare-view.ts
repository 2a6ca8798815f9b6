import type { EpochRecord, StepRecord, VerdictSummary } from '../runs/documents.js';
import type { EpochSummary } from './pages/train.js';

/** A number over the seeds of an arm, with the 95% interval of its mean; null where it cannot be given. */
export interface MetricSummary {
  readonly mean: number | null;
  readonly sd: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Steps or seconds to a target over an arm's seeds. */
export interface TimesView extends MetricSummary {
  /** Null where the run in the middle never reached the target. */
  readonly median: number | null;
  /** Runs that reached the target, of `n`. */
  readonly reached: number;
  readonly n: number;
}

export interface ArmView {
  readonly policy: string;
  readonly runs: readonly {
    readonly run: string;
    readonly seed: number;
    readonly best: EpochSummary;
    readonly final: EpochSummary;
  }[];
  readonly bestAccuracy: MetricSummary;
  readonly finalAccuracy: MetricSummary;
  readonly validLoss: MetricSummary;
  /** Null without a target; `mean` null where a run never reached it. */
  readonly stepsToTarget: TimesView | null;
  /** As stepsToTarget, in seconds. */
  readonly secondsToTarget: TimesView | null;
  readonly failed: readonly { readonly run: string; readonly seed: number; readonly reason: string }[];
}

/** Final accuracy of an arm less that of the baseline, paired by seed. */
export interface DifferenceView {
  readonly arm: string;
  readonly baseline: string;
  readonly metric: string;
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly pValue: number | null;
  readonly adjustedPValue: number | null;
  readonly method: string;
  /** The mean's 95% interval over validation images; null where the arms saw other ones. */
  readonly overImages?: { readonly low: number; readonly high: number } | null;
  /** Images that one of both alone got right, seed by seed. */
  readonly perSeed?: readonly {
    readonly seed: number;
    readonly difference: number;
    readonly onlyArm: number;
    readonly onlyBaseline: number;
    readonly pValue: number;
  }[];
}

/** What the report needs of compare's JSON document, and the records of the compared runs. */
export interface CompareView {
  readonly arms: readonly ArmView[];
  readonly differences: readonly DifferenceView[];
  readonly difference: DifferenceView | null;
  readonly verdict: VerdictSummary;
  /** Steps of the baseline over steps of the arm, up to the target accuracy. */
  readonly superConvergence: {
    readonly target: number;
    readonly factor: number;
    readonly low: number | null;
    readonly high: number | null;
    /** Whether the factor is an estimate, or a bound because runs never reached the target. */
    readonly bound: 'none' | 'at least' | 'at most';
    /** What the number leaves open; may be empty. */
    readonly note: string;
  } | null;
  /** `target` is null where it is the baseline's mean final accuracy. */
  readonly config: { readonly target: number | null };
  /** Most runs that were trained side by side, where the runs tell. */
  readonly jobs: number;
  /** Whether runs worked on features of the frozen part that one of them had computed. */
  readonly sharedFeatures: boolean;
  readonly warnings: readonly string[];
  /** One for each arm, in the order of `arms`. */
  readonly curves: readonly ArmCurves[];
}

export interface ArmCurves {
  readonly policy: string;
  readonly runs: readonly {
    readonly seed: number;
    readonly epochs: readonly EpochRecord[];
    readonly steps: readonly StepRecord[];
  }[];
}
