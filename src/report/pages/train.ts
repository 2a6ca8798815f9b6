import type { BestEpoch, EpochRecord, StepRecord, TrainDocument } from '../../runs/documents.js';
import { wilson } from '../../stats/intervals.js';
import type { ChartSeries, ChartSpec } from '../charts/chart.js';
import { chartPair } from '../charts/terminal.js';
import { stepCharts } from '../charts/training.js';
import { joinBlocks, paintLines, paragraph, type ReportLayout } from '../text/layout.js';
import {
  counted,
  formatAccuracy,
  formatDuration,
  formatFraction,
  formatInterval,
  formatRate,
} from '../text/numbers.js';
import { table, type TableColumn } from '../text/table.js';

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
  return joinBlocks([
    `${paintLines(paragraph(headline, width), 'bold', colour)}\n${paragraph(document.run, width)}`,
    chartPair(lossChart(document), accuracyChart(document), layout),
    chartPair(schedule.learningRate, schedule.momentum, layout),
    epochs.length === 0 ? 'no epoch was finished' : table(...epochTable(document), layout),
    best === null || final === null
      ? undefined
      : `${table(...summaryTable(best, final), layout)}\n${paintLines(paragraph(BEST_NOTE, width), 'grey', colour)}`,
    ...events.map(({ text }) => paragraph(`Note: ${text}`, width)),
  ]);
}

/** Behind a rate the range test that it was taken from, if it was. */
export function rateOrigin({ lrFrom }: TrainDocument['config']): string {
  return lrFrom === undefined ? '' : ` from the range test ${lrFrom}`;
}

/** Training and validation loss, epoch by epoch. */
export function lossChart({ epochs, config }: TrainDocument): ChartSpec {
  const training = config.labelSmoothing > 0 ? 'training (with label smoothing)' : 'training';
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

/** A row for each epoch. */
export function epochTable({ epochs, best }: TrainDocument): [TableColumn[], string[][]] {
  return [
    [
      { header: 'epoch', align: 'right' },
      { header: 'train loss', align: 'right' },
      { header: 'valid loss', align: 'right' },
      { header: 'valid accuracy', align: 'right' },
      { header: 'time', align: 'right' },
      { header: '' },
    ],
    epochs.map((record) => [
      String(record.epoch),
      formatFraction(record.trainLoss),
      formatFraction(record.validLoss),
      formatAccuracy(record.correct, record.total),
      formatDuration(record.seconds),
      record.epoch === best?.epoch ? 'best' : '',
    ]),
  ];
}

/** The best and the final epoch with an interval over images. */
export function summaryTable(best: BestEpoch, final: BestEpoch): [TableColumn[], string[][]] {
  const row = (name: string, { epoch, correct, total, validLoss }: BestEpoch): string[] => {
    // A record from elsewhere may say anything.
    const counts = Number.isInteger(correct) && Number.isInteger(total) && correct >= 0 && correct <= total;
    const { low, high } = counts ? wilson(correct, total) : { low: null, high: null };
    return [
      name,
      String(epoch),
      formatAccuracy(correct, total),
      formatInterval(low, high),
      formatFraction(validLoss),
    ];
  };
  return [
    [
      { header: '' },
      { header: 'epoch', align: 'right' },
      { header: 'accuracy', align: 'right' },
      { header: '95% interval', align: 'right' },
      { header: 'valid loss', align: 'right' },
    ],
    [row('best', best), row('final', final)],
  ];
}

/** Why the final accuracy is the one to quote. */
export const BEST_NOTE =
  'The best epoch was picked on these same validation images, so its accuracy is too high: quote the final one.';
