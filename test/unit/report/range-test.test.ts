import { expect, test } from 'vitest';
import { medianCurve, rangeChart } from '../../../src/report/charts/range-test.js';
import { textChart } from '../../../src/report/charts/terminal.js';
import { findLrReport } from '../../../src/report/pages/find-lr.js';
import type { FinderDocument } from '../../../src/runs/documents.js';
import type { RangeCurve } from '../../../src/stats/range/curve.js';
import { sampleRangeTest } from './sample-runs.js';

/** A curve over 1e-6 to 1 in which the loss is given per decade and runs straight between. */
function curve(seed: number, losses: readonly number[], stop: RangeCurve['stop'] = 'end'): RangeCurve {
  const points = losses.map((loss, step) => ({
    step,
    learningRate: 10 ** (step - 6),
    loss,
    smoothedLoss: loss,
  }));
  return { seed, points, divergedAt: stop === 'end' ? null : points.length - 1, stop };
}

const rates = (median: number) => ({ median, low: median, high: median });
const view: FinderDocument = {
  ...sampleRangeTest(1),
  curves: [curve(0, [2.3, 2.3, 2.2, 1.8, 1.2, 1.5, 9], 'diverged')],
  suggestions: {
    steepest: rates(1e-3),
    valley: rates(1e-4),
    slide: { median: null, low: null, high: null },
    minimum: { median: null, low: null, high: null },
  },
  recommended: { learningRate: 1e-2, fixedLearningRate: 5e-3 },
  reason: 'because',
};
const drawn = (test: FinderDocument, width = 80) => textChart(rangeChart(test), { width, colour: false });

test('a lucky first batch is no valley: the chart is that of the descent after it', () => {
  // The first tenth of seven places over six decades is trimmed; the descent is from 2.3 to 1.2.
  const lucky = { ...view, curves: [curve(0, [1.1, 2.3, 2.2, 1.8, 1.2, 1.5, 9], 'diverged')] };
  const { low, high } = rangeChart(lucky).y!;
  expect(low).toBeCloseTo(1.1, 2);
  expect(high).toBeGreaterThan(2.3);
  expect(high).toBeLessThan(2.6);
});

/** Column of the tick that carries a label. */
function tick(lines: readonly string[], label: string): number {
  const axis = [...lines.find((line) => line.includes('└'))!];
  const labels = lines[lines.findIndex((line) => line.includes('└')) + 1]!;
  const start = labels.lastIndexOf(label);
  return axis.findIndex((char, column) => char === '┬' && column >= start && column < start + label.length);
}

test.each([60, 120, 200])('at %i columns each letter stands over its rate', (width) => {
  const lines = drawn(view, width).split('\n');
  const rows = lines.filter((line) => /^.{0,6}?[┤│]/u.test(line));
  for (const [letter, label] of [
    ['S', '1e-3'],
    ['V', '1e-4'],
    ['R', '1e-2'],
    ['X', '1'],
  ] as const) {
    const columns = rows.map((row) => [...row].indexOf(letter)).filter((column) => column >= 0);
    expect(columns, letter).toHaveLength(1);
    expect(Math.abs(columns[0]! - tick(lines, label)), letter).toBeLessThanOrEqual(1);
  }
  // A method without an answer is neither drawn nor named.
  expect(rows.join('')).not.toMatch(/[LM]/u);
  expect(lines.join(' ')).not.toMatch(/slide|minimum/u);
});

test('two suggestions of one rate stand above each other', () => {
  const same = { ...view, suggestions: { ...view.suggestions, valley: rates(1e-3) } };
  const rows = drawn(same)
    .split('\n')
    .filter((line) => /^.{0,6}?[┤│]/u.test(line));
  const at = (letter: string) => rows.map((row) => [...row].indexOf(letter)).find((column) => column >= 0);
  expect(at('S')).toBeDefined();
  expect(at('S')).toBe(at('V'));
});

test('a divergence far above the start is cut, and the title says so', () => {
  // A quarter of the descent above the start: 2.3 + (2.3 - 1.2) / 4 = 2.575, as a double a little less.
  expect(drawn(view)).toContain('training loss (above 2.57 not shown)');
  const flat = { ...view, curves: [curve(0, [2.3, 2.2, 2.1, 2, 1.9, 1.8, 1.7])] };
  expect(drawn(flat).split('\n')[0]).toBe('training loss');
});

test('a shallow valley fills the chart, and raw losses beyond it are cut and said', () => {
  // The smoothed curve falls from 2 to 1.9, and 2% of the lowest are shown above and below, where there is anything.
  const smoothed = [2, 2, 1.98, 1.94, 1.9, 1.93, 5];
  const shallow = curve(0, smoothed, 'diverged');
  const points = shallow.points.map((point, i) => ({
    ...point,
    loss: point.smoothedLoss! + (i % 2 === 0 ? 0.4 : -0.4),
  }));
  const { y, title } = rangeChart({ ...view, curves: [{ ...shallow, points }] });
  expect(y!.low).toBeCloseTo(1.9, 10);
  expect(y!.high).toBeCloseTo(2 + 0.02 * 1.9, 10);
  expect(title).toBe('training loss (below 1.9 and above 2.04 not shown)');
  const rows = drawn({ ...view, curves: [{ ...shallow, points }] })
    .split('\n')
    .filter((line) => /^.{0,6}?[┤│]/u.test(line));
  const line = rows.flatMap((row, i) => (/[─╮╰╭╯]/u.test(row) ? [i] : []));
  expect(line.length / rows.length).toBeGreaterThan(0.65);
});

test('at 60 columns every letter that is drawn is explained under the chart', () => {
  const text = drawn(sampleRangeTest(3), 60);
  const [area, legend] = text.split('learning rate, logarithmic');
  const letters = new Set([...area!.replace(/^.*\n/u, '')].filter((char) => /[A-Z]/u.test(char)));
  expect([...letters].sort()).toEqual(['L', 'M', 'R', 'S', 'V', 'X']);
  for (const letter of letters) expect(legend).toMatch(new RegExp(`(^|\\s)${letter} [a-z]`, 'mu'));
  expect(legend).not.toContain('…');
});

test('the median needs half of the seeds', () => {
  const curves = [
    curve(0, [3, 2, 1, 1, 1]),
    curve(1, [3, 3, 2, 2, 2, 2, 2]),
    curve(2, [3, 4, 3, 3, 3, 3, 3]),
    curve(3, [3, 2, 1]),
  ];
  const points = medianCurve(curves, 1e-6, 1);
  const at = (rate: number) => points.find(({ learningRate }) => learningRate > rate * 0.999)!;
  expect(at(1e-5)).toMatchObject({ median: 2.5, low: 2, high: 4 });
  expect(at(1e-2)).toMatchObject({ median: 2, low: 1, high: 3 });
  expect(at(1)).toMatchObject({ median: 2.5, low: 2, high: 3 });
  const half = medianCurve(curves.slice(1), 1e-6, 1).at(-1)!;
  expect(half.median).toBe(2.5);
  expect(medianCurve([curves[0]!, curves[3]!, curves[1]!], 1e-6, 1).at(-1)).toMatchObject({
    median: null,
    low: 2,
    high: 2,
  });
});

test('NaN ends a curve and nothing else', () => {
  const broken = { ...view, curves: [curve(0, [2.3, 2.2, 1.8, 1.5, NaN], 'diverged')] };
  const text = drawn(broken);
  expect(text).not.toContain('NaN');
  expect(text).toContain('1e-3');
  const dead = { ...view, curves: [curve(0, [NaN], 'diverged')] };
  expect(drawn(dead)).toBe('training loss: no values to draw');
});

test('a refusal says that no rate is recommended, and why', () => {
  const text = findLrReport(
    { ...view, recommended: null, reason: 'The loss stayed flat.' },
    { width: 80, colour: false },
  );
  expect(text).toContain('No rate is recommended.\n\nThe loss stayed flat.');
  expect(text).not.toContain('┊');
});

test('the recommended rates and the spread over the seeds are in the report', () => {
  const text = findLrReport(sampleRangeTest(3), { width: 100, colour: false });
  expect(text).toContain('Recommended: maximum rate 1.72e-4 for 1cycle, 5.7e-5 for a fixed policy.');
  // 4.4e-4 / 2.1e-4 = 2.095
  expect(text).toMatch(/S {2}steepest +2\.7e-4 +2\.1e-4 +4\.4e-4 +x 2\.1/u);
});

test('a method without an answer on some seeds says on how many it has one', () => {
  const document = sampleRangeTest(3);
  const { steepest, valley } = document.suggestions;
  const alone = { median: 6.4e-2, low: 6.4e-2, high: 6.4e-2, seeds: 1 };
  const suggestions = { ...document.suggestions, steepest: { ...steepest, seeds: 2 }, valley: alone };
  const text = findLrReport({ ...document, suggestions }, { width: 100, colour: false });
  expect(text).toMatch(/steepest .* x 2\.1, 2 of 3 seeds/u);
  expect(text).toMatch(/valley .* 1 of 3 seeds/u);
  expect(text).not.toContain('x 1.0');
  expect(valley.seeds).toBeUndefined();
});
