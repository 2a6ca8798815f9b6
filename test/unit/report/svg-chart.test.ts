import sharp from 'sharp';
import { expect, test } from 'vitest';
import { rangeSvg } from '../../../src/report/charts/range-svg.js';
import { labelLevels, svgChart, type SvgChartSpec } from '../../../src/report/charts/svg.js';
import { sampleRangeTest } from './sample-runs.js';

const spec: SvgChartSpec = {
  title: 'ants < bees & "wasps"',
  xLabel: 'learning rate',
  yLabel: 'loss',
  xScale: 'log',
  series: [
    { name: 'raw', kind: 'dots', points: [1e-4, 1e-3, 1e-2].map((x) => ({ x, y: 1 })), colour: '#123456' },
    {
      name: 'smoothed',
      points: [
        { x: 1e-4, y: 2 },
        { x: 1e-3, y: NaN },
        { x: 1e-2, y: 1 },
      ],
      band: [1e-4, 1e-2].map((x) => ({ x, low: 0.5, high: 2.5 })),
    },
  ],
  markers: [{ x: 5e-4, name: 'recommended 5e-4', colour: '#00785a' }],
};

test('a chart is a whole SVG document that a renderer draws', async () => {
  const svg = await svgChart(spec);
  const { width, height, format } = await sharp(Buffer.from(svg)).metadata();
  expect({ width, height, format }).toEqual({ width: 840, height: 480, format: 'svg' });
  const { data, info } = await sharp(Buffer.from(svg))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  // Nothing but white would have a standard deviation of 0.
  expect(new Set(data.subarray(0, info.width * info.height * 3)).size).toBeGreaterThan(20);
});

test('it names everything, escapes names, and labels the decades', async () => {
  const svg = await svgChart(spec);
  expect(svg).toContain('<title>ants &lt; bees &amp; "wasps"</title>');
  for (const text of [
    '1e-4',
    '1e-3',
    '0.01',
    'learning rate',
    'loss',
    'raw',
    'smoothed',
    'recommended 5e-4',
  ]) {
    expect(svg, text).toContain(`>${text}</text>`);
  }
  expect(svg).not.toMatch(/NaN|undefined/u);
});

test('a marker stands at its rate', async () => {
  const svg = await svgChart(spec);
  const path = /<path d="M([\d.]+) [\d.]+L([\d.]+) [\d.]+"[^>]*stroke="#00785a"/u.exec(svg)!;
  // The axis runs from pixel 78 to 810 over two decades; 5e-4 is log10(5) = 0.699 decades in.
  for (const x of path.slice(1, 3)) expect(Number(x)).toBeCloseTo(78 + (0.69897 / 2) * 732, -0.5);
});

test('the same chart gives the same text, and its own ids under another id', async () => {
  const first = await svgChart(spec);
  expect(await svgChart(spec)).toBe(first);
  const other = await svgChart({ ...spec, id: 'second' });
  const ids = (svg: string) => new Set([...svg.matchAll(/\bid="([^"]+)"/gu)].map(([, id]) => id));
  expect(ids(first).size).toBeGreaterThan(0);
  expect([...ids(first)].filter((id) => ids(other).has(id))).toEqual([]);
});

test('nothing to draw is an empty chart and no error', async () => {
  const svg = await svgChart({ title: 'empty', xLabel: 'x', yLabel: 'y', series: [] });
  expect(svg).toContain('<title>empty</title>');
});

test('labels of neighbouring markers stand above each other, those far apart on one line', () => {
  const markers = [1e-4, 1.1e-4, 9e-3].map((x) => ({ x, name: 'recommended' }));
  expect([...labelLevels({ ...spec, markers })]).toEqual([
    [1e-4, 0],
    [1.1e-4, 1],
    [9e-3, 0],
  ]);
});

test('the range test as a chart names every rate', async () => {
  const svg = await rangeSvg(sampleRangeTest(3));
  for (const name of [
    'recommended 1.7e-4',
    'steepest 2.7e-4',
    'valley 5.6e-5',
    'slide 9.2e-4',
    'minimum/10 1.1e-4',
  ]) {
    expect(svg).toContain(`>${name}</text>`);
  }
});
