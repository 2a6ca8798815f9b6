import { seedCurve } from '../charts/compare-charts.js';
import { lineChart } from '../charts/line-chart.js';
import { stepCharts } from '../charts/step-charts.js';
import type { ArmCurves, ArmView, CompareView, DifferenceView, TimesView } from '../compare-view.js';
import { type ChartRoom, joinBlocks, paintLines, pairOfCharts, paragraph } from '../text/layout.js';
import {
  counted,
  formatAccuracy,
  formatCount,
  formatDuration,
  formatFraction,
  formatInterval,
  formatMeanSd,
  formatPoints,
  formatPValue,
} from '../text/numbers.js';
import { table, type TableColumn, tableWidth } from '../text/table.js';
import { differencesNote, failures, superConvergenceText, timesNote } from '../words/compare.js';
import type { ReportLayout } from './train.js';

/** A comparison as text: curves of the arms, tables, what differs by how much, and last the verdict. */
export function compareReport(view: CompareView, layout: ReportLayout): string {
  const { width, colour } = layout;
  return joinBlocks([
    paintLines(paragraph(headline(view), width), 'bold', colour),
    epochCharts(view, layout),
    // The schedule is the same for every seed of an arm: one run shows it.
    stepCharts(
      view.curves.map(({ policy, runs }) => ({ name: policy, steps: runs[0]?.steps ?? [] })),
      width,
      colour,
    ),
    armTable(view, layout),
    runTable(view, layout),
    view.differences.length === 0 ? undefined : differences(view, layout),
    paragraph(superConvergenceText(view), width),
    paintLines(paragraph(timesNote(view), width), 'grey', colour),
    failures(view)
      .map((text) => paintLines(paragraph(text, width, '! '), 'red', colour))
      .join('\n'),
    view.warnings.map((warning) => paintLines(paragraph(warning, width, '! '), 'yellow', colour)).join('\n'),
    paintLines(paragraph(view.verdict.sentence, width), 'bold', colour),
  ]);
}

function headline({ arms, curves }: CompareView): string {
  const seeds = arms.map(({ runs }) => runs.length);
  const epochs = Math.max(0, ...curves.flatMap(({ runs }) => runs.map((run) => run.epochs.length)));
  const [fewest, most] = [Math.min(...seeds), Math.max(...seeds)];
  const seedText = fewest === most ? counted(most, 'seed') : `${fewest} to ${counted(most, 'seed')}`;
  return `${arms.map(({ policy }) => policy).join(' against ')}: ${seedText} each, ${counted(epochs, 'epoch')}`;
}

/** The table, and under it the method where one is common to all rows. */
function differences(view: CompareView, layout: ReportLayout): string {
  const methods = new Set(view.differences.map(({ method }) => method));
  const lines = differenceTable(view.differences, methods.size > 1, layout);
  return `${lines}\n${paintLines(paragraph(differencesNote(view), layout.width), 'grey', layout.colour)}`;
}

function epochCharts({ curves }: CompareView, { width, colour }: ReportLayout): string {
  // More than two bands over each other hide more than they show.
  const seeds = Math.max(0, ...curves.map(({ runs }) => runs.length));
  const chart = (yLabel: string, value: Parameters<typeof seedCurve>[1]) => (room: ChartRoom) =>
    lineChart({
      series: curves.map((arm) => seedCurve(arm, value, curves.length <= 2)),
      ...room,
      height: 12,
      colour,
      yLabel: seeds > 1 ? `${yLabel}, mean of the seeds` : yLabel,
      xLabel: 'epoch',
      bandLabel: 'lowest to highest seed',
    });
  return pairOfCharts(
    width,
    chart('validation accuracy', ({ validAccuracy }) => validAccuracy),
    chart('validation loss', ({ validLoss }) => validLoss),
  );
}

/** The arms side by side: a row each where the width allows it, else a column each. */
export function armTable(view: CompareView, layout: ReportLayout): string {
  const { arms, curves } = view;
  const shown = armFacts(view);
  const columns: TableColumn[] = [{ header: 'arm' }, ...shown.map(([header]) => right(header))];
  const rows = arms.map((arm, index) => [arm.policy, ...shown.map(([, text]) => text(arm, curves[index]))]);
  if (tableWidth(columns, rows) <= layout.width) return table(columns, rows, layout);
  return table(
    [{ header: '' }, ...arms.map(({ policy }) => right(policy))],
    shown.map(([header, text]) => [header, ...arms.map((arm, index) => text(arm, curves[index]))]),
    layout,
  );
}

/** What is told of each arm: a heading, and its text for an arm. */
export type ArmFact = readonly [string, (arm: ArmView, curve: ArmCurves | undefined) => string];

/** A bound of an accuracy as far as there are any: the t interval of two or three seeds may go on beyond. */
function fraction(bound: number | null): number | null {
  return bound === null ? null : Math.min(1, Math.max(0, bound));
}

/** The facts of the arms' table, those about the target only where there is one. */
export function armFacts({ arms, superConvergence, config }: CompareView): readonly ArmFact[] {
  const target = formatFraction(superConvergence?.target ?? config.target ?? arms[0]?.finalAccuracy.mean);
  const facts: readonly ArmFact[] = [
    ['seeds', ({ runs, failed }) => seedCount(runs.length, failed.length)],
    ['final accuracy', ({ finalAccuracy: { mean, sd } }) => formatMeanSd(mean, sd)],
    ['95% interval', ({ finalAccuracy: { low, high } }) => formatInterval(fraction(low), fraction(high))],
    ['best accuracy', ({ bestAccuracy: { mean, sd } }) => formatMeanSd(mean, sd)],
    ['valid loss', ({ validLoss: { mean, sd } }) => formatMeanSd(mean, sd)],
    ['time per run', (_, curve) => formatDuration(secondsPerRun(curve))],
    [`steps to ${target}`, ({ stepsToTarget }) => timesText(stepsToTarget, formatCount)],
    [`time to ${target}`, ({ secondsToTarget }) => timesText(secondsToTarget, formatDuration)],
  ];
  return arms.some(({ stepsToTarget }) => stepsToTarget !== null) ? facts : facts.slice(0, -2);
}

/** Every run with its counts; why a run failed is told elsewhere, at length. */
export function runTable({ arms }: CompareView, layout: ReportLayout): string {
  const rows = arms.flatMap(({ policy, runs, failed }) => [
    ...runs.map(({ seed, final, best }) => ({
      seed,
      cells: [
        policy,
        String(seed),
        formatAccuracy(final.correct, final.total),
        `${formatAccuracy(best.correct, best.total)} in epoch ${best.epoch}`,
      ],
    })),
    ...failed.map(({ seed }) => ({ seed, cells: [policy, String(seed), 'failed', ''] })),
  ]);
  return table(
    [{ header: 'arm' }, right('seed'), right('final'), { header: 'best' }],
    rows.map(({ cells }) => cells),
    layout,
  );
}

/** Differences of the arms in percentage points of final accuracy, paired by seed. */
export function differenceTable(
  differences: readonly DifferenceView[],
  withMethod: boolean,
  layout: ReportLayout,
): string {
  const images = differences.some(({ overImages }) => overImages !== null && overImages !== undefined);
  const adjusted = differences.some(({ pValue, adjustedPValue }) => pValue !== adjustedPValue);
  const columns: TableColumn[] = [
    { header: 'difference' },
    right('points'),
    right('95% over seeds'),
    ...(images ? [right('over images')] : []),
    right('p'),
    ...(adjusted ? [right('adjusted p')] : []),
    ...(withMethod ? [{ header: 'method' }] : []),
  ];
  const rows = differences.map(
    ({ arm, baseline, mean, low, high, overImages, pValue, adjustedPValue, method }) => [
      `${arm} - ${baseline}`,
      formatPoints(mean),
      formatInterval(low, high, formatPoints),
      ...(images ? [formatInterval(overImages?.low, overImages?.high, formatPoints)] : []),
      formatPValue(pValue),
      ...(adjusted ? [formatPValue(adjustedPValue)] : []),
      ...(withMethod ? [method] : []),
    ],
  );
  return table(columns, rows, layout);
}

function right(header: string): TableColumn {
  return { header, align: 'right' };
}

function seedCount(finished: number, failed: number): string {
  return failed === 0 ? String(finished) : `${finished} (${failed} failed)`;
}

function secondsPerRun(curve: ArmCurves | undefined): number | null {
  if (curve === undefined || curve.runs.length === 0) return null;
  const seconds = curve.runs.flatMap(({ epochs }) => epochs).reduce((sum, epoch) => sum + epoch.seconds, 0);
  return seconds / curve.runs.length;
}

/** Mean and deviation where every run arrived, else how many did, and the median where it is known. */
function timesText(times: TimesView | null, format: (value: number | null) => string): string {
  if (times === null) return formatFraction(null);
  const { mean, sd, median, reached, n } = times;
  if (mean !== null) return formatMeanSd(mean, sd, (value) => format(value ?? null));
  if (reached === 0) return 'never';
  return `${median === null ? '' : `median ${format(median)}, `}reached by ${reached} of ${n}`;
}
