import type { ComparePlan, PlanPower, PlanTime, SettingsDocument, TrainPlan } from '../../runs/documents.js';
import type { JsonValue } from '../../runs/json.js';
import { chartPair } from '../charts/terminal.js';
import { stepCharts } from '../charts/training.js';
import { joinBlocks, paragraph, type ReportLayout } from '../text/layout.js';
import { counted, formatCount, formatDuration, formatPoints, formatRate, MISSING } from '../text/numbers.js';
import { table } from '../text/table.js';
import { printable } from '../text/width.js';

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
export function planReport(
  { config, stepsPerEpoch, trained, steps }: TrainPlan,
  layout: ReportLayout,
): string {
  const { width } = layout;
  const { policy, epochs, batchSize } = config;
  const highest = steps.reduce(
    (top, step) => (step.learningRate > top.learningRate ? step : top),
    steps[0] ?? NO_STEP,
  );
  const [first, last] = [steps[0] ?? NO_STEP, steps.at(-1) ?? NO_STEP];
  const charts = stepCharts([{ name: policy, steps }]);
  return joinBlocks([
    paragraph(
      `${policy}: ${counted(epochs, 'epoch')} of ${counted(stepsPerEpoch, 'step')} with batches of ${batchSize}, ${counted(trained + steps.length, 'step')} in all. ${trained === 0 ? 'Nothing was trained.' : `${counted(trained, 'step')} of them trained before; the rest:`}`,
      width,
    ),
    chartPair(charts.learningRate, charts.momentum, layout),
    paragraph(
      `The rate starts at ${formatRate(first.learningRate)}, is highest at step ${highest.step} (epoch ${highest.epoch}) with ${formatRate(highest.learningRate)}, and ends at ${formatRate(last.learningRate)}.`,
      width,
    ),
  ]);
}

const NO_STEP = { step: 0, epoch: 1, learningRate: 0, momentum: 0 };

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
  const { spread, pairs, seeds, chance, seedsNeeded, imagesNeeded } = power;
  const sd = (100 * spread.sd).toFixed(1);
  const source =
    pairs > 0
      ? `a spread between seeds of ${sd} points, measured on ${counted(pairs, 'pair')} of runs so far (few pairs measure it roughly)`
      : `an assumed spread between seeds of ${sd} points (no runs of these arms yet; plan again once some have come)`;
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
