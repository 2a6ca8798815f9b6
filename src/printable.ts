/** Controls, invisible format characters, line separators and what is no character at all. */
const STEERING = String.raw`[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]`;
// The zero-width joiner stays, emoji are built with it.
const UNPRINTABLE = new RegExp(String.raw`(?!\u200d)${STEERING}`, 'gu');
const BEYOND_COLOURS = new RegExp(String.raw`(?!\u200d|\n|\u001b\[[0-9;]*m)${STEERING}`, 'gu');
const BEYOND_JSON = new RegExp(String.raw`(?!\u200d|\n)${STEERING}`, 'gu');

/** Names and sentences are shorter than this: what goes beyond is cut. */
const LONGEST_WORD = 1000;
const LONGEST_TEXT = 100_000;
const LONG_WORDS = new RegExp(`\\S{${LONGEST_WORD + 1},}`, 'gu');

/**
 * A text from a record or a folder as it may be shown: control and format characters, which could steer the terminal,
 * become `?`, and words of more than 1,000 characters are cut.
 */
export function printable(text: string): string {
  return cut(text, LONGEST_TEXT)
    .replace(LONG_WORDS, (word) => cut(word, LONGEST_WORD))
    .replace(UNPRINTABLE, '?');
}

/** Lines of text from anywhere, each as `printable` makes it. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** A report that is done: nothing but its line ends and its colours may steer the terminal. */
export function printableReport(report: string): string {
  return report.replace(BEYOND_COLOURS, '?');
}

/** A document as JSON text, on one line where `indent` is 0. What could steer a terminal is escaped, and reads back as it was. */
export function printableJson(document: object, indent = 2): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(document, null, indent).replace(BEYOND_JSON, (char) =>
    char.split('').map(escaped).join(''),
  );
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

/** A whole number with commas between thousands: 12,345. */
export function wholeNumber(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/gu, ',');
}

/** A number with its noun, in the plural where it is not one: 1 seed, 3 seeds. */
export function counted(count: number, noun: string): string {
  return `${wholeNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}
