import { RATE_SOURCES } from '../config/run-config.js';
import { formatRate } from '../report/text/numbers.js';
import type { ArmRate } from '../runs/documents.js';
import { mean } from '../stats/describe.js';
import { summarize } from '../stats/intervals.js';
import type { RatesBehind } from '../stats/verdict.js';
import { type FailedRun, isFinished, type ReadRuns, type RecordedRun } from './read.js';

/** The runs that are compared, and every rate at which each arm was trained. */
export interface ChosenRuns extends Pick<ReadRuns, 'finished' | 'failed'> {
  /** By arm, the lowest first; empty where an arm has no run. */
  readonly rates: ReadonlyMap<string, readonly ArmRate[]>;
  /** Arms that do best at the end of their rates, a sentence each. */
  readonly warnings: readonly string[];
}

type AnyRun = RecordedRun | FailedRun;

/**
 * Takes of each arm and seed the run at the arm's best rate. Where an arm was trained at several, the other seeds choose: their
 * mean final accuracy is highest there. So no run has a say in the choice by which it is judged, and the choice flatters no arm.
 */
export function chooseRates(
  arms: readonly string[],
  { finished, failed }: Pick<ReadRuns, 'finished' | 'failed'>,
): ChosenRuns {
  const ofArm = arms.map((arm) => {
    const runs = [...finished, ...failed].filter((run) => run.arm === arm);
    const chosen = chosenRuns(runs);
    return { arm, chosen, rates: armRates(runs, chosen) };
  });
  const chosen = ofArm.flatMap((one) => one.chosen);
  return {
    finished: finished.filter((run) => chosen.includes(run)),
    failed: failed.filter((run) => chosen.includes(run)),
    rates: new Map(ofArm.map(({ arm, rates }) => [arm, rates])),
    warnings: ofArm.flatMap(({ arm, rates }) => edgeWarning(arm, rates)),
  };
}

/** Of each seed the run at the rate that the other seeds choose; ties go to the rate nearest to the arm's own. */
function chosenRuns(runs: readonly AnyRun[]): AnyRun[] {
  const pairs = [...new Set(runs.map(({ pair }) => pair))];
  return pairs.flatMap((pair) => {
    const candidates = runs
      .filter((run) => run.pair === pair)
      .map((run) => {
        const others = runs.filter((other) => other.pair !== pair && other.lrFactor === run.lrFactor);
        return { run, score: others.length === 0 ? 0 : mean(others.map(scoreOf)) };
      })
      .sort(
        (a, b) => b.score - a.score || distance(a.run) - distance(b.run) || a.run.lrFactor - b.run.lrFactor,
      );
    return candidates.slice(0, 1).map(({ run }) => run);
  });
}

/** A run that failed got nothing right. */
function scoreOf(run: AnyRun): number {
  return isFinished(run) ? run.final.validAccuracy : 0;
}

function distance({ lrFactor }: AnyRun): number {
  return Math.abs(Math.log(lrFactor));
}

function armRates(runs: readonly AnyRun[], chosen: readonly AnyRun[]): ArmRate[] {
  const factors = [...new Set(runs.map(({ lrFactor }) => lrFactor))].sort((a, b) => a - b);
  return factors.map((factor) => {
    const own = runs.filter(({ lrFactor }) => lrFactor === factor);
    const accuracies = own.filter(isFinished).map(scoreOf);
    const { lr, lrSource } = own.find(({ record }) => record !== null)?.record?.config ?? {};
    return {
      learningRate: typeof lr === 'number' ? lr : null,
      factor,
      source: RATE_SOURCES.find((source) => source === lrSource) ?? null,
      finalAccuracy:
        accuracies.length === 0 ? { mean: null, sd: null, low: null, high: null } : summarize(accuracies),
      runs: accuracies.length,
      failed: own.length - accuracies.length,
      chosen: own.filter((run) => chosen.includes(run)).length,
    };
  });
}

/** Where most seeds choose the lowest or the highest rate, a better one may lie beyond. */
function edgeWarning(arm: string, rates: readonly ArmRate[]): string[] {
  const [lowest, highest] = [rates[0], rates.at(-1)];
  const most = Math.max(...rates.map(({ chosen }) => chosen));
  const edge = rates.length < 2 ? undefined : [lowest, highest].find((rate) => rate?.chosen === most);
  if (edge === undefined) return [];
  const which = edge === lowest ? 'lowest' : 'highest';
  return [
    `${arm} does best at the ${which} of its ${rates.length} rates, ${formatRate(edge.learningRate)}: the best one may lie beyond. Raise --rates, or state another --lr.`,
  ];
}

/** What a verdict on two arms rests on, as far as their rates go. */
export function ratesBehind(arms: readonly (readonly ArmRate[])[]): RatesBehind {
  if (arms.every((rates) => rates.length > 1)) return 'tuned';
  const measured = arms.flat().every(({ source }) => source === 'range-test' || source === 'built-in');
  return measured ? 'measured' : 'unmeasured';
}
