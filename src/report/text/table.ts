import { printable } from '../../printable.js';
import { joinBlocks, paint, paragraph, type ReportLayout } from './layout.js';
import { displayWidth, pad, truncate } from './width.js';

/** A column of a table: numbers go to the right, names to the left. */
export interface TableColumn {
  readonly header: string;
  readonly align?: 'left' | 'right';
  /** What is cut off where there is no room; of paths it is the start. */
  readonly lost?: 'end' | 'start';
}

const GAP = '  ';
// A cell cut to fewer columns cannot be read.
const NARROWEST = 4;

/** Columns that a table takes where nothing is cut. */
export function tableWidth(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): number {
  return total(naturalWidths(linesOf(columns, rows)));
}

/**
 * An aligned table: header, rule, one line a row. Where it does not fit, names are cut first and the widest
 * first; headers and cells may hold any text, control characters are replaced.
 */
export function table(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  { width, colour }: ReportLayout,
): string {
  const lines = linesOf(columns, rows);
  const widths = fitted(columns, naturalWidths(lines), width);
  const texts = lines.map((cells) =>
    columns
      .map(({ align = 'left', lost }, index) =>
        pad(truncate(cells[index] ?? '', widths[index] ?? 0, lost), widths[index] ?? 0, align),
      )
      .join(GAP)
      .trimEnd(),
  );
  texts.splice(1, 0, widths.map((size) => '─'.repeat(size)).join(GAP));
  return texts
    .map((text, index) =>
      paint(truncate(text, width), index === 0 ? 'bold' : index === 1 ? 'grey' : undefined, colour),
    )
    .join('\n');
}

/**
 * A table that cuts nothing: a line a row where that fits, else a column a row, else the rows one under the other, each
 * with its first cell as heading and its others as `header: cell`.
 */
export function fittingTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  layout: ReportLayout,
): string {
  if (tableWidth(columns, rows) <= layout.width) return table(columns, rows, layout);
  const [, ...facts] = columns;
  const turned = {
    columns: [{ header: '' }, ...rows.map(([name = '']): TableColumn => ({ header: name, align: 'right' }))],
    rows: facts.map(({ header }, index) => [header, ...rows.map((cells) => cells[index + 1] ?? '')]),
  };
  if (tableWidth(turned.columns, turned.rows) <= layout.width) {
    return table(turned.columns, turned.rows, layout);
  }
  return joinBlocks(
    rows.map(([name = '', ...cells]) =>
      [
        paint(truncate(printable(name), layout.width), 'bold', layout.colour),
        ...facts.map(({ header }, index) =>
          paragraph(`${header}: ${cells[index] ?? ''}`.trimEnd(), layout.width, '  '),
        ),
      ].join('\n'),
    ),
  );
}

/** The header and the rows as they can be shown. */
function linesOf(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): string[][] {
  return [columns.map(({ header }) => header), ...rows].map((cells) => cells.map(printable));
}

function naturalWidths(lines: readonly (readonly string[])[]): number[] {
  return (lines[0] ?? []).map((_, index) =>
    lines.reduce((widest, cells) => Math.max(widest, displayWidth(cells[index] ?? '')), 0),
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
