import { joinBlocks, paint, paragraph, type ReportLayout } from '../text/layout.js';
import { displayWidth } from '../text/width.js';

/** Longer lines are hard to read. */
const WIDEST = 100;

/**
 * A page of the manual for a terminal: paragraphs and list items wrapped, tables and code as they are. Of Markdown
 * it knows what the pages use: headings, lists, tables, indented code, `**strong**` and links.
 */
export function manualPage(markdown: string, { width, colour }: ReportLayout): string {
  const room = Math.min(width, WIDEST);
  const blocks = markdown.split(/\n{2,}/u).map((block) => block.trimEnd());
  return joinBlocks(blocks.map((block) => rendered(block, room, colour)));
}

function rendered(block: string, width: number, colour: boolean): string {
  if (/^( {4}|\|)/u.test(block)) return block;
  const heading = /^(#+) (.*)$/u.exec(block);
  if (heading !== null) {
    const [, marks, title = ''] = heading;
    const line = (marks === '#' ? '═' : '─').repeat(Math.min(width, displayWidth(title)));
    return `${paint(title, 'bold', colour)}\n${paint(line, 'grey', colour)}`;
  }
  const items = block.split(/\n(?=- |\d+\. )/u);
  return items.map((item) => listItem(item, width)).join('\n');
}

/** A paragraph is an item without a mark. */
function listItem(text: string, width: number): string {
  const [, mark = '', rest = text] = /^(- |\d+\. )([^]*)$/u.exec(text) ?? [];
  return paragraph(plain(rest), width, mark);
}

function plain(text: string): string {
  return text
    .replaceAll('**', '')
    .replace(/\[([^\]]+)\]\(([^)]+)\)/gu, '$1 ($2)')
    .replace(/\s+/gu, ' ');
}
