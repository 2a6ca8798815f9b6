import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { xAxis, yAxis } from '../../../src/report/charts/axes.js';
import { exponential, tickFormat } from '../../../src/report/text/numbers.js';

describe('tick labels', () => {
  test.each([
    [0.05, 0.75, 0.7, '0.70'],
    [0.25, 2, 1.25, '1.25'],
    [50, 200, 150, '150'],
    [1e-4, 5e-4, 3e-4, '3e-4'],
    [2e-5, 1.4e-4, 1.2e-4, '1.2e-4'],
    [2.5e-4, 5e-4, 2.5e-4, '2.5e-4'],
    [1e-4, 5e-4, 0, '0'],
    [1e5, 5e5, 3e5, '3e5'],
    [0.1, 0.5, -0, '0.0'],
  ])('with a unit of %d up to %d, %d is %s', (unit, largest, value, text) =>
    expect(tickFormat(unit, largest)(value)).toBe(text),
  );

  test('a mantissa has no zeros at its end', () => {
    expect(exponential(5e-4, 3)).toBe('5e-4');
    expect(exponential(0.00012, 3)).toBe('1.2e-4');
    expect(exponential(3e5, 2)).toBe('3e5');
  });
});

describe('yAxis', () => {
  test('covers the range within the rows, and every label is the value of its row', () => {
    const span = fc.tuple(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
      fc.integer({ min: 3, max: 40 }),
    );
    fc.assert(
      fc.property(span, ([low, size, maxRows]) => {
        fc.pre(size > 1e-6 * Math.abs(low));
        const axis = yAxis({ low, high: low + size }, maxRows);
        expect(axis.rows).toBeLessThanOrEqual(Math.max(3, maxRows));
        expect(axis.row(low)).toBeGreaterThan(-1e-3);
        expect(axis.row(low + size)).toBeLessThan(axis.rows - 1 + 1e-3);
        axis.labels.forEach((label, row) => {
          if (label !== '') expect(axis.row(Number(label))).toBeCloseTo(row, 2);
        });
      }),
    );
  });

  test('uses the rows that it is given, and labels at least two', () => {
    for (let high = 0.1; high < 10; high *= 1.17) {
      const axis = yAxis({ low: 0.02, high }, 12);
      expect(axis.rows).toBeGreaterThanOrEqual(8);
      expect(axis.labels.filter((label) => label !== '').length).toBeGreaterThanOrEqual(2);
    }
  });

  test('a constant lies in the middle', () => {
    expect(yAxis({ low: 0.9, high: 0.9 }, 10).labels).toEqual(['', '0.9', '']);
    expect(yAxis({ low: 1.7234e-4, high: 1.7234e-4 }, 10).labels).toEqual(['', '1.7234e-4', '']);
    const axis = yAxis({ low: 5e-4, high: 5e-4 }, 10);
    expect(axis.labels[Math.round(axis.row(5e-4))]).toBe('5e-4');
    expect(axis.row(5e-4)).toBeCloseTo((axis.rows - 1) / 2);
    expect(yAxis({ low: 0, high: 0 }, 10).row(0)).toBeGreaterThan(0);
  });
});

describe('xAxis', () => {
  test('spans all columns', () => {
    const { column } = xAxis('linear', { low: 1, high: 5 }, 41);
    expect([1, 2, 3, 5].map(column)).toEqual([0, 10, 20, 40]);
  });

  test('few epochs are all labelled', () => {
    const { ticks } = xAxis('linear', { low: 1, high: 5 }, 50);
    expect(ticks.map(({ label }) => label)).toEqual(['1', '2', '3', '4', '5']);
  });

  test('of many epochs round ones are, and the first', () => {
    const { ticks } = xAxis('linear', { low: 1, high: 20 }, 40);
    expect(ticks.map(({ x }) => x)).toEqual([1, 5, 10, 15, 20]);
  });

  test('a single epoch stands in the middle', () => {
    const { column, ticks } = xAxis('linear', { low: 1, high: 1 }, 41);
    expect(column(1)).toBe(20);
    expect(ticks).toEqual([{ x: 1, label: '1' }]);
  });

  test('a logarithmic axis is labelled at its decades, also where they are its ends', () => {
    const { ticks, column } = xAxis('log', { low: 1e-7, high: 10 }, 81);
    expect(ticks.map(({ label }) => label)).toEqual([
      '1e-7',
      '1e-6',
      '1e-5',
      '1e-4',
      '1e-3',
      '1e-2',
      '1e-1',
      '1',
      '10',
    ]);
    expect(ticks.map(({ x }) => Math.round(column(x)))).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80]);
  });

  test('less than two decades get their doubles and fivefolds', () => {
    const { ticks } = xAxis('log', { low: 1.5e-4, high: 1.5e-3 }, 60);
    expect(ticks.map(({ label }) => label)).toEqual(['2e-4', '5e-4', '1e-3']);
  });
});
