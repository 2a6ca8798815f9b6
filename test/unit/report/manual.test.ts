import { expect, test } from 'vitest';
import { manualPage } from '../../../src/report/pages/manual.js';

const PAGE = `# A page

Its text is
broken anywhere, with **strong** words, \`--flags\` and [a link](data/README.md).

## A part

Before a list:
- one item that goes on
  over two lines
- another

1. first
2. second

    code   stays

      as it is, however long its lines may be

| a table | too |
| ------- | --- |
| and     | so  |
`;

test('a page: paragraphs and items wrapped, tables and code as they are', () => {
  expect(manualPage(PAGE, { width: 32, colour: false })).toBe(`A page
══════

Its text is broken anywhere,
with strong words, \`--flags\` and
a link (data/README.md).

A part
──────

Before a list:
- one item that goes on over two
  lines
- another

1. first
2. second

    code   stays

      as it is, however long its lines may be

| a table | too |
| ------- | --- |
| and     | so  |`);
});

test('lines are never longer than 100 columns, and headings are bold where there is colour', () => {
  const long = `# ${'title '.repeat(3)}\n\n${'word '.repeat(100)}`;
  const lines = manualPage(long, { width: 250, colour: false }).split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBe(99);
  expect(manualPage(PAGE, { width: 80, colour: true })).toContain('\u001b[1mA part\u001b[22m\n');
});
