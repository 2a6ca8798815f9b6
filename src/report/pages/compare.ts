import type { RateSource } from '../../config/run-config.js';
import type { ArmDifference, ArmRate, CompareDocument, ComparedArm, Metric } from '../../runs/documents.js';
import { areUneven } from '../../stats/classes.js';
import type { TimesSummary } from '../../stats/times.js';
import { chartPair, textChart } from '../charts/terminal.js';
import { type ArmCurves, armSteps, epochCharts, rateChart, stepCharts } from '../charts/training.js';
import { joinBlocks, paintLines, paragraph, type ReportLayout } from '../text/layout.js';
import {
  counted,
  formatAccuracy,
  formatCount,
  formatDuration,
  formatFraction,
  formatInterval,
  formatLoss,
  formatMeanSd,
  formatPoints,
  formatPValue,
  formatRates,
  formatShares,
  pointDecimals,
} from '../text/numbers.js';
import { fittingTable, table, type TableColumn, tableWidth } from '../text/table.js';
import {
  classCounts,
  differencesNote,
  failures,
  superConvergenceText,
  timesNote,
  unevenNote,
} from '../words/compare.js';
import { leastRecognised } from './train.js';

/** A comparison as text: curves of the arms, tables, what differs by how much, and last the verdict. */
export function compareReport(
  document: CompareDocument,
  curves: readonly ArmCurves[],
  layout: ReportLayout,
): string {
  const { width, colour } = layout;
  const epochs = epochCharts(curves, document.config.metric);
  const schedules = stepCharts(armSteps(curves));
  return joinBlocks([
    paintLines(paragraph(headline(document, curves), width), 'bold', colour),
    chartPair(epochs.accuracy, epochs.loss, layout),
    chartPair(schedules.learningRate, schedules.momentum, layout),
    armTable(document, curves, layout),
    ratesBlock(document, layout),
    runTable(document, layout),
    classTable(document, layout),
    document.differences.length === 0 ? undefined : differences(document, layout),
    paragraph(superConvergenceText(document), width),
    paintLines(paragraph(timesNote(document), width), 'grey', colour),
    failures(document)
      .map((text) => paintLines(paragraph(text, width, '! '), 'red', colour))
      .join('\n'),
    document.warnings.map((text) => paintLines(paragraph(text, width, '! '), 'yellow', colour)).join('\n'),
    paintLines(paragraph(document.verdict.sentence, width), 'bold', colour),
    paragraph(unevenNote(document), width),
  ]);
}

function headline({ arms }: CompareDocument, curves: readonly ArmCurves[]): string {
  const seeds = arms.map(({ runs }) => runs.length);
  const epochs = Math.max(0, ...curves.flatMap(({ runs }) => runs.map((run) => run.epochs.length)));
  const [fewest, most] = [Math.min(...seeds), Math.max(...seeds)];
  const seedText = fewest === most ? counted(most, 'seed') : `${fewest} to ${counted(most, 'seed')}`;
  return `${arms.map(({ policy }) => policy).join(' against ')}: ${seedText} each, ${counted(epochs, 'epoch')}`;
}

/** The table, and under it the method where one is common to all rows. */
function differences(document: CompareDocument, layout: ReportLayout): string {
  const methods = new Set(document.differences.map(({ method }) => method));
  const lines = differenceTable(document.differences, methods.size > 1, layout);
  return `${lines}\n${paintLines(paragraph(differencesNote(document), layout.width), 'grey', layout.colour)}`;
}

function armTable(document: CompareDocument, curves: readonly ArmCurves[], layout: ReportLayout): string {
  const facts = armFacts(document);
  return fittingTable(
    [{ header: 'arm' }, ...facts.map(([header]) => right(header))],
    document.arms.map((arm, index) => [arm.policy, ...facts.map(([, text]) => text(arm, curves[index]))]),
    layout,
  );
}

/** A row of the arms' table: its heading, and its text for an arm. */
export type ArmFact = readonly [string, (arm: ComparedArm, curve: ArmCurves | undefined) => string];

/** The facts of the arms' table, those about the target only where there is one. */
export function armFacts(
  { arms, superConvergence, config, dataset }: CompareDocument,
  byClass = isUneven(dataset),
): readonly ArmFact[] {
  const balanced = config.metric === 'balanced-accuracy';
  const judged = (arm: ComparedArm | undefined) => (balanced ? arm?.balancedAccuracy : arm?.finalAccuracy);
  const target = formatFraction(superConvergence?.target ?? config.target ?? judged(arms[0])?.mean);
  const accuracy: ArmFact = ['final accuracy', ({ finalAccuracy: { mean, sd } }) => formatMeanSd(mean, sd)];
  const recalls: ArmFact = [
    'balanced accuracy',
    ({ balancedAccuracy: { mean, sd } }) => formatMeanSd(mean, sd),
  ];
  const f1: ArmFact = ['macro F1', ({ macroF1: { mean, sd } }) => formatMeanSd(mean, sd)];
  const interval: ArmFact = ['95% interval', (arm) => formatInterval(judged(arm)?.low, judged(arm)?.high)];
  const facts: readonly ArmFact[] = [
    ['seeds', ({ runs, failed }) => seedCount(runs.length, failed.length)],
    ['learning rate', ({ rates }) => rateText(rates)],
    ...(balanced ? [recalls, interval, accuracy, f1] : [accuracy, interval]),
    ...(!balanced && byClass ? [recalls, f1] : []),
    ['best accuracy', ({ bestAccuracy: { mean, sd } }) => formatMeanSd(mean, sd)],
    ['valid loss', ({ validLoss: { mean, sd } }) => formatMeanSd(mean, sd, formatLoss)],
    ['time per run', (_, curve) => formatDuration(secondsPerRun(curve))],
    [`steps to ${target}`, ({ stepsToTarget }) => timesText(stepsToTarget, formatCount)],
    [`time to ${target}`, ({ secondsToTarget }) => timesText(secondsToTarget, formatDuration)],
  ];
  return arms.some(({ stepsToTarget }) => stepsToTarget !== null) ? facts : facts.slice(0, -2);
}

/** Whether a share of all validation images says too little about the small classes. */
function isUneven(dataset: CompareDocument['dataset'], part: 'train' | 'valid' = 'valid'): boolean {
  return areUneven(classCounts(dataset, part).map(({ images }) => images));
}

/** More classes than this fill a screen: those that are recognised least are shown. */
const MOST_CLASSES = 12;

/** The recall of each class by arm, where training or validation classes are uneven. */
function classTable({ arms, dataset }: CompareDocument, layout: ReportLayout): string | undefined {
  const scores = arms.map(({ perClass }) => perClass).filter((own) => own !== null);
  const [first] = scores;
  if (
    !(isUneven(dataset) || isUneven(dataset, 'train')) ||
    first === undefined ||
    scores.length < arms.length
  ) {
    return undefined;
  }
  const shown = leastRecognised(first, MOST_CLASSES);
  const rows = shown.map((score) => {
    const label = first.indexOf(score);
    return [
      score.class,
      formatCount(score.images),
      ...scores.map((own) => formatFraction(own[label]?.recall)),
    ];
  });
  const columns = [{ header: 'recall' }, right('judged on'), ...arms.map(({ policy }) => right(policy))];
  const note =
    shown.length < first.length
      ? `The ${MOST_CLASSES} classes that the first arm recognises least, of ${first.length}; all seeds together.`
      : 'Share of each class that was recognised after the last epoch, all seeds together.';
  return `${fittingTable(columns, rows, layout)}\n${paintLines(paragraph(note, layout.width), 'grey', layout.colour)}`;
}

/**
 * Every run with its counts, arm by arm under the arm's name where names are too long for a column; the reasons of failed
 * ones are listed below the tables.
 */
function runTable({ arms, config, dataset }: CompareDocument, layout: ReportLayout): string {
  const byClass = config.metric === 'balanced-accuracy' || isUneven(dataset);
  const columns = [
    right('seed'),
    right('final'),
    ...(byClass ? [right('balanced')] : []),
    { header: 'best', whole: true },
  ];
  const byArm = arms.map(({ policy, runs, failed }) => ({
    policy,
    rows: [
      ...runs.map(({ seed, final, best }) => [
        String(seed),
        formatAccuracy(final.correct, final.total),
        ...(byClass ? [formatFraction(final.balancedAccuracy)] : []),
        `${formatAccuracy(best.correct, best.total)} in epoch ${best.epoch}`,
      ]),
      ...failed.map(({ seed }) => [String(seed), 'failed', ...(byClass ? [''] : []), '']),
    ],
  }));
  const named = [{ header: 'arm' }, ...columns];
  const rows = byArm.flatMap((arm) => arm.rows.map((cells) => [arm.policy, ...cells]));
  if (tableWidth(named, rows) <= layout.width) return table(named, rows, layout);
  return joinBlocks(
    byArm.map((arm) => {
      const heading = paintLines(paragraph(arm.policy, layout.width), 'bold', layout.colour);
      return `${heading}\n${table(columns, arm.rows, layout)}`;
    }),
  );
}

/** Differences of the arms in percentage points, paired by seed. */
function differenceTable(
  differences: readonly ArmDifference[],
  withMethod: boolean,
  layout: ReportLayout,
): string {
  const adjusted = differences.some(({ pValue, adjustedPValue }) => pValue !== adjustedPValue);
  const columns: TableColumn[] = [
    { header: 'difference' },
    right('points'),
    right('95% interval'),
    right('variance'),
    right('p'),
    ...(adjusted ? [right('adjusted p')] : []),
    ...(withMethod ? [{ header: 'method' }] : []),
  ];
  const rows = differences.map(
    ({ arm, baseline, mean, low, high, varianceShares, pValue, adjustedPValue, method }) => [
      `${arm} - ${baseline}`,
      formatPoints(mean, pointDecimals(mean, low, high)),
      formatInterval(low, high, (bound) => formatPoints(bound, pointDecimals(mean, low, high))),
      formatShares(varianceShares),
      formatPValue(pValue),
      ...(adjusted ? [formatPValue(adjustedPValue)] : []),
      ...(withMethod ? [method] : []),
    ],
  );
  return fittingTable(columns, rows, layout);
}

/** The rate, or the range of those that seeds are compared at, and where the arm's own is from. */
function rateText(rates: readonly ArmRate[]): string {
  const chosen = rates.filter((rate) => rate.chosen > 0);
  const range = formatRates(chosen[0]?.learningRate, highestOf(chosen.at(-1)));
  return `${range} (${rates.length > 1 ? `chosen of ${rates.length}` : sourceText(rates[0]?.source ?? null)})`;
}

function highestOf(rate: ArmRate | undefined): number | null {
  return rate?.highestRate ?? rate?.learningRate ?? null;
}

/** Where a rate is from, in words. */
export function sourceText(source: ArmRate['source']): string {
  return source === null ? 'origin mixed or not recorded' : SOURCES[source];
}

const SOURCES: Readonly<Record<RateSource, string>> = {
  'range-test': 'range test',
  stated: 'stated',
  'built-in': 'built in',
  'built-in-elsewhere': 'built in, for other data',
};

/** Every rate of every arm where arms were trained at several, as a chart and a table. */
function ratesBlock({ arms, config }: CompareDocument, layout: ReportLayout): string | undefined {
  const chart = rateChart(arms, config.metric);
  if (chart === null) return undefined;
  return joinBlocks([
    textChart(chart, layout),
    fittingTable(rateColumns(config.metric), rateRows(arms, config.metric), layout),
    paintLines(paragraph(RATES_NOTE, layout.width), 'grey', layout.colour),
  ]);
}

/** What the chart and the table of rates mean. */
export const RATES_NOTE =
  "Rates: every run at them counts here. Elsewhere a seed counts at the rate nearest to the arm's own that is no more than one standard error worse than the best mean over the other seeds, so that no run helps to choose where it is judged.";

export function rateColumns(metric: Metric): readonly TableColumn[] {
  return [
    { header: 'arm' },
    right('learning rate'),
    { header: 'from' },
    right(metric === 'accuracy' ? 'final accuracy' : 'balanced accuracy'),
    right('runs'),
    right('chosen by'),
  ];
}

/** A row for every rate of every arm. */
export function rateRows(arms: readonly ComparedArm[], metric: Metric): string[][] {
  return arms.flatMap(({ policy, rates }) =>
    rates.map((rate) => {
      const { learningRate, factor, runs, failed, chosen, source, ...scores } = rate;
      const { mean, sd } = metric === 'accuracy' ? scores.finalAccuracy : scores.balancedAccuracy;
      return [
        policy,
        formatRates(learningRate, highestOf(rate)),
        factor === 1 ? sourceText(source) : `${sourceText(source)}, × ${factor}`,
        formatMeanSd(mean, sd),
        seedCount(runs, failed),
        counted(chosen, 'seed'),
      ];
    }),
  );
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

/** Median and range, since times are skewed and few: a mean ± deviation may reach below 0. Else how many reached the target. */
function timesText(times: TimesSummary | null, format: (value: number | null) => string): string {
  if (times === null) return formatFraction(null);
  const { median, fastest, slowest, reached, n } = times;
  if (reached === 0) return 'never';
  if (slowest !== null) {
    const [middle, from, to] = [median, fastest, slowest].map(format);
    return from === to ? `${middle}` : `${middle} (${from}–${to})`;
  }
  return `${median === null ? '' : `median ${format(median)}, `}reached by ${reached} of ${n}`;
}
