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

const TABLE = `| rate | 1cycle          | fixed    |
| ---- | --------------- | -------- |
| 1e-4 | **.729** (best) | .720     |
| 2e-4 | .728            | **.722** |

A sentence with **two words** that
are strong.`;

test('strong words are bold where there is colour, and cells keep their place', () => {
  expect(manualPage(TABLE, { width: 80, colour: false })).toBe(`| rate | 1cycle          | fixed    |
| ---- | --------------- | -------- |
| 1e-4 | .729 (best)     | .720     |
| 2e-4 | .728            | .722     |

A sentence with two words that are strong.`);
  const bold = (text: string) => `\u001b[1m${text}\u001b[22m`;
  const coloured = manualPage(TABLE, { width: 40, colour: true });
  expect(coloured).toContain(`| 1e-4 | ${bold('.729')} (best)     | .720     |`);
  expect(coloured).toContain(`A sentence with ${bold('two')} ${bold('words')} that are\n`);
});

test('a table that does not fit is set as those of the commands, and a heading is wrapped', () => {
  expect(manualPage(TABLE, { width: 34, colour: false })).toBe(`rate  1cycle       fixed
────  ───────────  ─────
1e-4  .729 (best)   .720
2e-4  .728          .722

A sentence with two words that are
strong.`);
  expect(manualPage(`# A heading of some words\n\n${TABLE}`, { width: 20, colour: false }))
    .toBe(`A heading of some
words
════════════════════

rate 1e-4
  1cycle: .729
  (best)
  fixed: .720

rate 2e-4
  1cycle: .728
  fixed: .722

A sentence with two
words that are
strong.`);
});
