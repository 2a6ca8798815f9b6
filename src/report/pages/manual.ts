import { joinBlocks, paint, paintedParagraph, paintLines, type ReportLayout } from '../text/layout.js';
import { fittingTable } from '../text/table.js';
import { displayWidth, pad } from '../text/width.js';

/** Longer lines are hard to read. */
const WIDEST = 100;

/**
 * A page of the manual for a terminal: paragraphs and list items wrapped, code as it is, tables as they are written or, where
 * that does not fit, as every other table. Of Markdown it knows what the pages use: headings, lists, tables, indented
 * code, `**strong**`, which is bold where there is colour, and links.
 */
export function manualPage(markdown: string, { width, colour }: ReportLayout): string {
  const layout = { width: Math.min(width, WIDEST), colour };
  const blocks = markdown.split(/\n{2,}/u).map((block) => block.trimEnd());
  return joinBlocks(blocks.map((block) => rendered(block, layout)));
}

function rendered(block: string, layout: ReportLayout): string {
  const { width, colour } = layout;
  if (block.startsWith('    ')) return block;
  if (block.startsWith('|')) return renderedTable(block, layout);
  const heading = /^(#+) (.*)$/u.exec(block);
  if (heading !== null) {
    const [, marks, title = ''] = heading;
    const line = (marks === '#' ? '═' : '─').repeat(Math.min(width, displayWidth(title)));
    return `${paintLines(paintedParagraph(title, width), 'bold', colour)}\n${paint(line, 'grey', colour)}`;
  }
  const items = block.split(/\n(?=- |\d+\. )/u);
  return items.map((item) => listItem(item, layout)).join('\n');
}

/** A paragraph is an item without a mark. */
function listItem(text: string, { width, colour }: ReportLayout): string {
  const [, mark = '', rest = text] = /^(- |\d+\. )([^]*)$/u.exec(text) ?? [];
  const linked = rest.replace(/\[([^\]]+)\]\(([^)]+)\)/gu, '$1 ($2)').replace(/\s+/gu, ' ');
  return paintedParagraph(strong(linked, colour), width, mark);
}

function renderedTable(block: string, layout: ReportLayout): string {
  const lines = block.split('\n');
  if (lines.every((line) => displayWidth(line) <= layout.width)) {
    return block.replace(/[^|\n]+/gu, (cell) => pad(strong(cell, layout.colour), displayWidth(cell)));
  }
  const [headers = [], , ...rows] = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => strong(cell.trim(), false)),
  );
  const columns = headers.map((header, index) => {
    const isNumber = rows.every((cells) => /^-?[\d.][\d.,e-]*$/u.test(cells[index] ?? ''));
    return { header, align: isNumber ? ('right' as const) : ('left' as const) };
  });
  return fittingTable(columns, rows, layout);
}

/** Each word by itself is bold, so that lines may be broken between them. */
function strong(text: string, colour: boolean): string {
  return text.replace(/\*\*([^*]+)\*\*/gu, (_, words: string) =>
    words
      .split(' ')
      .map((word) => paint(word, 'bold', colour))
      .join(' '),
  );
}
