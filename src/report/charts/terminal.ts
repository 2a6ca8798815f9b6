import asciichart from 'asciichart';
import { printable } from '../../printable.js';
import { type Colour, paint, type ReportLayout, sideBySide } from '../text/layout.js';
import { displayWidth, truncate, wrap } from '../text/width.js';
import { labelsApart, type Tick, xAxis, yAxis } from './axes.js';
import { type ChartSpec, type Drawing, drawingOf, type DrawnSeries, legendOf } from './chart.js';
import { type FinitePoint, holdInColumns, resampleToColumns } from './resample.js';

const GAP = 4;
/** More than two shades over each other hide more than they show. */
const MOST_BANDS = 2;

/** Draws two charts side by side from 100 columns on, else one under the other. */
export function chartPair(left: ChartSpec, right: ChartSpec, { width, colour }: ReportLayout): string {
  if (width < 100) return [left, right].map((spec) => textChart(spec, { width, colour })).join('\n\n');
  const half = Math.floor((width - GAP) / 2);
  const [from, to] = [left, right].map((spec) => textChart(spec, { width: half, colour }, { fill: true }));
  return sideBySide(from ?? '', to ?? '', half + GAP);
}

/**
 * A chart as text, never wider than the layout: heading, area with labelled axes, legend. Curves differ in stroke
 * and symbol, so that they can be told apart without colour. Without a finite value a sentence takes its place.
 * @param fill makes up the rows above the curves, so that charts side by side have their axes on one line
 */
export function textChart(
  spec: ChartSpec,
  { width, colour }: ReportLayout,
  { fill = false }: { readonly fill?: boolean } = {},
): string {
  const drawing = drawingOf(spec, MOST_BANDS);
  if (drawing === null) return wrap(printable(`${spec.title}: no values to draw`), width).join('\n');
  const y = yAxis(drawing.y, spec.rows);
  const xLabel = printable(spec.x.label);
  // A short label of the x axis stands under the y labels, a long one on a line of its own.
  const labelWidth = Math.max(...y.labels.map(displayWidth), 3);
  const gutter = xLabel.length <= 5 ? Math.max(labelWidth, xLabel.length) : labelWidth;
  const left = gutter + 2;
  const columns = Math.max(1, width - left);
  const x = xAxis(spec.x.scale, drawing.x, columns);
  const rows = fill ? Math.max(y.rows, spec.rows) : y.rows;
  const canvas = new Canvas(width, rows + 2);
  const area = { canvas, left, columns, rows, column: x.column, row: y.row };

  for (const series of drawing.series) drawBand(area, series);
  for (const { x: at, y: value } of drawing.dots) {
    put(area, Math.round(x.column(at)), clampedRow(area, value), DOT, 'grey');
  }
  const coincident = drawCurves(area, drawing.series);
  for (const vertical of drawing.verticals)
    drawVertical(area, Math.round(x.column(vertical.x)), vertical.colour);
  drawLetters(area, drawing.letters);
  for (let row = 0; row < rows; row++) {
    const label = y.labels[row] ?? '';
    canvas.write(gutter - label.length, rows - 1 - row, label);
    canvas.put(gutter + 1, rows - 1 - row, label === '' ? '│' : '┤');
  }
  canvas.write(gutter + 1, rows, `└${'─'.repeat(columns)}`);
  for (const { x: at } of x.ticks) canvas.put(left + Math.round(x.column(at)), rows, '┬');
  const short = xLabel.length <= gutter;
  if (short) canvas.write(gutter - xLabel.length, rows + 1, xLabel);
  const place = (tick: Tick) => left + Math.round(x.column(tick.x));
  for (const { start, label } of tickLabels(x.ticks, place, short ? gutter + 1 : 0, width)) {
    canvas.write(start, rows + 1, label);
  }

  const title = wrap(printable(spec.title), width).map((line) => paint(line, 'bold', colour));
  const centred = ' '.repeat(Math.max(0, left + Math.floor((columns - displayWidth(xLabel)) / 2)));
  return [
    ...title,
    ...canvas.lines(colour),
    ...(short ? [] : [truncate(centred + xLabel, width)]),
    ...legendLines(legendItems(spec, drawing, coincident), width, colour),
  ].join('\n');
}

/** Labels centred under their ticks between two columns, as many as do not touch. */
function tickLabels(ticks: readonly Tick[], place: (tick: Tick) => number, from: number, to: number) {
  return labelsApart(
    ticks.map((tick) => {
      const centred = place(tick) - Math.floor((tick.label.length - 1) / 2);
      return { start: Math.max(from, Math.min(centred, to - tick.label.length)), label: tick.label };
    }),
  );
}

/** One entry of a legend: a sample of the glyphs in the chart and what they mean. */
interface LegendItem {
  readonly sample: string;
  readonly name: string;
  readonly colour?: Colour;
}

function legendItems(spec: ChartSpec, drawing: Drawing, coincident: boolean): LegendItem[] {
  const banded = drawing.series.filter(({ band }) => band.length > 0);
  const curveSample = (curve: DrawnSeries) => {
    const line = strokeOf(curve);
    const shade = banded.length > 1 && banded.includes(curve) ? shadeOf(curve) : '';
    return `${line}${curve.marked ? symbolOf(curve) : ''}${line}${shade}`;
  };
  const items = legendOf(spec, drawing).map(({ kind, name, colour, curve, letter = '' }) => {
    if (curve !== undefined) return { sample: curveSample(curve), name, colour };
    if (kind === 'band') return { sample: banded.map(shadeOf).join(''), name, colour };
    return { sample: kind === 'letter' ? letter : kind === 'dots' ? DOT : VERTICAL, name, colour };
  });
  return coincident ? [...items, { sample: COINCIDENT, name: 'several at one place' }] : items;
}

/** Sets entries side by side, as many to a line as fit into `width` columns. */
function legendLines(items: readonly LegendItem[], width: number, colour: boolean): string[] {
  const lines: string[] = [];
  let line = '';
  let used = 0;
  for (const { sample, name, colour: tint } of items) {
    const indent = displayWidth(sample) + 1;
    const [label = '', ...others] = wrap(printable(name), width - indent);
    const size = indent + displayWidth(label);
    const entry = `${paint(sample, tint, colour)} ${label}`;
    if (others.length > 0) {
      if (used > 0) lines.push(line);
      lines.push(entry, ...others.map((more) => ' '.repeat(indent) + more));
      used = 0;
      continue;
    }
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

/** How a line is drawn, in asciichart's order: axis cross, axis, two stubs, horizontal, four corners, vertical. */
const STROKES: readonly (readonly string[])[] = [
  ['─', ' ', '╶', '╴', '─', '╰', '╭', '╮', '╯', '│'],
  ['═', ' ', '╶', '╴', '═', '╚', '╔', '╗', '╝', '║'],
  ['╌', ' ', '╶', '╴', '╌', '╰', '╭', '╮', '╯', '╎'],
  ['━', ' ', '╺', '╸', '━', '┗', '┏', '┓', '┛', '┃'],
];
const SYMBOLS = ['●', '▲', '■', '◆', '○', '△'];
const SHADES = ['░', '▒', '·'];
const DOT = '·';
const VERTICAL = '┊';
/** Where the symbols of several curves fall on one place. */
const COINCIDENT = '*';

function glyphsOf({ index }: DrawnSeries): readonly string[] {
  return STROKES[index % STROKES.length] ?? [];
}

function strokeOf(series: DrawnSeries): string {
  return glyphsOf(series)[4] ?? '─';
}

function symbolOf({ index }: DrawnSeries): string {
  return SYMBOLS[index % SYMBOLS.length] ?? '●';
}

function shadeOf({ index }: DrawnSeries): string {
  return SHADES[index % SHADES.length] ?? '░';
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

function put(area: PlotArea, column: number, row: number, char: string, colour?: Colour): void {
  if (column < 0 || column >= area.columns || row < 0 || row >= area.rows) return;
  area.canvas.put(area.left + column, area.rows - 1 - row, char, colour);
}

function clampedRow(area: PlotArea, y: number): number {
  return Math.min(Math.max(Math.round(area.row(y)), 0), area.rows - 1);
}

/** One row (may be fractional) for each column of the area, null where there is no curve. */
function rowsOf(area: PlotArea, points: readonly FinitePoint[], held = false): (number | null)[] {
  const values = (held ? holdInColumns : resampleToColumns)(points, area.column, area.columns);
  return values.map((value) => (value === null ? null : area.row(value)));
}

/** Shades every cell between a band's low and high. */
function drawBand(area: PlotArea, series: DrawnSeries): void {
  const limit = (which: 'low' | 'high') =>
    rowsOf(
      area,
      series.band.map((at) => ({ x: at.x, y: at[which] })),
    );
  const [low, high] = [limit('low'), limit('high')];
  for (let column = 0; column < area.columns; column++) {
    const [from, to] = [low[column], high[column]];
    if (typeof from !== 'number' || typeof to !== 'number') continue;
    const [bottom, top] = [Math.max(0, Math.round(from)), Math.min(area.rows - 1, Math.round(to))];
    for (let row = bottom; row <= top; row++) put(area, column, row, shadeOf(series), series.colour);
  }
}

/** Columns that one of several curves on one place is drawn through before it is the next one's turn. */
const TURN = 3;

/**
 * Draws curves, taking turns where they lie on each other so that each is seen, then all their symbols; true where symbols
 * of several fell on one place.
 */
function drawCurves(area: PlotArea, curves: readonly DrawnSeries[]): boolean {
  const rows = curves.map(({ pieces, held }) => {
    const drawn = pieces.map((piece) => rowsOf(area, piece, held));
    return Array.from({ length: area.columns }, (_, column) =>
      drawn.reduce<number | null>((found, piece) => found ?? piece[column] ?? null, null),
    );
  });
  const strokes = new Map<string, (Stroke & { readonly colour: Colour })[]>();
  curves.forEach((curve, index) => {
    for (const stroke of lineStrokes(rows[index] ?? [], area.rows, glyphsOf(curve))) {
      const place = `${stroke.column} ${stroke.row}`;
      strokes.set(place, [...(strokes.get(place) ?? []), { ...stroke, colour: curve.colour }]);
    }
  });
  for (const here of strokes.values()) {
    const turn = here[Math.floor((here[0]?.column ?? 0) / TURN) % here.length];
    if (turn !== undefined) put(area, turn.column, turn.row, turn.char, turn.colour);
  }
  let coincident = false;
  const owner = new Map<string, number>();
  curves.forEach((curve, index) => {
    if (!curve.marked) return;
    for (const column of symbolColumns(area, curve.pieces.flat(), index, curves.length)) {
      const height = rows[index]?.[column];
      if (typeof height !== 'number') continue;
      const place = `${column} ${Math.round(height)}`;
      const other = owner.get(place);
      const shared = other !== undefined && other !== index;
      coincident ||= shared;
      owner.set(place, index);
      const symbol = shared ? COINCIDENT : symbolOf(curve);
      put(area, column, Math.round(height), symbol, shared ? undefined : curve.colour);
    }
  });
  return coincident;
}

/** Few points carry the symbol themselves; of many, columns at even distances, shifted from curve to curve. */
function symbolColumns(
  area: PlotArea,
  points: readonly FinitePoint[],
  index: number,
  count: number,
): number[] {
  if (points.length * 3 <= area.columns || points.length === 1) {
    return points.map(({ x }) => Math.round(area.column(x)));
  }
  const spacing = Math.max(3 * count, Math.round(area.columns / 6));
  const first = Math.floor((spacing * (index + 0.5)) / count);
  const columns: number[] = [];
  for (let column = first; column < area.columns; column += spacing) columns.push(column);
  return columns;
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
export function lineStrokes(
  rowOf: readonly (number | null)[],
  rows: number,
  symbols: readonly string[],
): Stroke[] {
  const strokes: Stroke[] = [];
  for (const { start, values } of runsOf(rowOf)) {
    const held = values.map((row) => Math.min(Math.max(Math.round(row), 0), rows - 1));
    // asciichart draws the way from one value to the next: the last one, repeated, gets a stroke of its own.
    const text = asciichart.plot([...held, held.at(-1) ?? 0], {
      min: 0,
      max: rows - 1,
      height: rows - 1,
      offset: 1,
      format: () => ' ',
      symbols,
    });
    text.split('\n').forEach((line, fromTop) => {
      [...line].slice(1).forEach((char, index) => {
        if (char !== ' ') strokes.push({ column: start + index, row: rows - 1 - fromTop, char });
      });
    });
  }
  return strokes;
}

function runsOf(rowOf: readonly (number | null)[]): { start: number; values: number[] }[] {
  const found: { start: number; values: number[] }[] = [];
  let open: { start: number; values: number[] } | undefined;
  rowOf.forEach((row, column) => {
    if (row === null) open = undefined;
    else if (open === undefined) found.push((open = { start: column, values: [row] }));
    else open.values.push(row);
  });
  return found;
}

/** Draws a vertical through the blank cells of its column. */
function drawVertical(area: PlotArea, column: number, colour: Colour): void {
  for (let row = 0; row < area.rows; row++) {
    const blank = area.canvas.charAt(area.left + column, area.rows - 1 - row) === ' ';
    if (blank) put(area, column, row, VERTICAL, colour);
  }
}

/** Sets each letter at its point, or in the next free row above it, or below it where there is none. */
function drawLetters(area: PlotArea, letters: Drawing['letters']): void {
  const taken = new Set<string>();
  for (const { x, y, letter, colour } of letters) {
    const column = Math.round(area.column(x));
    const start = clampedRow(area, y);
    const free = (row: number) => !taken.has(`${column} ${row}`);
    let row = start;
    while (!free(row) && row < area.rows - 1) row += 1;
    if (!free(row)) for (row = start; !free(row) && row > 0;) row -= 1;
    taken.add(`${column} ${row}`);
    put(area, column, row, letter, colour);
  }
}

interface Cell {
  readonly char: string;
  readonly colour: Colour | undefined;
}

const BLANK: Cell = { char: ' ', colour: undefined };

/** A grid of one-column characters, columns from the left and rows from the top, both from 0. */
class Canvas {
  readonly #cells: Cell[][];

  constructor(
    private readonly columns: number,
    rows: number,
  ) {
    this.#cells = Array.from({ length: rows }, () => Array.from({ length: columns }, () => BLANK));
  }

  /** Sets a cell; what lies outside the grid is left out. */
  put(column: number, row: number, char: string, colour?: Colour): void {
    const line = this.#cells[row];
    if (line === undefined || column < 0 || column >= this.columns) return;
    line[column] = { char, colour };
  }

  /** Writes a text from a cell on to the right, one character a cell. */
  write(column: number, row: number, text: string): void {
    [...text].forEach((char, index) => this.put(column + index, row, char));
  }

  /** The character of a cell, a blank where nothing was drawn or outside the grid. */
  charAt(column: number, row: number): string {
    return this.#cells[row]?.[column]?.char ?? ' ';
  }

  /** The rows as text without trailing blanks; neighbours of one colour share their escape codes. */
  lines(colour: boolean): string[] {
    return this.#cells.map((cells) => {
      const end = cells.findLastIndex((cell) => cell.char !== ' ') + 1;
      let line = '';
      for (let start = 0; start < end;) {
        const tint = cells[start]?.colour;
        let run = '';
        while (start < end && cells[start]?.colour === tint) run += cells[start++]?.char ?? '';
        line += paint(run, tint, colour);
      }
      return line;
    });
  }
}
