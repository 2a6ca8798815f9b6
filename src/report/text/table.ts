import { paint } from './colour.js';
import { displayWidth, pad, printable, truncate } from './width.js';

/** A column of a table: numbers go to the right, names to the left. */
export interface TableColumn {
  readonly header: string;
  readonly align?: 'left' | 'right';
}

/** How a table is set. */
export interface TableLayout {
  /** Columns that no line exceeds. */
  readonly width: number;
  readonly colour: boolean;
}

const GAP = '  ';
// Below this a cut cell says nothing any more.
const NARROWEST = 4;

/** Columns that a table takes where nothing is cut. */
export function tableWidth(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): number {
  return total(naturalWidths(columns, clean(rows)));
}

/**
 * An aligned table: header, rule, one line a row. Where it does not fit, names are cut first and the widest
 * first; cells are data and may hold any text, control characters are replaced.
 */
export function table(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  { width, colour }: TableLayout,
): string {
  const cells = clean(rows);
  const widths = fitted(columns, naturalWidths(columns, cells), width);
  const line = (row: readonly string[]): string =>
    columns
      .map(({ align = 'left' }, index) =>
        pad(truncate(row[index] ?? '', widths[index] ?? 0), widths[index] ?? 0, align),
      )
      .join(GAP)
      .trimEnd();
  return [
    line(columns.map(({ header }) => header)),
    widths.map((size) => '─'.repeat(size)).join(GAP),
    ...cells.map(line),
  ]
    .map((text, index) =>
      paint(truncate(text, width), index === 0 ? 'bold' : index === 1 ? 'grey' : undefined, colour),
    )
    .join('\n');
}

function clean(rows: readonly (readonly string[])[]): string[][] {
  return rows.map((row) => row.map(printable));
}

function naturalWidths(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): number[] {
  return columns.map(({ header }, index) =>
    rows.reduce((widest, row) => Math.max(widest, displayWidth(row[index] ?? '')), displayWidth(header)),
  );
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, size) => sum + size, 0) + GAP.length * Math.max(0, widths.length - 1);
}

/** Takes a column from the widest name, then from the widest number, until all fit. */
function fitted(columns: readonly TableColumn[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  while (total(widths) > width) {
    const widest = (align: 'left' | 'right', least: number): number =>
      widths.reduce(
        (found, size, index) =>
          (columns[index]?.align ?? 'left') === align && size > least && size > (widths[found] ?? 0)
            ? index
            : found,
        -1,
      );
    const name = widest('left', 2 * NARROWEST);
    const index = name >= 0 ? name : Math.max(widest('right', NARROWEST), widest('left', NARROWEST));
    if (index < 0) break;
    widths[index] = (widths[index] ?? 0) - 1;
  }
  return widths;
}
