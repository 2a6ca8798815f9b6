import { describe, expect, test } from 'vitest';
import type { ChartSeries, ChartSpec } from '../../../src/report/charts/chart.js';
import { chartPair, textChart } from '../../../src/report/charts/terminal.js';
import { stepCharts } from '../../../src/report/charts/training.js';
import { displayWidth } from '../../../src/report/text/width.js';

const epochs = [1, 2, 3, 4, 5];
const plain = { width: 60, colour: false };

/** A curve through values at 1, 2, 3, ... */
function curve(name: string, values: readonly (number | null)[]): ChartSeries {
  return { name, points: values.map((y, index) => ({ x: index + 1, y })) };
}
const accuracy = curve('1cycle', [0.62, 0.66, 0.69, 0.73, 0.74]);

function spec(series: readonly ChartSeries[], more: Partial<ChartSpec> = {}): ChartSpec {
  return { title: 'accuracy', x: { label: 'epoch', scale: 'linear' }, rows: 10, series, ...more };
}

/** The chart's area: what stands right of the axis, top row first. */
function area(chart: string): string[] {
  return chart.split('\n').flatMap((line) => /^.{0,12}?[┤│](.*)$/u.exec(line)?.[1] ?? []);
}

test('five epochs span the whole width, each marked under its tick', () => {
  const lines = textChart(spec([accuracy]), plain).split('\n');
  const axis = lines.find((line) => line.includes('└'))!;
  const ticks = [...axis].flatMap((char, column) => (char === '┬' ? [column] : []));
  expect(ticks).toHaveLength(5);
  expect(ticks.at(-1)).toBe(59);
  for (const column of ticks) expect(lines.filter((line) => [...line][column] === '●')).toHaveLength(1);
});

test('a mark stands in the row that its label names', () => {
  const chart = textChart(spec([curve('a', [0.6, 0.65, 0.7, 0.75, 0.8])], { rows: 9 }), plain);
  for (const value of ['0.60', '0.70', '0.80']) {
    const row = chart.split('\n').find((line) => line.trim().startsWith(`${value} ┤`));
    expect(row, value).toContain('●');
  }
});

test('a rising line is drawn rising', () => {
  const values = Array.from({ length: 200 }, (_, step) => step);
  const rows = area(textChart(spec([curve('steps', values)]), plain));
  // A line without symbols that only rises begins in the lowest row and ends in the highest.
  const starts = rows.map((row) => row.search(/\S/u)).filter((start) => start >= 0);
  expect(starts).toEqual([...starts].sort((a, b) => b - a));
});

test('NaN, infinite and null values are left out, and the curve ends where the numbers end', () => {
  const values = [1, 0.8, NaN, 0.6, Infinity, 0.5, null, NaN];
  const all = curve(
    'all',
    values.map(() => 0.7),
  );
  const chart = textChart(spec([curve('loss', values), all]), plain);
  expect(chart).not.toMatch(/NaN|Infinity|null/u);
  // The sixth of eight is the last that is drawn: the right quarter holds the other curve alone.
  const rows = area(chart).map((row) => row.padEnd(54).slice(-13));
  expect(rows.filter((row) => /[─╮╯╰╭●]/u.test(row))).toHaveLength(0);
});

test('a curve that leaves the axis ends at its edge and comes back where it is inside again', () => {
  const y = { low: 0, high: 1 };
  const chart = textChart(spec([curve('loss', [0.5, 0.5, 9, 9, 0.5, 0.5])], { y }), { ...plain, width: 58 });
  // Columns 0, 10, 20, ... of the area: up to the first value beyond there is a line, then none up to the fifth.
  const rows = area(chart).map((row) => row.padEnd(51));
  const drawnAt = (column: number) => rows.some((row) => row[column] !== ' ');
  expect([0, 10, 20].map(drawnAt)).toEqual([true, true, true]);
  expect([22, 30, 38].map(drawnAt)).toEqual([false, false, false]);
  expect([40, 50].map(drawnAt)).toEqual([true, true]);
});

test('without colour every series has a stroke and a symbol of its own', () => {
  const series = ['a', 'b', 'c', 'd'].map((name, index) =>
    curve(
      name,
      epochs.map((epoch) => epoch + 10 * index),
    ),
  );
  const legend = textChart(spec(series), plain).split('\n').at(-1)!;
  const samples = legend.split(/\s{3}/u).map((entry) => entry.split(' ')[0]);
  expect(new Set(samples).size).toBe(4);
  expect(legend).toBe('─●─ a   ═▲═ b   ╌■╌ c   ━◆━ d');
});

test('curves that meet say so', () => {
  const chart = textChart(spec([accuracy, { ...accuracy, name: 'twin' }]), plain);
  expect(chart.split('\n').at(-1)).toBe('─●─ 1cycle   ═▲═ twin   * several at one place');
  expect(area(chart).join('').match(/\*/gu)).toHaveLength(5);
});

test('curves that lie on each other take turns, so that both are seen', () => {
  const values = Array<number>(200).fill(0.9);
  const other = values.map((value, i) => (i < 150 ? value : 0.8));
  const rows = area(textChart(spec([curve('a', values), curve('b', other)]), plain));
  const shared = rows[0]!.slice(0, 39);
  expect(shared.match(/─/gu)!.length).toBeGreaterThan(12);
  expect(shared.match(/═/gu)!.length).toBeGreaterThan(12);
});

describe('step decay', () => {
  const steps = (count: number) =>
    Array.from({ length: count }, (_, step) => {
      const third = Math.floor((3 * step) / count);
      return { step, learningRate: 4e-3 / 2 ** third, momentum: 0.9 };
    });

  test.each([12, 200, 1200])('of %i steps is drawn as two falls from level to level', (count) => {
    const { learningRate } = stepCharts([{ name: 'fixed', steps: steps(count) }]);
    const rows = area(textChart(learningRate, plain));
    // At each fall a column has the line's corner above, verticals, and its corner below: no level in between.
    const columns = Array.from({ length: 53 }, (_, column) =>
      rows
        .map((row) => [...row][column] ?? ' ')
        .filter((char) => !' ●'.includes(char))
        .join(''),
    );
    expect(columns.filter((column) => column.includes('╮')).length).toBe(2);
    expect(columns.every((column) => /^(─?|╮╎*│*╰)$/u.test(column))).toBe(true);
  });

  test('and an annealed rate stays a slope', () => {
    const annealed = steps(12).map((at) => ({ ...at, learningRate: 1e-3 * at.step }));
    const { learningRate } = stepCharts([{ name: '1cycle', steps: annealed }]);
    expect(learningRate.series[0]!.held).toBe(false);
    expect(stepCharts([{ name: 'fixed', steps: steps(12) }]).learningRate.series[0]!.held).toBe(true);
  });
});

test('a vertical stands at its x, named in the legend', () => {
  const verticals = [{ x: 4, name: 'best, epoch 4', colour: 'green' as const }];
  const chart = textChart(spec([accuracy], { verticals }), plain);
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

describe('bands', () => {
  const banded = (name: string, shift: number): ChartSeries => ({
    ...curve(
      name,
      epochs.map((epoch) => epoch / 10 + shift),
    ),
    band: epochs.map((x) => ({ x, low: x / 10 + shift - 0.05, high: x / 10 + shift + 0.05 })),
  });

  test('a band is shaded behind its curve', () => {
    const chart = textChart(spec([banded('1cycle', 0)], { bandName: 'lowest to highest seed' }), plain);
    expect(chart.split('\n').at(-1)).toBe('─●─ 1cycle   ░ lowest to highest seed');
    expect(area(chart).join('').match(/░/gu)!.length).toBeGreaterThan(54);
  });

  test('two have shades of their own, and of three none is drawn', () => {
    const two = textChart(spec([banded('a', 0), banded('b', 1)], { bandName: 'range' }), plain);
    expect(two.split('\n').at(-1)).toBe('─●─░ a   ═▲═▒ b   ░▒ range');
    const three = textChart(
      spec([banded('a', 0), banded('b', 1), banded('c', 2)], { bandName: 'range' }),
      plain,
    );
    expect(three).not.toMatch(/[░▒]|range/u);
  });
});

test('letters of one place stand above each other, and are named once', () => {
  const letter = (x: number, char: string) => {
    return { x, y: 0.66, letter: char, name: `is ${char}`, colour: 'red' as const };
  };
  const letters = [letter(2, 'A'), letter(2, 'B'), letter(4, 'A'), letter(9, 'C')];
  const chart = textChart(spec([accuracy], { letters }), plain);
  const rows = area(chart);
  const column = rows.find((row) => row.includes('B'))!.indexOf('B');
  expect(rows.filter((row) => row[column] === 'A' || row[column] === 'B').map((row) => row[column])).toEqual([
    'B',
    'A',
  ]);
  // C stands beyond the axis: it is neither drawn nor named.
  expect(chart.split('\n').at(-1)).toBe('─●─ 1cycle   A is A   B is B');
});

test('a pair stands side by side from 100 columns on, with both axes on one line', () => {
  const [left, right] = [spec([accuracy]), spec([curve('b', [3, 3, 3])])];
  const lines = chartPair(left, right, { width: 100, colour: false }).split('\n');
  expect(lines.filter((line) => line.match(/└/gu)?.length === 2)).toHaveLength(1);
  const below = chartPair(left, right, { width: 99, colour: false }).split('\n');
  expect(below.filter((line) => line.includes('└'))).toHaveLength(2);
});

describe('little to draw', () => {
  test('no value is a sentence', () => {
    expect(textChart(spec([]), plain)).toBe('accuracy: no values to draw');
    expect(textChart(spec([curve('a', [NaN, null])]), plain)).toBe('accuracy: no values to draw');
  });

  test('one value is one mark', () => {
    const chart = textChart(spec([curve('a', [0.7])]), plain);
    expect(area(chart).join('').replaceAll(' ', '')).toBe('●');
    expect(chart).toContain('epoch');
  });

  test('a constant is a straight line', () => {
    const chart = textChart(spec([curve('rate', Array(100).fill(5e-4))]), plain);
    expect(area(chart).filter((row) => row.includes('─'))).toHaveLength(1);
    expect(chart).toMatch(/5e-4 ┤─+/u);
  });
});

test.each([40, 60, 80, 200])('at %i columns no line is wider, whatever the names', (width) => {
  const series = [
    accuracy,
    { ...accuracy, name: 'ein sehr langer Name für eine Kurve, 蟻と蜂, der nicht passt' },
  ];
  const labels = { title: 'y'.repeat(300), x: { label: 'x'.repeat(300), scale: 'linear' as const } };
  const chart = textChart(spec(series, labels), { width, colour: false });
  expect(Math.max(...chart.split('\n').map(displayWidth))).toBeLessThanOrEqual(width);
});

test('a long title and a long legend take several lines, and no number in them is cut', () => {
  const title = 'training loss (below 0.704 and above 2.615 not shown)';
  const name = 'smoothed loss, median of 20 seeds at 6.24e-4';
  const lines = textChart(spec([{ ...accuracy, name }], { title }), { width: 32, colour: false }).split('\n');
  expect(lines.slice(0, 2)).toEqual(['training loss (below 0.704 and', 'above 2.615 not shown)']);
  expect(lines.slice(-2)).toEqual(['─●─ smoothed loss, median of 20', '    seeds at 6.24e-4']);
});

test('long runs do not exhaust the stack', () => {
  const values = Array.from({ length: 150_000 }, (_, step) => Math.exp(-step / 1e5));
  expect(area(textChart(spec([curve('loss', values)]), plain)).join('')).toContain('─');
});
