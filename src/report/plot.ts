import { Canvas } from './canvas.js';
import { paint } from './colour.js';
import { legendLines, type LegendItem } from './legend.js';
import {
  COINCIDENT,
  drawBand,
  drawGlyphs,
  drawLines,
  drawVertical,
  type PlotBand,
  type PlotGlyph,
  type PlotLine,
  type PlotVertical,
} from './plot-layers.js';
import { displayWidth, printable, truncate } from './text-width.js';
import { xAxis, type Tick, type XRange } from './x-axis.js';
import { yAxis } from './y-axis.js';

/** Everything a text chart shows. Layers lie over each other in this order. */
export interface PlotSpec {
  readonly title?: string | undefined;
  /** Columns that no line of the chart exceeds. */
  readonly width: number;
  /** Rows that the area has at most; fewer where round labels ask for it. */
  readonly height: number;
  /** Makes up the rows up to `height` above the curves, so that charts side by side stand on one line. */
  readonly fill?: boolean | undefined;
  readonly colour: boolean;
  readonly x: XRange;
  readonly xLabel?: string | undefined;
  readonly y: { readonly low: number; readonly high: number };
  readonly bands?: readonly PlotBand[];
  readonly dots?: readonly PlotGlyph[];
  readonly lines: readonly PlotLine[];
  readonly verticals?: readonly PlotVertical[];
  readonly letters?: readonly PlotGlyph[];
  readonly legend?: readonly LegendItem[];
}

/** Draws a chart as text: title, area with labelled axes, legend. */
export function drawPlot(spec: PlotSpec): string {
  const y = yAxis(spec.y.low, spec.y.high, spec.height);
  const xLabel = printable(spec.xLabel ?? '');
  // A short label of the x axis stands under the y labels, a long one on a line of its own.
  const labelWidth = Math.max(...y.labels.map(displayWidth), 3);
  const gutter = xLabel.length <= 5 ? Math.max(labelWidth, xLabel.length) : labelWidth;
  const left = gutter + 2;
  const columns = Math.max(1, spec.width - left);
  const x = xAxis(spec.x, columns);
  const rows = spec.fill === true ? Math.max(y.rows, spec.height) : y.rows;
  const canvas = new Canvas(spec.width, rows + 2);
  const area = { canvas, left, columns, rows, column: x.column, row: y.row };

  for (const band of spec.bands ?? []) drawBand(area, band);
  drawGlyphs(area, spec.dots ?? []);
  const coincident = drawLines(area, spec.lines);
  for (const vertical of spec.verticals ?? []) drawVertical(area, vertical);
  drawGlyphs(area, spec.letters ?? []);
  for (let row = 0; row < rows; row++) {
    const label = y.labels[row] ?? '';
    canvas.write(gutter - label.length, rows - 1 - row, label);
    canvas.put(gutter + 1, rows - 1 - row, label === '' ? '│' : '┤');
  }
  canvas.write(gutter + 1, rows, `└${'─'.repeat(columns)}`);
  for (const { x: at } of x.ticks) canvas.put(left + Math.round(x.column(at)), rows, '┬');
  const short = xLabel.length <= gutter;
  if (short) canvas.write(gutter - xLabel.length, rows + 1, xLabel);
  writeTickLabels(canvas, x.ticks, (at) => left + Math.round(x.column(at)), rows + 1, short ? gutter + 1 : 0);

  const title = truncate(printable(spec.title ?? ''), spec.width);
  const centred = ' '.repeat(Math.max(0, left + Math.floor((columns - displayWidth(xLabel)) / 2)));
  const shared = coincident ? [{ sample: COINCIDENT, text: 'several at one place' }] : [];
  return [
    ...(title === '' ? [] : [paint(title, 'bold', spec.colour)]),
    ...canvas.lines(spec.colour),
    ...(short ? [] : [truncate(centred + xLabel, spec.width)]),
    ...legendLines([...(spec.legend ?? []), ...shared], spec.width, spec.colour),
  ].join('\n');
}

/** Writes each n-th label under its tick, with the smallest n at which none touches the next. */
function writeTickLabels(
  canvas: Canvas,
  ticks: readonly Tick[],
  place: (x: number) => number,
  row: number,
  from: number,
): void {
  const spans = ticks.map(({ x, label }) => {
    const centred = place(x) - Math.floor((label.length - 1) / 2);
    return { start: Math.max(from, Math.min(centred, canvas.columns - label.length)), label };
  });
  for (let stride = 1; stride <= spans.length; stride++) {
    const kept = spans.filter((_, index) => index % stride === 0);
    const apart = kept.every(({ start }, index) => {
      const before = kept[index - 1];
      return before === undefined || before.start + before.label.length < start;
    });
    if (!apart) continue;
    for (const { start, label } of kept) canvas.write(start, row, label);
    return;
  }
}
