import type { BestEpoch, EpochRecord, StepRecord, TrainDocument } from '../../runs/documents.js';
import { areUneven, type ClassScore, isFarAboveGuessing } from '../../stats/classes.js';
import { wilson } from '../../stats/intervals.js';
import type { ChartSeries, ChartSpec } from '../charts/chart.js';
import { chartPair } from '../charts/terminal.js';
import { stepCharts } from '../charts/training.js';
import { joinBlocks, paintLines, paragraph, type ReportLayout } from '../text/layout.js';
import {
  counted,
  formatAccuracy,
  formatCount,
  formatDuration,
  formatFraction,
  formatInterval,
  formatLoss,
  formatRate,
  twoDigits,
} from '../text/numbers.js';
import { fittingTable, table, type TableColumn } from '../text/table.js';

/** One run as text: losses, accuracy, the applied rate and momentum, the epochs, best and final result. */
export function trainReport(
  document: TrainDocument,
  steps: readonly StepRecord[],
  layout: ReportLayout,
): string {
  const { policy, epochs, best, final, status, config, events } = document;
  const { width, colour } = layout;
  const rate = `${policy === '1cycle' ? 'maximum rate' : 'rate'} ${formatRate(config.lr)}${rateOrigin(config)}`;
  const seconds = formatDuration(document.seconds);
  const headline =
    status === 'completed'
      ? `${policy}, ${rate}, ${counted(epochs.length, 'epoch')}: done in ${seconds}`
      : `${policy}, ${rate}: ${status} after ${epochs.length} of ${counted(config.epochs, 'epoch')}, ${seconds}`;
  const schedule = stepCharts([{ name: policy, steps }]);
  const loss = lossWarning(document);
  return joinBlocks([
    `${paintLines(paragraph(headline, width), 'bold', colour)}\n${paragraph(document.run, width)}`,
    chartPair(lossChart(document), accuracyChart(document), layout),
    chartPair(schedule.learningRate, schedule.momentum, layout),
    epochs.length === 0 ? 'no epoch was finished' : table(...epochTable(document), layout),
    best === null || final === null
      ? undefined
      : `${table(...summaryTable(best, final, isJudgedByClass(document)), layout)}\n${paintLines(paragraph(BEST_NOTE, width), 'grey', colour)}`,
    classTable(document, layout),
    document.failure === null
      ? undefined
      : paintLines(paragraph(document.failure.message, width, '! '), 'red', colour),
    loss === null ? undefined : paintLines(paragraph(loss, width, '! '), 'yellow', colour),
    ...events.map(({ text }) => paragraph(`Note: ${text}`, width)),
  ]);
}

/** What a last loss far above that of guessing means; null where it is not, or where the run says itself how it failed. */
export function lossWarning({ epochs, dataset, status }: TrainDocument): string | null {
  const [last, classes] = [epochs.at(-1), dataset.classes.length];
  if (status === 'failed' || last === undefined || !isFarAboveGuessing(last, classes)) return null;
  return (
    `The last epoch has a training loss of ${formatLoss(last.trainLoss)} and a validation loss of ${formatLoss(last.validLoss)}; ` +
    `guessing among ${classes} classes gives ${twoDigits(Math.log(classes))}. The run diverged, or is sure of wrong answers. ` +
    'Lower --lr, or let find-lr choose it.'
  );
}

/** Behind a rate the range test that it was taken from, if it was. */
export function rateOrigin({ lrFrom }: TrainDocument['config']): string {
  return lrFrom === undefined ? '' : ` from the range test ${lrFrom}`;
}

/** Training and validation loss, epoch by epoch. */
export function lossChart({ epochs, config }: TrainDocument): ChartSpec {
  const unlike = [
    ...(config.labelSmoothing > 0 ? ['with label smoothing'] : []),
    ...(config.classWeights === 'balanced' ? ['weighted by class'] : []),
  ];
  const training = unlike.length === 0 ? 'training' : `training (${unlike.join(', ')})`;
  return {
    title: 'loss',
    x: { label: 'epoch', scale: 'linear' },
    rows: 10,
    series: [
      curve(epochs, training, ({ trainLoss }) => trainLoss),
      curve(epochs, 'validation', ({ validLoss }) => validLoss),
    ],
  };
}

/** Validation accuracy, epoch by epoch, with the best one. */
export function accuracyChart({ epochs, best }: TrainDocument): ChartSpec {
  return {
    title: 'validation accuracy',
    x: { label: 'epoch', scale: 'linear' },
    rows: 10,
    series: [{ ...curve(epochs, 'validation', ({ validAccuracy }) => validAccuracy), colour: 'magenta' }],
    verticals:
      best === null ? [] : [{ x: best.epoch, name: `best, epoch ${best.epoch}`, colour: 'green' as const }],
  };
}

function curve(
  epochs: readonly EpochRecord[],
  name: string,
  value: (epoch: EpochRecord) => number,
): ChartSeries {
  return { name, points: epochs.map((epoch) => ({ x: epoch.epoch, y: value(epoch) })) };
}

/** Whether a share of all validation images says too little about the small classes. */
export function isJudgedByClass({ dataset }: TrainDocument): boolean {
  return areUneven(dataset.counts.map(({ valid }) => valid));
}

/** More classes than this fill a screen: those that are recognised least are shown. */
const MOST_CLASSES = 12;

/** Recall, precision and F1 of each class, where training or validation classes are uneven. */
function classTable(document: TrainDocument, layout: ReportLayout): string | undefined {
  const { perClass, dataset } = document;
  const uneven = isJudgedByClass(document) || areUneven(dataset.counts.map(({ train }) => train));
  if (!uneven || perClass === null || perClass === undefined) return undefined;
  const trained = new Map(dataset.counts.map((count) => [count.class, count.train]));
  const rows = leastRecognised(perClass, MOST_CLASSES).map((score) => [
    score.class,
    formatCount(trained.get(score.class) ?? null),
    formatCount(score.images),
    ...[score.recall, score.precision, score.f1].map((share) => formatFraction(share)),
  ]);
  const headers = ['trained on', 'judged on', 'recall', 'precision', 'F1'];
  const columns = [
    { header: 'class' },
    ...headers.map((header): TableColumn => ({ header, align: 'right' })),
  ];
  const left = perClass.length - rows.length;
  const note =
    left > 0
      ? `The ${MOST_CLASSES} classes with the lowest recall; ${left} more are on the page that --report writes.`
      : 'Class by class, after the last epoch.';
  return `${fittingTable(columns, rows, layout)}\n${paintLines(paragraph(note, layout.width), 'grey', layout.colour)}`;
}

/** All classes in their order where they are no more than `most`, else those of the lowest recall, the lowest first. */
export function leastRecognised<Score extends Pick<ClassScore, 'recall'>>(
  scores: readonly Score[],
  most: number,
): readonly Score[] {
  if (scores.length <= most) return scores;
  return scores.toSorted((a, b) => (a.recall ?? 1) - (b.recall ?? 1)).slice(0, most);
}

/** A row for each epoch. */
export function epochTable(document: TrainDocument): [TableColumn[], string[][]] {
  const { epochs, best } = document;
  const byClass = isJudgedByClass(document);
  return [
    [
      { header: 'epoch', align: 'right' },
      { header: 'train loss', align: 'right' },
      { header: 'valid loss', align: 'right' },
      { header: 'valid accuracy', align: 'right' },
      ...(byClass ? [{ header: 'balanced', align: 'right' } as const] : []),
      { header: 'time', align: 'right' },
      { header: '' },
    ],
    epochs.map((record) => [
      String(record.epoch),
      formatLoss(record.trainLoss),
      formatLoss(record.validLoss),
      formatAccuracy(record.correct, record.total),
      ...(byClass ? [formatFraction(record.balancedAccuracy)] : []),
      formatDuration(record.seconds),
      record.epoch === best?.epoch ? 'best' : '',
    ]),
  ];
}

/**
 * The best and the final epoch with an interval over images.
 * @param byClass whether balanced accuracy and macro F1 stand beside the accuracy
 */
export function summaryTable(
  best: BestEpoch,
  final: BestEpoch,
  byClass: boolean,
): [TableColumn[], string[][]] {
  const row = (name: string, epochOf: BestEpoch): string[] => {
    const { epoch, correct, total, validLoss, balancedAccuracy, macroF1 } = epochOf;
    // A record from elsewhere may say anything.
    const counts = Number.isInteger(correct) && Number.isInteger(total) && correct >= 0 && correct <= total;
    const { low, high } = counts ? wilson(correct, total) : { low: null, high: null };
    return [
      name,
      String(epoch),
      formatAccuracy(correct, total),
      formatInterval(low, high),
      ...(byClass ? [formatFraction(balancedAccuracy), formatFraction(macroF1)] : []),
      formatLoss(validLoss),
    ];
  };
  return [
    [
      { header: '' },
      { header: 'epoch', align: 'right' },
      { header: 'accuracy', align: 'right' },
      { header: '95% interval', align: 'right' },
      ...(byClass
        ? (['balanced', 'macro F1'].map((header) => ({ header, align: 'right' })) as TableColumn[])
        : []),
      { header: 'valid loss', align: 'right' },
    ],
    [row('best', best), row('final', final)],
  ];
}

/** Why the final accuracy is the one to quote. */
export const BEST_NOTE =
  'The best epoch was picked on these same validation images, so its accuracy is too high: quote the final one.';
