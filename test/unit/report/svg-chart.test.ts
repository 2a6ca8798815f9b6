import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { ChartSpec } from '../../../src/report/charts/chart.js';
import { rangeChart } from '../../../src/report/charts/range-test.js';
import { svgChart } from '../../../src/report/charts/svg.js';
import { textChart } from '../../../src/report/charts/terminal.js';
import { sampleRangeTest } from './sample-runs.js';
import { textsOf } from './svg-texts.js';

const SIZE = { width: 840, height: 480 };
const spec: ChartSpec = {
  title: 'ants < bees & "wasps"',
  x: { label: 'learning rate', scale: 'log' },
  rows: 12,
  series: [
    {
      name: 'smoothed\u00a0<loss>',
      points: [
        { x: 1e-4, y: 2 },
        { x: 1e-3, y: NaN },
        { x: 1e-2, y: 1 },
      ],
      band: [1e-4, 1e-2].map((x) => ({ x, low: 0.5, high: 2.5 })),
    },
  ],
  bandName: 'range',
  dots: { name: 'raw', points: [1e-4, 1e-3, 1e-2].map((x) => ({ x, y: 1 })) },
  letters: [{ x: 5e-4, y: 1.6, letter: 'R', name: 'recommended 5e-4', colour: 'green' }],
  verticals: [{ x: 5e-4, colour: 'green' }],
};

test('a chart is a whole SVG document that a renderer draws', async () => {
  const svg = svgChart(spec, SIZE);
  const { width, height, format } = await sharp(Buffer.from(svg)).metadata();
  expect({ width, height, format }).toEqual({ ...SIZE, format: 'svg' });
  const { data } = await sharp(Buffer.from(svg)).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  // A picture of one colour would have one value.
  expect(new Set(data).size).toBeGreaterThan(20);
});

test('it names everything, escapes names, and labels the decades as the terminal does', () => {
  const svg = svgChart(spec, SIZE);
  expect(svg).toContain('<title>ants &lt; bees &amp; "wasps"</title>');
  const texts = textsOf(svg);
  const words = ['learning rate', 'smoothed\u00a0<loss>', 'raw', 'range', 'R', 'recommended 5e-4'];
  expect(texts).toEqual(expect.arrayContaining([spec.title, '1e-4', '1e-3', '1e-2', ...words]));
  expect(svg).not.toMatch(/NaN|undefined/u);
});

test('both charts of one description label their y axes alike', () => {
  const texts = textsOf(svgChart(spec, SIZE));
  const labels = textChart(spec, { width: 80, colour: false })
    .split('\n')
    .flatMap((line) => /^ *(\S+) ┤/u.exec(line)?.[1] ?? []);
  expect(labels.length).toBeGreaterThan(2);
  expect(texts).toEqual(expect.arrayContaining(labels));
});

test('a vertical stands at its rate', () => {
  const svg = svgChart(spec, SIZE);
  const [, dashed] = /stroke-dasharray="5 4"[^>]*><line x1="([\d.]+)"/u.exec(svg)!;
  const ticks = [...svg.matchAll(/<path transform="translate\(([\d.]+),[\d.]+\)" d="M0,0L0,6"/gu)].map(
    ([, x]) => Number(x),
  );
  const [low, , high] = ticks;
  // 5e-4 is log10(5) = 0.699 decades from 1e-4, of two.
  expect(Number(dashed)).toBeCloseTo(low! + (0.69897 / 2) * (high! - low!), 0);
});

test('the same chart gives the same text, without ids that could clash on a page', () => {
  const first = svgChart(spec, SIZE);
  expect(svgChart(spec, SIZE)).toBe(first);
  expect(first).not.toMatch(/\bid="|\bclass="|<style/u);
});

test('nothing to draw is a sentence and no error', () => {
  const empty = { ...spec, series: [], dots: { name: 'raw', points: [] } };
  expect(textsOf(svgChart(empty, SIZE))).toEqual([`${spec.title}: no values to draw`]);
});

test('letters of neighbours do not lie over each other', () => {
  const letters = [1e-3, 1.02e-3, 1.04e-3, 9e-3].map((x, index) => {
    return { x, y: 1, letter: 'ABCD'[index]!, name: 'a letter', colour: 'red' as const };
  });
  const svg = svgChart({ ...spec, letters }, SIZE);
  const circles = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="8"/gu)].map(([, x, y]) => [
    Number(x),
    Number(y),
  ]);
  // Four more are in the legend.
  circles.splice(4, 4);
  expect(circles).toHaveLength(4);
  for (const [i, [x, y]] of circles.entries())
    for (const [other, height] of circles.slice(i + 1))
      expect(Math.hypot(x! - other!, y! - height!)).toBeGreaterThanOrEqual(16);
});

test('a heading fits the picture: a long one is set smaller before it is cut off', () => {
  const heading = (title: string, width: number) => {
    const text =
      /<text[^>]*>[^<]*training loss[^<]*<\/text>|<g[^>]*font-size="[\d.]+"[^>]*>\s*<text[^>]*>training[^<]*/u;
    const [found = ''] = text.exec(svgChart({ ...spec, title }, { width, height: 300 })) ?? [];
    return {
      size: Number(/font-size="([\d.]+)"/u.exec(found)?.[1]),
      shown: found.replace(/^.*>(?=[^>])/su, ''),
    };
  };
  const long = 'training loss (below 0.704 and above 0.722 not shown)';
  expect(heading('training loss', 340).size).toBe(12.5);
  // 320 pixels for 53 letters of 0.6 of their size.
  expect(heading(long, 340).size).toBeCloseTo(320 / 0.6 / long.length, 1);
  expect(heading(long, 340).shown).toContain('not shown)');
  expect(heading(long, 640).size).toBe(15);
  // 140 pixels for 25 letters of the smallest size: the cut is not in the number.
  expect(heading(long, 160).shown).toBe('training loss (below …');
});

test('the range test as a chart names every rate', () => {
  const names = [
    'recommended 1.7e-4',
    'steepest 2.7e-4',
    'valley 5.6e-5',
    'slide 9.2e-4',
    'minimum/10 1.1e-4',
  ];
  const texts = textsOf(svgChart(rangeChart(sampleRangeTest(3)), SIZE));
  expect(texts).toEqual(expect.arrayContaining(names));
});
