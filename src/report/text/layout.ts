import { type Colour, paint } from './colour.js';
import { printable } from '../../printable.js';
import { displayWidth, pad, wrap } from './width.js';

/** Width in columns, and whether escape codes may be used. */
export interface ReportLayout {
  readonly width: number;
  readonly colour: boolean;
}

/** Sets two blocks of text side by side, the right one from column `from` on. */
export function sideBySide(left: string, right: string, from: number): string {
  const [lefts, rights] = [left.split('\n'), right.split('\n')];
  return Array.from({ length: Math.max(lefts.length, rights.length) }, (_, index) =>
    (pad(lefts[index] ?? '', from) + (rights[index] ?? '')).trimEnd(),
  ).join('\n');
}

/** A wrapped paragraph, its lines after the first indented to stand under the text that follows `lead`. */
export function paragraph(text: string, width: number, lead = ''): string {
  const indent = displayWidth(lead);
  return wrap(printable(text), Math.max(1, width - indent))
    .map((line, index) => (index === 0 ? lead : ' '.repeat(indent)) + line)
    .join('\n');
}

/** Paints every line of a block by itself, so that no escape code crosses a line's end. */
export function paintLines(block: string, colour: Colour, enabled: boolean): string {
  return block
    .split('\n')
    .map((line) => paint(line, colour, enabled))
    .join('\n');
}

/** Blocks of a report with a blank line between; empty blocks are left out. */
export function joinBlocks(blocks: readonly (string | undefined)[]): string {
  return blocks.filter((block) => block !== undefined && block !== '').join('\n\n');
}
