import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ChartSpec } from '../../../src/report/charts/chart.js';
import { rangeChart } from '../../../src/report/charts/range-test.js';
import { svgChart } from '../../../src/report/charts/svg.js';
import { textChart } from '../../../src/report/charts/terminal.js';
import { findLrReport } from '../../../src/report/pages/find-lr.js';
import { displayWidth } from '../../../src/report/text/width.js';
import { sampleRangeTest } from './sample-runs.js';
import { textsOf } from './svg-texts.js';

const SIZE = { width: 640, height: 400 };
const EXTREMES = [
  5e-324,
  -5e-324,
  2 ** -1074,
  1e-308,
  1e308,
  -1e308,
  Number.MAX_VALUE,
  0,
  -0,
  1,
  1 + 2 ** -52,
];
const anyNumber = fc.oneof(
  fc.double(),
  fc.constantFrom(...EXTREMES, NaN, Infinity, -Infinity),
  fc.double({ min: 0.5, max: 2, noNaN: true }),
);
const anySpec = fc.record({
  title: fc.string({ unit: 'binary' }),
  x: fc.record({
    label: fc.constantFrom('epoch', 'learning rate'),
    scale: fc.constantFrom('linear' as const, 'log' as const),
  }),
  rows: fc.integer({ min: 1, max: 20 }),
  series: fc.array(
    fc.record({
      name: fc.string({ unit: 'binary' }),
      points: fc.array(fc.record({ x: anyNumber, y: fc.option(anyNumber) }), { maxLength: 40 }),
      band: fc.array(fc.record({ x: anyNumber, low: fc.option(anyNumber), high: fc.option(anyNumber) })),
    }),
    { maxLength: 4 },
  ),
  dots: fc.record({ name: fc.string(), points: fc.array(fc.record({ x: anyNumber, y: anyNumber })) }),
  letters: fc.array(
    fc.record({
      x: anyNumber,
      y: anyNumber,
      letter: fc.constantFrom('R', 'X'),
      name: fc.string(),
      colour: fc.constant('red' as const),
    }),
  ),
  verticals: fc.array(fc.record({ x: anyNumber, colour: fc.constant('green' as const) })),
});

test('whatever the numbers and names, the terminal chart keeps to its width and says no NaN', () => {
  fc.assert(
    fc.property(anySpec, fc.integer({ min: 30, max: 120 }), (drawn, width) => {
      const lines = textChart(drawn, { width, colour: false }).split('\n');
      for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
      const area = lines.filter((line) => /[┤│└]/u.test(line));
      expect(area.join('')).not.toMatch(/NaN|Infinity/u);
    }),
    { numRuns: 500 },
  );
});

test('whatever the numbers and names, the picture is well-formed and its numbers are numbers', () => {
  fc.assert(
    fc.property(anySpec, (drawn) => {
      const svg = svgChart(drawn, { width: 640, height: 400 });
      textsOf(svg);
      const attributes = [...svg.matchAll(/<[^>]*>/gu)].join('');
      expect(attributes).not.toMatch(/NaN|Infinity|undefined/u);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test.each([...EXTREMES, 5e-4])('a series that is always %d is drawn by both', (value) => {
  const points = Array.from({ length: 100 }, (_, x) => ({ x, y: value }));
  const constant: ChartSpec = {
    title: 'learning rate',
    x: { label: 'step', scale: 'linear' },
    rows: 7,
    series: [{ name: '1cycle', points }],
  };
  const text = textChart(constant, { width: 60, colour: false });
  expect(text.split('\n').filter((line) => /[┤│]─{40}/u.test(line))).toHaveLength(1);
  expect(svgChart(constant, SIZE).match(/stroke-width="2"/gu)).toHaveLength(1);
});

test('a range test over any rates and losses is drawn by both', () => {
  const point = fc.record({
    step: fc.nat(9),
    learningRate: fc.oneof(fc.double({ min: 0, noNaN: true }), fc.constantFrom(5e-324, 1e-300, 1e308)),
    loss: fc.option(anyNumber),
    smoothedLoss: fc.option(anyNumber),
  });
  const curve = fc.record({
    seed: fc.nat(3),
    points: fc.array(point, { maxLength: 20 }),
    divergedAt: fc.option(fc.nat(9)),
    stop: fc.constantFrom('diverged' as const, 'collapsed' as const, 'end' as const),
  });
  const recommended = fc.option(fc.record({ learningRate: anyNumber, fixedLearningRate: anyNumber }));
  fc.assert(
    fc.property(fc.array(curve, { maxLength: 3 }), recommended, (curves, rates) => {
      const found = { ...sampleRangeTest(1), curves, recommended: rates };
      const text = findLrReport(found, { width: 70, colour: false });
      expect(text).not.toMatch(/NaN|undefined/u);
      for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(70);
      const svg = svgChart(rangeChart(found), SIZE);
      textsOf(svg);
      expect(svg).not.toMatch(/NaN|Infinity|undefined/u);
    }),
    { numRuns: 60 },
  );
}, 60_000);
