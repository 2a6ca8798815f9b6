import { type Colour, paint } from './colour.js';
import { displayWidth, pad, printable, wrap } from './width.js';

const GAP = 4;

/** Sets two blocks of text side by side, the right one from column `from` on. */
function sideBySide(left: string, right: string, from: number): string {
  const [lefts, rights] = [left.split('\n'), right.split('\n')];
  return Array.from({ length: Math.max(lefts.length, rights.length) }, (_, index) =>
    (pad(lefts[index] ?? '', from) + (rights[index] ?? '')).trimEnd(),
  ).join('\n');
}

/** The room that a chart of a pair is given; `fill` asks for the full height. */
export interface ChartRoom {
  readonly width: number;
  readonly fill: boolean;
}

/** Draws two charts side by side from 100 columns on, else one under the other. */
export function pairOfCharts(
  width: number,
  left: (room: ChartRoom) => string,
  right: (room: ChartRoom) => string,
): string {
  if (width < 100) return `${left({ width, fill: false })}\n\n${right({ width, fill: false })}`;
  const half = Math.floor((width - GAP) / 2);
  return sideBySide(left({ width: half, fill: true }), right({ width: half, fill: true }), half + GAP);
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
