import { printable } from '../../printable.js';
import { joinBlocks, paint, paintLines, paragraph, type ReportLayout } from './layout.js';
import { displayWidth, pad, truncate } from './width.js';

/** A column of a table: numbers go to the right, names to the left. */
export interface TableColumn {
  readonly header: string;
  /** What stands to the right is never cut. */
  readonly align?: 'left' | 'right';
  /** Never cut either: there are numbers in it. */
  readonly whole?: boolean;
  /** What is cut off where there is no room; of paths it is the start. */
  readonly lost?: 'end' | 'start';
}

const GAP = '  ';
// A name cut to fewer columns cannot be read.
const NARROWEST = 8;
/** A cell that is nothing but a number, or a list of them. */
const NUMBER = /^[-+[]?[\d.][-+\d.,e]*\]?$/iu;

/** Columns that a table takes where nothing is cut. */
export function tableWidth(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): number {
  return total(naturalWidths(linesOf(columns, rows)));
}

/**
 * An aligned table: header, rule, one line a row. Where it does not fit, names are cut, the widest first, as long as they can be told
 * apart; else it is a list, as `fittingTable` has it. Headers and cells may hold any text, control characters are replaced.
 * @param otherwise another list
 */
export function table(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  layout: ReportLayout,
  otherwise = (): string => listed(columns, rows, layout),
): string {
  const lines = linesOf(columns, rows);
  const widths = fitted(columns, naturalWidths(lines), layout.width);
  const cut = lines.map((cells) =>
    columns.map(({ lost }, index) => truncate(cells[index] ?? '', widths[index] ?? 0, lost)),
  );
  return total(widths) <= layout.width && isReadable(lines, cut)
    ? drawn(columns, cut, widths, layout)
    : otherwise();
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
  return listed(columns, rows, layout);
}

function drawn(
  columns: readonly TableColumn[],
  lines: readonly (readonly string[])[],
  widths: readonly number[],
  { colour }: ReportLayout,
): string {
  const texts = lines.map((cells) =>
    columns
      .map(({ align }, index) => pad(cells[index] ?? '', widths[index] ?? 0, align))
      .join(GAP)
      .trimEnd(),
  );
  texts.splice(1, 0, widths.map((size) => '─'.repeat(size)).join(GAP));
  return texts
    .map((text, index) => paint(text, index === 0 ? 'bold' : index === 1 ? 'grey' : undefined, colour))
    .join('\n');
}

/** A column a row where that fits, else a block a row. */
function listed(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  layout: ReportLayout,
): string {
  const [first, ...facts] = columns;
  // A number as heading says nothing without what it counts.
  const numbered = first?.align === 'right' ? first.header : '';
  const turned = {
    columns: [
      { header: numbered },
      ...rows.map(([name = '']): TableColumn => ({ header: name, align: 'right' })),
    ],
    rows: facts.map(({ header }, index) => [header, ...rows.map((cells) => cells[index + 1] ?? '')]),
  };
  if (facts.length > 0 && tableWidth(turned.columns, turned.rows) <= layout.width) {
    return table(turned.columns, turned.rows, layout);
  }
  return joinBlocks(
    rows.map(([name = '', ...cells]) => {
      const heading = paragraph(`${numbered} ${name}`.trimStart(), layout.width);
      const told = facts.flatMap(({ header }, index) => {
        const cell = cells[index] ?? '';
        return cell === '' ? [] : [header === '' ? cell : `${header}: ${cell}`];
      });
      return [
        paintLines(heading, 'bold', layout.colour),
        ...told.map((text) => paragraph(text, layout.width, '  ')),
      ].join('\n');
    }),
  );
}

/** Whether cells that were cut are no numbers, and none is like another that it was unlike before. */
function isReadable(lines: readonly (readonly string[])[], cut: readonly (readonly string[])[]): boolean {
  const whole = new Map<string, string>();
  return lines.every((cells, row) =>
    cells.every((cell, index) => {
      const shown = cut[row]?.[index] ?? '';
      const key = `${index} ${shown}`;
      const other = whole.get(key) ?? cell;
      whole.set(key, cell);
      return other === cell && (shown === cell || !NUMBER.test(cell));
    }),
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

/** Takes a column from the widest name until all fit, or no name can become narrower. */
function fitted(columns: readonly TableColumn[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  while (total(widths) > width) {
    const index = widths.reduce((found, size, at) => {
      const { align, whole = false } = columns[at] ?? {};
      const isName = align !== 'right' && !whole;
      return isName && size > NARROWEST && size > (widths[found] ?? 0) ? at : found;
    }, -1);
    if (index < 0) break;
    widths[index] = (widths[index] ?? 0) - 1;
  }
  return widths;
}
