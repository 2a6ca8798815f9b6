import asciichart from 'asciichart';

/** How a line is drawn, so that overlaid ones can be told apart without colour. */
export type LineStyle = 'light' | 'double' | 'heavy' | 'dashed';

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
export interface Stroke {
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
