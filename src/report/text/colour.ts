/** Foreground colours that every terminal palette has, readable on dark and on light ground. */
export type Colour = 'cyan' | 'magenta' | 'green' | 'yellow' | 'blue' | 'red' | 'grey' | 'bold';

/** Select Graphic Rendition codes (ECMA-48 8.3.117): the one that begins a colour, and the one that ends it. */
const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
  grey: [90, 39],
  bold: [1, 22],
};

const SERIES: readonly Colour[] = ['cyan', 'magenta', 'green', 'yellow', 'blue', 'red'];

/** The colour of the series with this index, starting over after six. */
export function seriesColour(index: number): Colour {
  return SERIES[index % SERIES.length] ?? 'cyan';
}

/** Wraps a text in the escape codes of a colour; gives it back untouched without a colour or where colour is off. */
export function paint(text: string, colour: Colour | undefined, enabled: boolean): string {
  if (!enabled || colour === undefined || text === '') return text;
  const [set, reset] = CODES[colour];
  return `\u001b[${set}m${text}\u001b[${reset}m`;
}
