import type { ExportDocument, PredictionLine } from '../../runs/documents.js';
import { wilson } from '../../stats/intervals.js';
import { joinBlocks, paintLines, paragraph, type ReportLayout } from '../text/layout.js';
import { formatAccuracy, formatCount, formatFraction, formatInterval } from '../text/numbers.js';
import { table, type TableColumn, tableWidth } from '../text/table.js';
import type { Confusion } from '../../stats/classes.js';
import { commonMistakes } from './html/classes.js';

/** What was said about images whose class is known, and what speaks against leaning on it. */
export interface JudgedView {
  readonly counts: Confusion;
  readonly classes: readonly string[];
  /** Images without a known class. */
  readonly unjudged: number;
  /** Judged images that the run was trained on. */
  readonly trainedOn: number;
}

/** One line of the table: an image, and the class of its folder where that is known. */
export type PredictedImage = PredictionLine & { readonly trueClass: string | null };

/** More classes than this and a matrix can no longer be read. */
const LARGEST_MATRIX = 24;
const MISTAKES = 15;

/** The classes of images as a table: one line an image, or as many as there are classes to tell. Marks those that are wrong. */
export function predictionTable(images: readonly PredictedImage[], layout: ReportLayout): string {
  const isWrong = ({ trueClass, predictions }: PredictedImage) =>
    trueClass !== null && predictions[0]?.label !== trueClass;
  const judged = images.some(({ trueClass }) => trueClass !== null);
  const marked = images.some(isWrong);
  const columns: TableColumn[] = [
    { header: 'file', lost: 'start' },
    ...(judged ? [{ header: 'true class' }] : []),
    { header: 'predicted' },
    { header: 'probability', align: 'right' },
    ...(marked ? [{ header: '' }] : []),
  ];
  const rows = images.flatMap((image) =>
    image.predictions.map(({ label, probability }, rank) => [
      rank === 0 ? image.file : '',
      ...(judged ? [rank === 0 ? (image.trueClass ?? '') : ''] : []),
      label,
      formatFraction(probability),
      ...(marked ? [rank === 0 && isWrong(image) ? 'wrong' : ''] : []),
    ]),
  );
  return table(columns, rows, layout, () => predictionList(images, isWrong, layout));
}

/** The same where a table has no room: an image, and below it what it is taken for. */
function predictionList(
  images: readonly PredictedImage[],
  isWrong: (image: PredictedImage) => boolean,
  { width, colour }: ReportLayout,
): string {
  return images
    .map((image) => {
      const { file, trueClass, predictions } = image;
      const told = predictions.map(({ label, probability }, rank) => {
        const wrong = rank === 0 && isWrong(image) ? `, wrong: true class ${trueClass}` : '';
        return paragraph(`${label} ${formatFraction(probability)}${wrong}`, width, '  ');
      });
      return [paintLines(paragraph(file, width), 'bold', colour), ...told].join('\n');
    })
    .join('\n');
}

/** Accuracy and confusion matrix; the most frequent mistakes where the matrix does not fit. */
export function judgedReport(view: JudgedView, layout: ReportLayout): string {
  const { counts, trainedOn, unjudged } = view;
  const total = counts.flat().reduce((sum, count) => sum + count, 0);
  const correct = counts.reduce((sum, row, label) => sum + (row[label] ?? 0), 0);
  const { low, high } = wilson(correct, total);
  const notes = [
    unjudged > 0
      ? `${unjudged} of ${total + unjudged} images lie in no folder that is called as a class: they do not count.`
      : '',
    trainedOn > 0
      ? `The run was trained on ${trainedOn} of ${total === 1 ? 'this 1 image' : `these ${total} images`}, byte for byte: the accuracy flatters.`
      : '',
  ].filter((text) => text !== '');
  return joinBlocks([
    paragraph(
      `accuracy ${formatAccuracy(correct, total)}, 95% interval ${formatInterval(low, high)}`,
      layout.width,
    ),
    ...notes.map((text) => paintLines(paragraph(text, layout.width), 'yellow', layout.colour)),
    confusionTable(view, layout),
  ]);
}

/** With the classes' names over the columns where they fit, else with numbers. */
function confusionTable({ counts, classes }: JudgedView, layout: ReportLayout): string | undefined {
  const numbers = classes.map((_, i) => String(i + 1));
  const numbered = classes.map((name, i) => `${numbers[i]} ${name}`);
  for (const [names, headers] of [
    [classes, classes],
    [numbered, numbers],
  ] as const) {
    const columns: TableColumn[] = [
      { header: 'true \\ predicted' },
      ...headers.map((header): TableColumn => ({ header, align: 'right' })),
    ];
    const rows = counts.map((row, label) => [names[label] ?? '', ...row.map(String)]);
    const fits = classes.length <= LARGEST_MATRIX && tableWidth(columns, rows) <= layout.width;
    if (fits) return table(columns, rows, layout);
  }
  const mistakes = commonMistakes(counts, MISTAKES);
  if (mistakes.length === 0) return undefined;
  return table(
    [{ header: 'true class' }, { header: 'taken for' }, { header: 'times', align: 'right' }],
    mistakes.map(({ label, predicted, count }) => [
      classes[label] ?? '',
      classes[predicted] ?? '',
      String(count),
    ]),
    layout,
  );
}

const USE: Readonly<Record<ExportDocument['format'], (to: string) => string>> = {
  tfjs: (to) =>
    `index.html classifies images in a browser, without a network: open it and choose its folder, or serve the folder with python3 -m http.server --directory ${to} and open http://localhost:8000. Programs load model.json with tf.loadLayersModel.`,
  onnx: () =>
    'The input is «images», [batch, height, width, 3] in [-1, 1], the output «probabilities». preprocessing.json says how an image becomes an input.',
};

/** What was exported, and how it is used. */
export function exportReport({ run, format, to, files }: ExportDocument, layout: ReportLayout): string {
  return joinBlocks([
    paragraph(`${run} was exported to ${to}.`, layout.width),
    table(
      [{ header: 'file' }, { header: 'bytes', align: 'right' }],
      files.map(({ name, bytes }) => [name, formatCount(bytes)]),
      layout,
    ),
    paragraph(USE[format](to), layout.width),
  ]);
}
