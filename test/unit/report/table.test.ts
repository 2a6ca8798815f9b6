import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fittingTable, table, tableWidth } from '../../../src/report/text/table.js';
import { printable } from '../../../src/printable.js';
import { displayWidth, pad, truncate, wrap } from '../../../src/report/text/width.js';

// Widths as in Unicode Standard Annex 11 (W and F are two columns) and UTS 51 (emoji presentation is wide).
test.each([
  ['ant', 3],
  ['Ähre', 4],
  ['e\u0301cole', 5],
  ['蟻と蜂', 6],
  ['개미', 4],
  ['Ａ', 2],
  ['🐝', 2],
  ['👩‍🔬', 2],
  ['🇩🇪', 2],
  ['❤\ufe0f', 2],
  ['─●─', 3],
  ['\u001b[36mred\u001b[39m', 3],
  ['', 0],
])('%s takes %i columns', (text, width) => expect(displayWidth(text)).toBe(width));

test('a name cannot steer the terminal', () => {
  expect(printable('a\u001b[2Jb\nc\u202ed\u0007')).toBe('a?[2Jb?c?d?');
  expect(printable('👩‍🔬')).toBe('👩‍🔬');
});

test('truncating keeps whole characters', () => {
  expect(truncate('hymenoptera', 6)).toBe('hymen…');
  // Two wide characters and the ellipsis would be five columns: one of them has to go.
  expect(truncate('蟻と蜂', 4)).toBe('蟻…');
  expect(truncate('ant', 3)).toBe('ant');
  expect(truncate('val/bees.jpg', 9, 'start')).toBe('…bees.jpg');
  expect(truncate('蟻と蜂', 4, 'start')).toBe('…蜂');
  expect(truncate('ant', 0)).toBe('');
});

test('wrapped lines fit, and lose no word', () => {
  const text = 'the loss fell by less than its noise, so no rate is recommended';
  expect(wrap(text, 20).join(' ')).toBe(text);
  expect(Math.max(...wrap(text, 20).map(displayWidth))).toBeLessThanOrEqual(20);
  expect(wrap('in runs/1cycle-seed0 蟻と蜂', 5)).toEqual([
    'in',
    'runs/',
    '1cycl',
    'e-see',
    'd0',
    '蟻と',
    '蜂',
  ]);
});

test('numbers stand to the right, names to the left, wide names count twice', () => {
  const text = table(
    [{ header: 'class' }, { header: 'images', align: 'right' }],
    [
      ['ant', '1,234'],
      ['蜂', '7'],
    ],
    { width: 40, colour: false },
  );
  expect(text).toBe(['class  images', '─────  ──────', 'ant     1,234', '蜂          7'].join('\n'));
});

test('names are cut before numbers', () => {
  const columns = [{ header: 'class' }, { header: 'accuracy', align: 'right' as const }];
  const rows = [['a very long name of a class', '0.735 (294/400)']];
  expect(tableWidth(columns, rows)).toBe(27 + 2 + 15);
  expect(table(columns, rows, { width: 30, colour: false }).split('\n').at(-1)).toBe(
    'a very long …  0.735 (294/400)',
  );
});

test('a line feed in a cell makes no second line', () => {
  const text = table([{ header: 'class' }], [['a\nb']], { width: 20, colour: false });
  expect(text.split('\n')).toHaveLength(3);
});

test('no line of any table is wider than asked, from 12 columns on', () => {
  const cell = fc.string({ unit: 'grapheme', maxLength: 30 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 12, max: 50 }),
      (rows, width) => {
        const columns = [{ header: 'name' }, { header: 'n', align: 'right' as const }];
        const text = table(columns, rows, { width, colour: false });
        for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(width);
      },
    ),
  );
});

test('numbers are never cut: where names cannot give way, the table is a list', () => {
  const columns = [
    { header: 'class' },
    { header: 'rate', align: 'right' as const },
    { header: 'accuracy', align: 'right' as const },
  ];
  const rows = [
    ['motor vehicle', '6.24e-4', '0.735 (294/400)'],
    ['bus', '4.92e-4', '0.741 (296/400)'],
    ['bicycle', '1.03e-3', '0.752 (301/400)'],
  ];
  const at = (width: number) => table(columns, rows, { width, colour: false });
  // 8 + 2 + 7 + 2 + 15 columns.
  expect(at(34).split('\n')[2]).toBe('motor v…  6.24e-4  0.735 (294/400)');
  expect(at(33).split('\n').slice(0, 5)).toEqual([
    'motor vehicle',
    '  rate: 6.24e-4',
    '  accuracy: 0.735 (294/400)',
    '',
    'bus',
  ]);
  // Nor where they stand among names.
  const settings = [
    ['lr', '0.00123456789'],
    ['data', 'a-folder-with-a-long-name'],
  ];
  const set = (width: number) =>
    table([{ header: 'setting' }, { header: 'value' }], settings, { width, colour: false });
  expect(set(22)).toContain('0.00123456789\n');
  expect(set(21)).toBe('lr\n  value:\n  0.00123456789\n\ndata\n  value:\n  a-folder-with-a-lon\n  g-name');
  const best = table(
    [
      { header: 'seed', align: 'right' },
      { header: 'best', whole: true },
    ],
    [['0', '0.735 in epoch 4']],
    {
      width: 15,
      colour: false,
    },
  );
  expect(best).toBe('seed 0\n  best: 0.735\n  in epoch 4');
});

test('names are cut only while they differ', () => {
  const columns = [{ header: 'name' }, { header: 'images', align: 'right' as const }];
  const rows = [
    ['imagenette', '13,394'],
    ['imagewoof', '12,954'],
  ];
  const at = (width: number) => table(columns, rows, { width, colour: false });
  expect(at(17).split('\n')[2]).toBe('imagenet…  13,394');
  expect(at(15)).toBe(at(15).replaceAll('…', ''));
  const alike = rows.map(([name = '', images = '']) => [name.replace('nette', 'woods'), images]);
  expect(table(columns, alike, { width: 16, colour: false })).toBe(
    'imagewoods\n  images: 13,394\n\nimagewoof\n  images: 12,954',
  );
});

test('padding fills to the width on the side asked for', () => {
  expect(pad('蜂', 4)).toBe('蜂  ');
  expect(pad('7', 3, 'right')).toBe('  7');
});

test('a table that fits no way round is a block a row, and nothing is cut', () => {
  const columns = [{ header: 'arm' }, { header: 'accuracy', align: 'right' as const }, { header: 'best' }];
  const rows = [
    ['fixed', '0.717', 'in epoch 4'],
    ['1cycle', '0.738', 'in epoch 5'],
  ];
  const at = (width: number) => fittingTable(columns, rows, { width, colour: false });
  // 6 + 2 + 8 + 2 + 10 columns as rows; turned 8 + 2 + 10 + 2 + 10.
  expect(at(28)).toBe(table(columns, rows, { width: 28, colour: false }));
  expect(at(27)).toBe(
    [
      'fixed',
      '  accuracy: 0.717',
      '  best: in epoch 4',
      '',
      '1cycle',
      '  accuracy: 0.738',
      '  best: in epoch 5',
    ].join('\n'),
  );
  const wide = [...columns, { header: 'note' }];
  const noted = rows.map((cells) => [...cells, 'x']);
  // 28 + 2 + 4 as rows, 32 turned.
  expect(fittingTable(wide, noted, { width: 33, colour: false })).toBe(
    [
      '               fixed      1cycle',
      '────────  ──────────  ──────────',
      'accuracy       0.717       0.738',
      'best      in epoch 4  in epoch 5',
      'note               x           x',
    ].join('\n'),
  );
});
