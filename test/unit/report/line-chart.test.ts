import { describe, expect, test } from 'vitest';
import { type ChartSeries, lineChart } from '../../../src/report/charts/line-chart.js';
import { displayWidth } from '../../../src/report/text/width.js';

const epochs = [1, 2, 3, 4, 5];
const accuracy: ChartSeries = { name: '1cycle', x: epochs, values: [0.62, 0.66, 0.69, 0.73, 0.74] };
const plain = { width: 60, colour: false };

/** The chart's area: what stands right of the axis, top row first. */
function area(chart: string): string[] {
  return chart.split('\n').flatMap((line) => /^.{0,12}?[┤│](.*)$/u.exec(line)?.[1] ?? []);
}

test('five epochs span the whole width, each marked under its tick', () => {
  const lines = lineChart({ ...plain, series: [accuracy], xLabel: 'epoch' }).split('\n');
  const axis = lines.find((line) => line.includes('└'))!;
  const ticks = [...axis].flatMap((char, column) => (char === '┬' ? [column] : []));
  expect(ticks).toHaveLength(5);
  expect(ticks.at(-1)).toBe(59);
  for (const column of ticks) expect(lines.filter((line) => [...line][column] === '●')).toHaveLength(1);
});

test('a mark stands in the row that its label names', () => {
  const chart = lineChart({
    ...plain,
    series: [{ ...accuracy, values: [0.6, 0.65, 0.7, 0.75, 0.8] }],
    height: 9,
  });
  for (const value of ['0.60', '0.70', '0.80']) {
    const row = chart.split('\n').find((line) => line.trim().startsWith(`${value} ┤`));
    expect(row, value).toContain('●');
  }
});

test('a rising line is drawn rising', () => {
  const values = Array.from({ length: 200 }, (_, step) => step);
  const rows = area(lineChart({ ...plain, series: [{ name: 'steps', values }] }));
  // A line without symbols that only rises begins in the lowest row and ends in the highest.
  const starts = rows.map((row) => row.search(/\S/u)).filter((start) => start >= 0);
  expect(starts).toEqual([...starts].sort((a, b) => b - a));
});

test('NaN, infinite and null values are left out, and the curve ends where the numbers end', () => {
  const values = [1, 0.8, NaN, 0.6, Infinity, 0.5, null, NaN];
  const chart = lineChart({
    ...plain,
    series: [
      { name: 'loss', values },
      { name: 'all', values: values.map(() => 0.7) },
    ],
  });
  expect(chart).not.toMatch(/NaN|Infinity|null/u);
  // Index 5 of 0 to 7 is the last that is drawn: the right quarter holds the other curve alone.
  const rows = area(chart).map((row) => row.padEnd(54).slice(-13));
  expect(rows.filter((row) => /[─╮╯╰╭●]/u.test(row))).toHaveLength(0);
});

test('without colour every series has a stroke and a symbol of its own', () => {
  const series = ['a', 'b', 'c', 'd'].map((name, index) => ({
    name,
    x: epochs,
    values: epochs.map((epoch) => epoch + 10 * index),
  }));
  const legend = lineChart({ ...plain, series })
    .split('\n')
    .at(-1)!;
  const samples = legend.split(/\s{3}/u).map((entry) => entry.split(' ')[0]);
  expect(new Set(samples).size).toBe(4);
  expect(legend).toBe('─●─ a   ═▲═ b   ╌■╌ c   ━◆━ d');
});

test('curves that meet say so', () => {
  const series = [accuracy, { ...accuracy, name: 'twin' }];
  const chart = lineChart({ ...plain, series });
  expect(chart.split('\n').at(-1)).toBe('─●─ 1cycle   ═▲═ twin   * several at one place');
  expect(area(chart).join('').match(/\*/gu)).toHaveLength(5);
});

test('a marker is a vertical at its x, named in the legend', () => {
  const chart = lineChart({ ...plain, series: [accuracy], markers: [{ x: 4, name: 'best, epoch 4' }] });
  expect(chart).toContain('┊ best, epoch 4');
  const axis = [...chart.split('\n').find((line) => line.includes('└'))!];
  const fourth = axis.flatMap((char, column) => (char === '┬' ? [column] : []))[3]!;
  const columns = chart
    .split('\n')
    .slice(0, -1)
    .map((line) => [...line].indexOf('┊'))
    .filter((column) => column >= 0);
  expect(new Set(columns)).toEqual(new Set([fourth]));
});

test('a band is shaded behind its curve', () => {
  const band = {
    low: accuracy.values.map((value) => value! - 0.05),
    high: accuracy.values.map((value) => value! + 0.05),
  };
  const chart = lineChart({ ...plain, series: [{ ...accuracy, band }], bandLabel: 'lowest to highest seed' });
  expect(chart.split('\n').at(-1)).toBe('─●─░ 1cycle   ░ lowest to highest seed');
  expect(area(chart).join('').match(/░/gu)!.length).toBeGreaterThan(54);
});

describe('little to draw', () => {
  test('no value is a sentence', () => {
    expect(lineChart({ ...plain, series: [], yLabel: 'loss' })).toBe('loss: no values to draw');
    expect(lineChart({ ...plain, series: [{ name: 'a', values: [NaN, null] }] })).toBe(
      'chart: no values to draw',
    );
  });

  test('one value is one mark', () => {
    const chart = lineChart({ ...plain, series: [{ name: 'a', x: [1], values: [0.7] }], xLabel: 'epoch' });
    expect(area(chart).join('').replaceAll(' ', '')).toBe('●');
    expect(chart).toContain('epoch');
  });

  test('a constant is a straight line', () => {
    const chart = lineChart({ ...plain, series: [{ name: 'rate', values: Array(100).fill(5e-4) }] });
    expect(area(chart).filter((row) => row.includes('─'))).toHaveLength(1);
    expect(chart).toMatch(/5e-4 ┤─+/u);
  });
});

test.each([40, 60, 80, 200])('at %i columns no line is wider, whatever the names', (width) => {
  const series = [
    accuracy,
    { ...accuracy, name: 'ein sehr langer Name für eine Kurve, 蟻と蜂, der nicht passt' },
  ];
  const chart = lineChart({ width, colour: false, series, yLabel: 'y'.repeat(300), xLabel: 'x'.repeat(300) });
  expect(Math.max(...chart.split('\n').map(displayWidth))).toBeLessThanOrEqual(width);
});

test('long runs do not exhaust the stack', () => {
  const values = Array.from({ length: 150_000 }, (_, step) => Math.exp(-step / 1e5));
  expect(area(lineChart({ ...plain, series: [{ name: 'loss', values }] })).join('')).toContain('─');
});
