import { RATE_SOURCES } from '../config/run-config.js';
import { formatRates } from '../report/text/numbers.js';
import { UsageError } from '../errors.js';
import type { ArmRate, BestEpoch, Metric, OverSeeds } from '../runs/documents.js';
import { mean, ROUNDING, standardDeviation } from '../stats/describe.js';
import { summarize, within } from '../stats/intervals.js';
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
 * Takes of each arm and seed one run. Where an arm was trained at several rates, the other seeds choose: the rate nearest to the
 * arm's own that is not clearly worse than their best. So no run has a say in the choice by which it is judged, and the choice flatters no arm.
 * @param metric what the seeds choose by
 */
export function chooseRates(
  arms: readonly string[],
  { finished, failed }: Pick<ReadRuns, 'finished' | 'failed'>,
  metric: Metric = 'accuracy',
): ChosenRuns {
  const ofArm = arms.map((arm) => {
    const runs = [...finished, ...failed].filter((run) => run.arm === arm);
    const chosen = chosenRuns(runs, metric);
    const rates = armRates(runs, chosen);
    const { best } = scoresByFactor(runs, metric);
    return { arm, chosen, rates, warning: edgeWarning(arm, rates, best?.factor) };
  });
  const chosen = ofArm.flatMap((one) => one.chosen);
  return {
    finished: finished.filter((run) => chosen.includes(run)),
    failed: failed.filter((run) => chosen.includes(run)),
    rates: new Map(ofArm.map(({ arm, rates }) => [arm, rates])),
    warnings: ofArm.flatMap(({ warning }) => warning),
  };
}

/** Of each seed the run at the rate that the other seeds choose. */
function chosenRuns(runs: readonly AnyRun[], metric: Metric): AnyRun[] {
  const pairs = [...new Set(runs.map(({ pair }) => pair))];
  return pairs.flatMap((pair) => {
    const factor = chosenFactor(
      runs.filter((run) => run.pair !== pair),
      metric,
    );
    const own = runs
      .filter((run) => run.pair === pair)
      .sort((a, b) => logDistance(a.lrFactor) - logDistance(b.lrFactor));
    return own.find(({ lrFactor }) => lrFactor === factor) ?? own[0] ?? [];
  });
}

/**
 * The factor nearest to 1 of those that are no more than one standard error worse than the best, in pairs over the seeds (the rule
 * of Breiman and others, Classification and Regression Trees, 1984, section 3.4.3). By the highest mean alone the noise of the runs
 * would choose, and against each seed: one that did well at a rate is missing where the others decide on it. A single seed has no
 * standard error, and its best rate is taken. Undefined where there are no runs.
 */
function chosenFactor(runs: readonly AnyRun[], metric: Metric): number | undefined {
  const { nearestFirst, best } = scoresByFactor(runs, metric);
  const isGood = ({ scores }: FactorScores) => {
    const lost = [...scores].flatMap(([pair, score]) => {
      const bestScore = best?.scores.get(pair);
      return bestScore === undefined ? [] : [bestScore - score];
    });
    if (lost.length === 0) return false;
    return mean(lost) <= (standardDeviation(lost, 1) ?? 0) / Math.sqrt(lost.length);
  };
  return nearestFirst.find(isGood)?.factor;
}

/** What an arm's runs at one factor come to, by pair. */
interface FactorScores {
  readonly factor: number;
  readonly scores: ReadonlyMap<number, number>;
}

/** All factors, those nearest to 1 first, and of those with the highest mean the first; undefined where there are no runs. */
function scoresByFactor(
  runs: readonly AnyRun[],
  metric: Metric,
): { readonly nearestFirst: readonly FactorScores[]; readonly best: FactorScores | undefined } {
  const nearestFirst = [...new Set(runs.map(({ lrFactor }) => lrFactor))]
    .sort((a, b) => logDistance(a) - logDistance(b) || a - b)
    .map((factor): FactorScores => {
      const own = runs.filter(({ lrFactor }) => lrFactor === factor);
      return { factor, scores: new Map(own.map((run) => [run.pair, scoreOf(run, metric)])) };
    });
  const average = ({ scores }: FactorScores) => mean([...scores.values()]);
  const best = nearestFirst.reduce<FactorScores | undefined>(
    (a, b) => (a === undefined || average(b) > average(a) + ROUNDING ? b : a),
    undefined,
  );
  return { nearestFirst, best };
}

/** A run that failed got nothing right. */
function scoreOf(run: AnyRun, metric: Metric): number {
  return isFinished(run) ? finalScore(run.final, metric) : 0;
}

/** What an epoch is compared by. Throws UsageError where a balanced accuracy was not recorded and cannot be had. */
export function finalScore({ validAccuracy, balancedAccuracy }: BestEpoch, metric: Metric): number {
  if (metric === 'accuracy') return validAccuracy;
  if (balancedAccuracy !== undefined) return balancedAccuracy;
  throw new UsageError(
    '--metric balanced-accuracy needs the predictions of every run, and one has none: compare by accuracy, or train it anew.',
  );
}

/** A number from 0 to `most` over runs; null where there are none, or where one of them has not recorded it. */
export function overSeeds<Run>(
  runs: readonly Run[],
  value: (run: Run) => number | undefined,
  most = 1,
): OverSeeds {
  const values = runs.map(value);
  const known = values.filter((one) => one !== undefined);
  return runs.length === 0 || known.length < values.length
    ? { mean: null, sd: null, low: null, high: null }
    : within(0, summarize(known), most);
}

function logDistance(factor: number): number {
  return Math.abs(Math.log(factor));
}

function armRates(runs: readonly AnyRun[], chosen: readonly AnyRun[]): ArmRate[] {
  const factors = [...new Set(runs.map(({ lrFactor }) => lrFactor))].sort((a, b) => a - b);
  return factors.map((factor) => {
    const own = runs.filter(({ lrFactor }) => lrFactor === factor);
    const ended = own.filter(isFinished);
    const configs = own.flatMap(({ record }) => (record === null ? [] : [record.config]));
    const rates = configs.flatMap(({ lr }) => (typeof lr === 'number' ? [lr] : []));
    const [lowest, highest] = [Math.min(...rates), Math.max(...rates)];
    const [source, ...others] = new Set(configs.map(({ lrSource }) => lrSource));
    return {
      learningRate: rates.length === 0 ? null : lowest,
      ...(highest > lowest && { highestRate: highest }),
      factor,
      source: RATE_SOURCES.find((one) => one === source && others.length === 0) ?? null,
      finalAccuracy: overSeeds(ended, ({ final }) => final.validAccuracy),
      balancedAccuracy: overSeeds(ended, ({ final }) => final.balancedAccuracy),
      runs: ended.length,
      failed: own.length - ended.length,
      chosen: own.filter((run) => chosen.includes(run)).length,
    };
  });
}

/**
 * Where the highest mean is that of the lowest or the highest rate, a better one may lie beyond: also where it is no clear best, and
 * seeds are compared at a rate nearer to the arm's own.
 */
function edgeWarning(arm: string, rates: readonly ArmRate[], best: number | undefined): string[] {
  const edge = rates.length < 2 ? undefined : [rates[0], rates.at(-1)].find((rate) => rate?.factor === best);
  if (edge === undefined) return [];
  const which = edge === rates[0] ? 'lowest' : 'highest';
  const elsewhere = rates.some(({ chosen }) => chosen > edge.chosen);
  return [
    `${arm} does best at the ${which} of its ${rates.length} rates, ${formatRates(edge.learningRate, edge.highestRate ?? edge.learningRate)}` +
      `${elsewhere ? ', though not clearly, so that most seeds are compared elsewhere' : ''}: ` +
      `${elsewhere ? 'a better one' : 'the best one'} may lie beyond. Raise --rates, or state another --lr.`,
  ];
}

/** What a verdict on two arms rests on, as far as their rates go. */
export function ratesBehind(arms: readonly (readonly ArmRate[])[]): RatesBehind {
  if (arms.every((rates) => rates.length > 1)) return 'tuned';
  const measured = arms.flat().every(({ source }) => source === 'range-test' || source === 'built-in');
  return measured ? 'measured' : 'unmeasured';
}
