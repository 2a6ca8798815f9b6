import type { EpochRecord, StepRecord } from '../../runs/documents.js';
import { wilson } from '../../stats/intervals.js';
import { lineChart } from '../charts/line-chart.js';
import { stepCharts } from '../charts/step-charts.js';
import { joinBlocks, paintLines, pairOfCharts, paragraph } from '../text/layout.js';
import {
  counted,
  formatAccuracy,
  formatDuration,
  formatFraction,
  formatInterval,
  formatRate,
} from '../text/numbers.js';
import { table } from '../text/table.js';

/** The epoch that a run's result names. */
export interface EpochSummary {
  readonly epoch: number;
  readonly validAccuracy: number;
  readonly correct: number;
  readonly total: number;
  readonly validLoss: number;
}

/** What the report needs of train's JSON document, and the run's steps. */
export interface TrainResultView {
  readonly run: string;
  readonly policy: string;
  readonly status: 'completed' | 'interrupted' | 'failed';
  readonly seconds: number;
  readonly config: { readonly lr: number; readonly labelSmoothing?: number };
  readonly epochs: readonly EpochRecord[];
  /** Null where no epoch was finished. */
  readonly best: EpochSummary | null;
  readonly final: EpochSummary | null;
  readonly steps: readonly StepRecord[];
  /** What changed the run's course, each in a sentence. */
  readonly events?: readonly { readonly text: string }[];
}

/** Width in columns and whether escape codes may be used. */
export interface ReportLayout {
  readonly width: number;
  readonly colour: boolean;
}

/** One run as text: losses, accuracy, the applied rate and momentum, the epochs, best and final result. */
export function trainReport(result: TrainResultView, { width, colour }: ReportLayout): string {
  const { policy, epochs, best, final, status, config } = result;
  const rate = `${policy === '1cycle' ? 'maximum rate' : 'rate'} ${formatRate(config.lr)}`;
  const how = status === 'completed' ? 'done' : status;
  const headline = `${policy}, ${rate}, ${counted(epochs.length, 'epoch')}: ${how} in ${formatDuration(result.seconds)}`;
  return joinBlocks([
    `${paintLines(paragraph(headline, width), 'bold', colour)}\n${paragraph(result.run, width)}`,
    epochCharts(result, { width, colour }),
    stepCharts([{ name: policy, steps: result.steps }], width, colour),
    epochs.length === 0 ? 'no epoch was finished' : epochTable(epochs, best, { width, colour }),
    best === null || final === null ? undefined : summary(best, final, { width, colour }),
    ...(result.events ?? []).map(({ text }) => paragraph(`Note: ${text}`, width)),
  ]);
}

function epochCharts({ epochs, best, config }: TrainResultView, { width, colour }: ReportLayout): string {
  const x = epochs.map(({ epoch }) => epoch);
  const smoothed = (config.labelSmoothing ?? 0) > 0 ? 'training (with label smoothing)' : 'training';
  return pairOfCharts(
    width,
    (room) =>
      lineChart({
        series: [
          { name: smoothed, x, values: epochs.map(({ trainLoss }) => trainLoss) },
          { name: 'validation', x, values: epochs.map(({ validLoss }) => validLoss) },
        ],
        ...room,
        colour,
        yLabel: 'loss',
        xLabel: 'epoch',
      }),
    (room) =>
      lineChart({
        series: [
          {
            name: 'validation',
            x,
            values: epochs.map(({ validAccuracy }) => validAccuracy),
            colour: 'magenta',
          },
        ],
        ...room,
        colour,
        yLabel: 'validation accuracy',
        xLabel: 'epoch',
        markers: best === null ? [] : [{ x: best.epoch, name: `best, epoch ${best.epoch}`, colour: 'green' }],
      }),
  );
}

function epochTable(epochs: readonly EpochRecord[], best: EpochSummary | null, layout: ReportLayout): string {
  return table(
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
    layout,
  );
}

function summary(best: EpochSummary, final: EpochSummary, layout: ReportLayout): string {
  const row = (name: string, { epoch, correct, total, validLoss }: EpochSummary): string[] => {
    const { low, high } = wilson(correct, total);
    return [
      name,
      String(epoch),
      formatAccuracy(correct, total),
      formatInterval(low, high),
      formatFraction(validLoss),
    ];
  };
  const lines = table(
    [
      { header: '' },
      { header: 'epoch', align: 'right' },
      { header: 'accuracy', align: 'right' },
      { header: '95% interval', align: 'right' },
      { header: 'valid loss', align: 'right' },
    ],
    [row('best', best), row('final', final)],
    layout,
  );
  const note =
    'The best epoch was picked by these same validation images, so it reads high: quote the final one.';
  return `${lines}\n${paintLines(paragraph(note, layout.width), 'grey', layout.colour)}`;
}
