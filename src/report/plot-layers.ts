import type { Canvas } from './canvas.js';
import type { Colour } from './colour.js';
import { lineLayer, type LineStyle } from './line-layer.js';
import { finitePoints, resampleToColumns, type CurvePoint } from './resample.js';

/** Where a chart's area lies on its canvas and how values become places in it. */
export interface PlotArea {
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
export interface PlotLine {
  readonly points: readonly CurvePoint[];
  readonly style: LineStyle;
  readonly colour?: Colour | undefined;
  readonly symbol?: string | undefined;
}

/** A shaded area between two values at each x, such as the lowest and highest of several seeds. */
export interface PlotBand {
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
export interface PlotVertical {
  readonly x: number;
  readonly colour?: Colour | undefined;
}

/** The glyph of a vertical, in the area and in legends. */
export const VERTICAL = '┊';

/** The glyph where the symbols of several curves fall on one place. */
export const COINCIDENT = '*';

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
export function drawBand(area: PlotArea, band: PlotBand): void {
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
export function drawVertical(area: PlotArea, { x, colour }: PlotVertical): void {
  const column = Math.round(area.column(x));
  for (let row = 0; row < area.rows; row++) {
    if (charAt(area, column, row) === ' ') put(area, column, row, VERTICAL, colour);
  }
}

/** Sets glyphs in order; those that stack keep out of each other's way. */
export function drawGlyphs(area: PlotArea, glyphs: readonly PlotGlyph[]): void {
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
export function drawLines(area: PlotArea, lines: readonly PlotLine[]): boolean {
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
