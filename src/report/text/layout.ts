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
  return paintedParagraph(printable(text), width, lead);
}

/** The same of a text that is our own, whose words may be painted, each by itself. */
export function paintedParagraph(text: string, width: number, lead = ''): string {
  const indent = displayWidth(lead);
  return wrap(text, Math.max(1, width - indent))
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

/** Foreground colours that can be read on the dark and light ground of every common terminal. */
export type Colour = 'cyan' | 'magenta' | 'green' | 'yellow' | 'blue' | 'red' | 'grey' | 'bold';

/**
 * Select Graphic Rendition codes (ECMA-48 8.3.117): what begins a colour, and what ends it. The sixteen colours of a
 * terminal are its theme's, and none of them has enough contrast in every theme: these are of the colour cube that
 * xterm brought, which themes leave alone, halfway between black and white.
 */
export const CODES: Readonly<Record<Colour, readonly [begin: string, end: string]>> = {
  red: ['38;5;196', '39'],
  green: ['38;5;64', '39'],
  yellow: ['38;5;136', '39'],
  blue: ['38;5;63', '39'],
  magenta: ['38;5;164', '39'],
  cyan: ['38;5;31', '39'],
  grey: ['38;5;244', '39'],
  bold: ['1', '22'],
};

const SERIES: readonly Colour[] = ['cyan', 'magenta', 'green', 'yellow', 'blue', 'red'];

/** The colour of the series with this index, starting over after six. */
export function seriesColour(index: number): Colour {
  return SERIES[index % SERIES.length] ?? 'cyan';
}

/** Wraps a text in the escape codes of a colour; gives it back untouched without a colour or where colour is off. */
export function paint(text: string, colour: Colour | undefined, enabled: boolean): string {
  if (!enabled || colour === undefined || text === '') return text;
  const [begin, end] = CODES[colour];
  return `\u001b[${begin}m${text}\u001b[${end}m`;
}
