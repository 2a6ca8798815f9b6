import asciichart from 'asciichart';
import { type Colour, paint } from '../text/colour.js';
import { displayWidth, printable, truncate } from '../text/width.js';
import { type Tick, xAxis, type XRange, yAxis } from './axes.js';
import { Canvas } from './canvas.js';
import { type CurvePoint, finitePoints, resampleToColumns } from './resample.js';

/** Everything a text chart shows. Layers lie over each other in this order. */
interface PlotSpec {
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

/** Where a chart's area lies on its canvas and how values become places in it. */
interface PlotArea {
  readonly canvas: Canvas;
  /** Canvas column of the area's first column; its first row is the canvas's. */
  readonly left: number;
  readonly columns: number;
  readonly rows: number;
  /** Fractional column within the area. */
  column(x: number): number;
  /** Fractional row, counted from the bottom. */
  row(y: number): number;
}

/** A curve; `symbol` marks its points where they are few, and places along it where they are many. */
interface PlotLine {
  readonly points: readonly CurvePoint[];
  readonly style: LineStyle;
  readonly colour?: Colour | undefined;
  readonly symbol?: string | undefined;
}

/** A shaded area between two values at each x, such as the lowest and highest of several seeds. */
interface PlotBand {
  readonly points: readonly {
    readonly x: number;
    readonly low: number | null;
    readonly high: number | null;
  }[];
  readonly shade: string;
  readonly colour?: Colour | undefined;
}

/** A single glyph at a point; `stack` moves it up to a row that holds no other stacked glyph. */
export interface PlotGlyph {
  readonly x: number;
  readonly y: number;
  readonly char: string;
  readonly colour?: Colour | undefined;
  readonly stack?: boolean;
}

/** A dotted vertical at one x, drawn only where nothing else is. */
interface PlotVertical {
  readonly x: number;
  readonly colour?: Colour | undefined;
}

/** The glyph of a vertical, in the area and in legends. */
export const VERTICAL = '┊';

/** The glyph where the symbols of several curves fall on one place. */
const COINCIDENT = '*';

function put(area: PlotArea, column: number, row: number, char: string, colour?: Colour): void {
  if (column < 0 || column >= area.columns || row < 0 || row >= area.rows) return;
  area.canvas.put(area.left + column, area.rows - 1 - row, char, colour);
}

function charAt(area: PlotArea, column: number, row: number): string {
  return area.canvas.charAt(area.left + column, area.rows - 1 - row);
}

/** One row (may be fractional) for each column of the area. */
function rowsOf(area: PlotArea, points: readonly CurvePoint[]): (number | null)[] {
  const values = resampleToColumns(finitePoints(points), area.column, area.columns);
  return values.map((value) => (value === null ? null : area.row(value)));
}

/** Shades every cell between a band's low and high. */
function drawBand(area: PlotArea, band: PlotBand): void {
  const low = rowsOf(
    area,
    band.points.map(({ x, low: y }) => ({ x, y })),
  );
  const high = rowsOf(
    area,
    band.points.map(({ x, high: y }) => ({ x, y })),
  );
  for (let column = 0; column < area.columns; column++) {
    const [from, to] = [low[column], high[column]];
    if (typeof from !== 'number' || typeof to !== 'number') continue;
    for (let row = Math.round(from); row <= Math.round(to); row++)
      put(area, column, row, band.shade, band.colour);
  }
}

/** Draws a vertical through the blank cells of its column. */
function drawVertical(area: PlotArea, { x, colour }: PlotVertical): void {
  const column = Math.round(area.column(x));
  for (let row = 0; row < area.rows; row++) {
    if (charAt(area, column, row) === ' ') put(area, column, row, VERTICAL, colour);
  }
}

/** Sets glyphs in order; those that stack keep out of each other's way. */
function drawGlyphs(area: PlotArea, glyphs: readonly PlotGlyph[]): void {
  const taken = new Set<string>();
  for (const { x, y, char, colour, stack } of glyphs) {
    const column = Math.round(area.column(x));
    let row = Math.min(Math.max(Math.round(area.row(y)), 0), area.rows - 1);
    if (stack === true) {
      const start = row;
      while (taken.has(`${column} ${row}`) && row < area.rows - 1) row += 1;
      if (taken.has(`${column} ${row}`))
        for (row = start; taken.has(`${column} ${row}`) && row > 0;) row -= 1;
      taken.add(`${column} ${row}`);
    }
    put(area, column, row, char, colour);
  }
}

/** Draws curves one over the other, then all their symbols; true where symbols of several fell on one place. */
function drawLines(area: PlotArea, lines: readonly PlotLine[]): boolean {
  const rows = lines.map(({ points }) => rowsOf(area, points));
  lines.forEach(({ style, colour }, index) => {
    for (const { column, row, char } of lineLayer(rows[index] ?? [], area.rows, style)) {
      put(area, column, row, char, colour);
    }
  });
  let coincident = false;
  const owner = new Map<string, number>();
  lines.forEach(({ points, symbol, colour }, index) => {
    if (symbol === undefined) return;
    for (const column of symbolColumns(area, points, index, lines.length)) {
      const height = rows[index]?.[column];
      if (typeof height !== 'number') continue;
      const place = `${column} ${Math.round(height)}`;
      const other = owner.get(place);
      const shared = other !== undefined && other !== index;
      coincident ||= shared;
      owner.set(place, index);
      put(area, column, Math.round(height), shared ? COINCIDENT : symbol, shared ? undefined : colour);
    }
  });
  return coincident;
}

/** Few points carry the symbol themselves; of many, every so manieth column, shifted from curve to curve. */
function symbolColumns(
  area: PlotArea,
  points: readonly CurvePoint[],
  index: number,
  count: number,
): number[] {
  const finite = finitePoints(points);
  if (finite.length * 3 <= area.columns || finite.length === 1) {
    return finite.map(({ x }) => Math.round(area.column(x)));
  }
  const spacing = Math.max(3 * count, Math.round(area.columns / 6));
  const first = Math.floor((spacing * (index + 0.5)) / count);
  const columns: number[] = [];
  for (let column = first; column < area.columns; column += spacing) columns.push(column);
  return columns;
}

/** How a line is drawn, so that overlaid ones can be told apart without colour. */
type LineStyle = 'light' | 'double' | 'heavy' | 'dashed';

/** asciichart's order: axis cross, axis, two stubs, horizontal, up-right, down-right, down-left, up-left, vertical. */
const SYMBOLS: Readonly<Record<LineStyle, readonly string[]>> = {
  light: ['─', ' ', '╶', '╴', '─', '╰', '╭', '╮', '╯', '│'],
  double: ['═', ' ', '╶', '╴', '═', '╚', '╔', '╗', '╝', '║'],
  heavy: ['━', ' ', '╺', '╸', '━', '┗', '┏', '┓', '┛', '┃'],
  dashed: ['╌', ' ', '╶', '╴', '╌', '╰', '╭', '╮', '╯', '╎'],
};

const STYLES: readonly LineStyle[] = ['light', 'double', 'dashed', 'heavy'];

/** The line style of the series with this index, starting over after four. */
export function lineStyle(index: number): LineStyle {
  return STYLES[index % STYLES.length] ?? 'light';
}

/** The horizontal stroke of a style, for legends. */
export function stroke(style: LineStyle): string {
  return SYMBOLS[style][4] ?? '─';
}

/** One character of a drawn line; rows count from the bottom. */
interface Stroke {
  readonly column: number;
  readonly row: number;
  readonly char: string;
}

/**
 * Draws a line that has one row (may be fractional) for each column, through asciichart; where the row is null
 * the line is interrupted. Rows beyond the chart are held at its edge.
 */
export function lineLayer(rowOf: readonly (number | null)[], rows: number, style: LineStyle): Stroke[] {
  const strokes: Stroke[] = [];
  for (const { start, values } of runs(rowOf)) {
    const held = values.map((row) => Math.min(Math.max(Math.round(row), 0), rows - 1));
    // asciichart draws the way from one value to the next: the last one, repeated, gets a stroke of its own.
    const text = asciichart.plot([...held, held.at(-1) ?? 0], {
      min: 0,
      max: rows - 1,
      height: rows - 1,
      offset: 1,
      format: () => ' ',
      symbols: SYMBOLS[style],
    });
    text.split('\n').forEach((line, fromTop) => {
      [...line].slice(1).forEach((char, index) => {
        if (char !== ' ') strokes.push({ column: start + index, row: rows - 1 - fromTop, char });
      });
    });
  }
  return strokes;
}

function runs(rowOf: readonly (number | null)[]): { start: number; values: number[] }[] {
  const found: { start: number; values: number[] }[] = [];
  let open: { start: number; values: number[] } | undefined;
  rowOf.forEach((row, column) => {
    if (row === null) open = undefined;
    else if (open === undefined) found.push((open = { start: column, values: [row] }));
    else open.values.push(row);
  });
  return found;
}

/** One entry of a legend: a sample of the glyphs in the chart and what they mean. */
export interface LegendItem {
  readonly sample: string;
  readonly text: string;
  readonly colour?: Colour | undefined;
}

/** Sets entries side by side, as many to a line as fit into `width` columns. */
function legendLines(items: readonly LegendItem[], width: number, colour: boolean): string[] {
  const lines: string[] = [];
  let line = '';
  let used = 0;
  for (const { sample, text, colour: tint } of items) {
    const label = truncate(printable(text), width - displayWidth(sample) - 1);
    const size = displayWidth(sample) + 1 + displayWidth(label);
    const entry = `${paint(sample, tint, colour)} ${label}`;
    if (used > 0 && used + 3 + size <= width) {
      line += `   ${entry}`;
      used += 3 + size;
      continue;
    }
    if (used > 0) lines.push(line);
    line = entry;
    used = size;
  }
  if (used > 0) lines.push(line);
  return lines;
}
