const ESCAPES = /\u001b\[[0-9;]*m/g;
// East Asian Wide and Fullwidth (Unicode Standard Annex 11), and what terminals draw as pictures.
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]|^\p{Emoji_Presentation}|\ufe0f/u;
const ZERO = /^\p{M}+$/u;

/** Terminal columns that a text takes: graphemes, wide ones counted twice, colour codes not at all. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of segments(text.replace(ESCAPES, ''))) width += graphemeWidth(segment);
  return width;
}

/**
 * The text where it fits into `width` columns, else what fits of it with an ellipsis; takes no colour codes.
 * @param lost the side that is cut off
 */
export function truncate(text: string, width: number, lost: 'end' | 'start' = 'end'): string {
  if (displayWidth(text) <= width) return text;
  if (width < 1) return '';
  const graphemes = Array.from(segments(text), ({ segment }) => segment);
  if (lost === 'start') graphemes.reverse();
  let used = 0;
  const end = graphemes.findIndex((grapheme) => (used += graphemeWidth(grapheme)) > width - 1);
  const kept = graphemes.slice(0, end);
  return lost === 'end' ? `${kept.join('')}…` : `…${kept.reverse().join('')}`;
}

/** Fills a text with blanks to `width` columns; the blanks go before it where it is aligned to the right. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'left' ? text + blanks : blanks + text;
}

/** Breaks a text at its blanks into lines of at most `width` columns; a longer word is broken too, so that nothing is lost. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/u).filter((part) => part !== '')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (displayWidth(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    const pieces = brokenWord(word, width);
    line = pieces.pop() ?? '';
    lines.push(...pieces);
  }
  if (line !== '') lines.push(line);
  return lines;
}

function brokenWord(word: string, width: number): string[] {
  if (displayWidth(word) <= width) return [word];
  const pieces: string[] = [];
  let room = 0;
  for (const { segment } of segments(word)) {
    const grapheme = truncate(segment, width);
    const size = graphemeWidth(grapheme);
    if (size > room || pieces.length === 0) {
      pieces.push('');
      room = width;
    }
    pieces.push(`${pieces.pop() ?? ''}${grapheme}`);
    room -= size;
  }
  return pieces;
}

function graphemeWidth(grapheme: string): number {
  if (ZERO.test(grapheme)) return 0;
  return WIDE.test(grapheme) ? 2 : 1;
}

let segmenter: Intl.Segmenter | undefined;

/** Made when first needed: it takes 20 ms. */
function segments(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  return segmenter.segment(text);
}

/** The last name in a path of whichever system, as a short name for it. */
export function lastPart(path: string): string {
  return (
    path
      .replace(/[/\\]+$/u, '')
      .split(/[/\\]/u)
      .at(-1) ?? path
  );
}

/** Breaks a line at its last blank before `width` columns, and what is left again; a longer word stays whole. */
export function breakAtBlanks(line: string, width: number): string[] {
  if (displayWidth(line) <= width) return [line];
  const broken: string[] = [];
  for (const word of line.split(' ')) {
    const last = broken.at(-1);
    if (last !== undefined && displayWidth(`${last} ${word}`) <= width)
      broken[broken.length - 1] = `${last} ${word}`;
    else broken.push(word);
  }
  return broken;
}
