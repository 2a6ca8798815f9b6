import type {
  CompareDryRun,
  ComparePlan,
  FinderDryRun,
  PlanPower,
  PlanTime,
  SettingsDocument,
  TrainDryRun,
  TrainingCost,
  TrainPlan,
} from '../../runs/documents.js';
import type { JsonValue } from '../../runs/json.js';
import { chartPair } from '../charts/terminal.js';
import { type NamedSteps, stepCharts } from '../charts/training.js';
import { joinBlocks, paragraph, type ReportLayout } from '../text/layout.js';
import { printable } from '../../printable.js';
import {
  counted,
  formatBytes,
  formatCount,
  formatDuration,
  formatPoints,
  formatRate,
  MISSING,
} from '../text/numbers.js';
import { table } from '../text/table.js';

/** The settings of a command as a table, then what the arms change. */
export function settingsReport({ settings, arms, file }: SettingsDocument, layout: ReportLayout): string {
  const rows = [
    ...Object.entries(settings).map(([name, { value, from }]) => [
      name,
      valueText(value),
      from === 'file' ? `file ${file ?? ''}` : from,
    ]),
    ...arms.flatMap((arm) =>
      Object.entries(arm.settings).map(([name, { value }]) => [name, valueText(value), `arm ${arm.arm}`]),
    ),
  ];
  return table([{ header: 'setting' }, { header: 'value' }, { header: 'from' }], rows, layout);
}

function valueText(value: JsonValue): string {
  if (value === null) return MISSING;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A run before it is trained: charts of rate and momentum, and the numbers that shape them. */
export function planReport(plan: TrainPlan, layout: ReportLayout): string {
  const { config, stepsPerEpoch, trained, steps } = plan;
  const all = `${counted(trained + steps.length, 'step')} in all`;
  return schedules(
    `${config.policy}: ${counted(config.epochs, 'epoch')} of ${counted(stepsPerEpoch, 'step')} with batches of ${config.batchSize}${weightsText(config)}, ${all}. ${trained === 0 ? 'Nothing was trained.' : `${counted(trained, 'step')} of them trained before; the rest:`}`,
    [{ name: config.policy, steps, followsLoss: followsLoss(config) }],
    layout,
  );
}

/** What `--dry-run` of any command answers: the schedules, and what they take on this machine. */
export function dryRunReport(
  document: TrainDryRun | CompareDryRun | FinderDryRun,
  layout: ReportLayout,
): string {
  return joinBlocks([dryRunSchedules(document, layout), paragraph(costText(document.cost), layout.width)]);
}

function dryRunSchedules(document: TrainDryRun | CompareDryRun | FinderDryRun, layout: ReportLayout): string {
  switch (document.command) {
    case 'train':
      return planReport(document, layout);
    case 'compare': {
      const { arms, cost, config: settings } = document;
      const plans = arms.map(({ config, stepsPerEpoch, steps }) => {
        const { arm, epochs, batchSize } = config;
        return `${arm}: ${counted(epochs, 'epoch')} of ${counted(stepsPerEpoch, 'step')} with batches of ${batchSize}${weightsText(config)}, ${counted(steps.length, 'step')} in all.`;
      });
      const { seeds, rates = 0 } = settings;
      const each = rates === 0 ? '' : ` at ${rates + 1} rates each`;
      const runs = `${counted(cost.runs, 'run')}, ${counted(seeds, 'seed')} an arm${each}.`;
      const named = arms.map(({ config, steps }) => ({
        ...{ name: config.arm, steps },
        followsLoss: followsLoss(config),
      }));
      return schedules(`${plans.join(' ')} ${runs} Nothing was trained.`, named, layout);
    }
    case 'find-lr': {
      const { config, steps } = document;
      const how = `${config.sweep === 'linear' ? 'added to' : 'multiplied'} at every step`;
      return schedules(
        `A range test over ${counted(config.seeds, 'seed')}: ${counted(steps.length, 'step')} each with batches of ${config.batchSize * config.accumulate}${weightsText(config)}, the rate ${how}. Nothing was trained.`,
        [{ name: 'range test', steps }],
        layout,
      );
    }
  }
}

function weightsText({ classWeights }: TrainPlan['config'] | FinderDryRun['config']): string {
  return classWeights === 'balanced' ? ' and balanced class weights' : '';
}

/** Steps as far as they are known before the training. */
interface PlannedSteps extends NamedSteps {
  /** Whether the rate also depends on losses that are not known yet. */
  readonly followsLoss?: boolean;
}

function followsLoss({ policy, decay }: TrainPlan['config']): boolean {
  return policy === 'fixed' && decay === 'plateau';
}

/** Charts of rate and momentum, and in words where each rate starts, is highest and ends. */
function schedules(headline: string, named: readonly PlannedSteps[], layout: ReportLayout): string {
  const { width } = layout;
  const charts = stepCharts(named);
  const words = named.map(({ name, steps, followsLoss = false }) => {
    const none = { step: 0, learningRate: 0 };
    const [first, last] = [steps[0] ?? none, steps.at(-1) ?? none];
    const highest = steps.reduce((top, step) => (step.learningRate > top.learningRate ? step : top), first);
    const whose = named.length > 1 ? `The rate of ${name}` : 'The rate';
    const begins = `${whose} starts at ${formatRate(first.learningRate)}`;
    if (followsLoss)
      return `${begins}, and falls where the validation loss falls no more, which nobody knows before.`;
    return `${begins}, is highest at step ${highest.step} with ${formatRate(highest.learningRate)}, and ends at ${formatRate(last.learningRate)}.`;
  });
  return joinBlocks([
    paragraph(headline, width),
    chartPair(charts.learningRate, charts.momentum, layout),
    words.map((text) => paragraph(text, width)).join('\n'),
  ]);
}

function costText({
  secondsPerStep,
  timedSteps,
  workers,
  runs,
  firstRun,
  seconds,
  memory,
}: TrainingCost): string {
  const { first, later } = secondsPerStep;
  const steps = first === later ? '' : ` (${formatDuration(later)} once frozen features are cached)`;
  const all = runs === 1 ? '' : `, ${formatDuration(seconds)} for all ${runs} one after the other`;
  return `Time: about ${formatDuration(firstRun)} a run${all}; ${formatDuration(first)} a step${steps}, measured on ${counted(timedSteps, 'step')} with ${counted(workers, 'thread')} here. Memory: about ${formatBytes(memory)} for one run at a time.`;
}

/** A plan as a shell script: one command a line, never broken, and all else as comments at most `width` wide. */
export function comparePlanReport({ plan }: ComparePlan, width: number): string {
  const comment = (text: string): string => paragraph(text, width - 2).replace(/^/gmu, '# ');
  const { runs, power, time, compare } = plan;
  const points = formatPoints(power.difference).replace('+', '');
  return [
    ...runs.filter(({ recorded }) => recorded === null).map(({ command }) => command),
    '#',
    ...runs
      .filter(({ recorded }) => recorded !== null)
      .map(({ arm, seed, recorded }) => comment(`${arm} with seed ${seed} is there already: ${recorded}`)),
    comment(powerText(power, points)),
    comment(timeText(time)),
    `# When all have come: ${printable(compare)}`,
  ].join('\n');
}

function powerText(power: PlanPower, points: string): string {
  const { spread, pairs, recordedPairs, seeds, chance, seedsNeeded, imagesNeeded } = power;
  const sd = (100 * spread.sd).toFixed(1);
  const source =
    pairs > 0
      ? `a spread between seeds of ${sd} points, measured on ${counted(pairs, 'pair')} of runs so far (few pairs measure it roughly)`
      : `an assumed spread between seeds of ${sd} points (${whyAssumed(recordedPairs)}; plan again once more have come)`;
  const planned =
    chance === null
      ? 'One seed shows no difference, however large.'
      : `With ${counted(seeds, 'seed')} an arm a true difference of ${points} points is shown ${percent(chance)} of the time.`;
  const needed =
    seedsNeeded === null
      ? `No number of seeds shows it four times in five: ${counted(spread.images, 'validation image')} are too few, it takes more than about ${formatCount(imagesNeeded)}.`
      : `It takes ${counted(seedsNeeded, 'seed')} an arm to show it four times in five.`;
  return `Power: ${planned} ${needed} This is for ${source}, and counts chance in the images too.`;
}

function whyAssumed(recordedPairs: number): string {
  if (recordedPairs === 0) return 'no seed has a run of both arms yet';
  if (recordedPairs === 1) return 'one pair of runs shows no spread';
  return `the ${recordedPairs} pairs of runs so far differ nowhere`;
}

function percent(share: number): string {
  return share < 0.01 ? 'less than 1%' : `${Math.round(100 * share)}%`;
}

function timeText({ secondsPerRun, from, count, missing, totalSeconds }: PlanTime): string {
  const source =
    from === 'runs'
      ? `as ${counted(count, 'recorded run')} took`
      : `estimated from ${counted(count, 'step')} on this machine`;
  const all =
    missing === 0
      ? 'nothing is left to train'
      : `${counted(missing, 'run')} to train, ${formatDuration(totalSeconds)} one after the other`;
  return `Time: about ${formatDuration(secondsPerRun)} a run (${source}); ${all}.`;
}
