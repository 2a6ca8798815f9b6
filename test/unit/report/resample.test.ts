import fc from 'fast-check';
import { expect, test } from 'vitest';
import { finitePoints, resampleToColumns } from '../../../src/report/charts/resample.js';
import { lineStrokes } from '../../../src/report/charts/terminal.js';

test('what is no number is left out', () => {
  const points = [null, NaN, Infinity, -Infinity, 1].map((y, x) => ({ x, y }));
  expect(finitePoints([...points, { x: NaN, y: 1 }])).toEqual([{ x: 4, y: 1 }]);
});

test('many points become means', () => {
  // Columns 0 and 1 take the points that round to them: 0, 0.4 and 0.6, 1.
  const points = [0, 0.4, 0.6, 1].map((x, index) => ({ x, y: [1, 3, 10, 20][index]! }));
  expect(resampleToColumns(points, (x) => x, 2)).toEqual([2, 15]);
});

test('few points are joined by straight lines, and nothing lies outside them', () => {
  const points = [
    { x: 1, y: 10 },
    { x: 4, y: 40 },
    { x: 6, y: 0 },
  ];
  expect(resampleToColumns(points, (x) => x, 8)).toEqual([null, 10, 20, 30, 40, 20, 0, null]);
});

test('on a logarithmic axis the line is straight in the logarithm', () => {
  const points = [
    { x: 1e-4, y: 0 },
    { x: 1e-2, y: 8 },
  ];
  const values = resampleToColumns(points, (x) => 2 * (Math.log10(x) + 4), 5);
  values.forEach((value, index) => expect(value).toBeCloseTo(2 * index));
});

test('values stay within those of the points, whatever their order', () => {
  const point = fc.record({
    x: fc.double({ min: 0, max: 50, noNaN: true }),
    y: fc.double({ min: -5, max: 5, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(point, { minLength: 1, maxLength: 80 }), (points) => {
      const values = resampleToColumns(points, (x) => x, 51);
      expect(values).toHaveLength(51);
      const [low, high] = [Math.min(...points.map(({ y }) => y)), Math.max(...points.map(({ y }) => y))];
      expect(values.every((value) => value === null || (value > low - 1e-9 && value < high + 1e-9))).toBe(
        true,
      );
      const reversed = resampleToColumns([...points].reverse(), (x) => x, 51);
      const differences = reversed.map((value, index) => Math.abs((value ?? 99) - (values[index] ?? 99)));
      expect(Math.max(...differences)).toBeLessThan(1e-6);
    }),
  );
});

const LIGHT = ['─', ' ', '╶', '╴', '─', '╰', '╭', '╮', '╯', '│'];

test('a line is drawn in each column in its row, and interrupted where there is none', () => {
  const strokes = lineStrokes([0, 0, 2, null, 1], 3, LIGHT);
  const rows = [2, 1, 0].map((row) =>
    [0, 1, 2, 3, 4]
      .map((column) => strokes.find((at) => at.column === column && at.row === row)?.char ?? ' ')
      .join(''),
  );
  expect(rows).toEqual([' ╭─  ', ' │  ─', '─╯   ']);
});

test('rows beyond the chart are held at its edge', () => {
  const strokes = lineStrokes([-4, 9], 3, LIGHT);
  expect(strokes.every(({ row }) => row >= 0 && row <= 2)).toBe(true);
  expect(strokes.find(({ column, row }) => column === 1 && row === 2)?.char).toBe('─');
});
