import { expect, test } from 'vitest';
import { compareCharts } from '../../../src/report/charts/compare-charts.js';
import { differenceSvg } from '../../../src/report/charts/difference-svg.js';
import { classAccuracy, commonMistakes, confusion } from '../../../src/report/pages/html/classes.js';
import { escapeHtml, html } from '../../../src/report/pages/html/html.js';
import { type ArmPredictions, disputedImages } from '../../../src/report/pages/html/pictures.js';
import { htmlReport } from '../../../src/report/pages/html/report.js';
import { sampleComparison } from './sample-runs.js';

/** A run's answers to images whose classes are `labels`. */
const run = (labels: readonly number[], predicted: readonly number[]) =>
  predicted.map((answer, i) => {
    const said = { predicted: answer, probability: 0.5 };
    return { image: `val/${i}.png`, label: labels[i]!, final: said, best: said };
  });
const LABELS = [0, 0, 1, 2];
const ARMS: ArmPredictions[] = [
  { policy: 'fixed', runs: [run(LABELS, [0, 1, 2, 2]), run(LABELS, [0, 1, 1, 2])] },
  { policy: '1cycle', runs: [run(LABELS, [1, 0, 1, 2]), run(LABELS, [0, 0, 1, 2])] },
];

test('confusion counts all runs, rows are true classes', () => {
  const counts = confusion(ARMS[0]!, 4);
  expect(counts).toEqual([
    [2, 2, 0, 0],
    [0, 1, 1, 0],
    [0, 0, 2, 0],
    [0, 0, 0, 0],
  ]);
  expect([0, 1, 2, 3].map((label) => classAccuracy(counts, label))).toEqual([0.5, 0.5, 1, null]);
  expect(commonMistakes(counts, 1)).toEqual([{ label: 0, predicted: 1, count: 2 }]);
});

test('images in dispute: the most consistent first, in both directions', () => {
  const { won, lost } = disputedImages(ARMS, 5);
  expect(won.map(({ image, lead }) => [image, lead])).toEqual([
    ['val/1.png', 1],
    ['val/2.png', 0.5],
  ]);
  expect(lost.map(({ image, lead }) => [image, lead])).toEqual([['val/0.png', -0.5]]);
  expect(won[1]!.answers[0]).toEqual({
    policy: 'fixed',
    classes: [
      [2, 1],
      [1, 1],
    ],
  });
  expect(disputedImages(ARMS, 1).won).toHaveLength(1);
  expect(disputedImages([ARMS[0]!], 5)).toEqual({ won: [], lost: [] });
  expect(disputedImages([], 5)).toEqual({ won: [], lost: [] });
});

test('texts are escaped, markup is not', () => {
  expect(html`<b title="${'"'}">${'<&>'}${html`<i>${1}</i>`}${null}</b>`.markup).toBe(
    '<b title="&quot;">&lt;&amp;&gt;<i>1</i></b>',
  );
  expect(escapeHtml("it's\u0000\u202e")).toBe('it&#39;s??');
});

const EVIL = '<img src=x onerror=alert(1)>"\'&';

async function page(): Promise<string> {
  const sample = sampleComparison(['fixed', EVIL]);
  const verdict = { kind: 'claim', claim: EVIL, title: EVIL, detail: EVIL, sentence: EVIL } as const;
  const comparison = { ...sample, warnings: [EVIL], verdict };
  const arms = ARMS.map((arm, i) => ({ ...arm, policy: i === 0 ? 'fixed' : EVIL }));
  const { won, lost } = disputedImages(arms, 5);
  const pictures = {
    won: won.map((image) => ({ ...image, image: EVIL, uri: `data:image/png;base64,"${EVIL}` })),
    lost: lost.map((image) => ({ ...image, uri: 'data:image/png;base64,AAAA' })),
  };
  return htmlReport({
    comparison,
    charts: await compareCharts(comparison),
    classes: [EVIL, 'b', 'c'],
    predictions: arms,
    pictures,
    setup: {
      shared: { [EVIL]: EVIL },
      perArm: { fixed: { lr: 1 }, [EVIL]: { lr: EVIL } },
      environment: {},
      dataset: null,
    },
  });
}

test('names of arms, classes and files stay text, whatever they say', async () => {
  const text = await page();
  expect(text).not.toMatch(/<img src=x|<script|onerror=alert\(1\)>(?!&quot;)/u);
  expect(text.match(/<img [^>]*>/gu)).toEqual([expect.stringContaining('src="data:image/png;base64,AAAA"')]);
  expect(text).toContain('&lt;img src=x onerror=alert(1)&gt;');
});

test('the page asks nothing of the network', async () => {
  const text = (await page()).replaceAll('http://www.w3.org/', '');
  expect(text).not.toMatch(/https?:|\/\/|@import|url\((?!#)/u);
});

test('every chart has ids of its own', async () => {
  const charts = await compareCharts(sampleComparison());
  const ids = charts.flatMap(({ svg }) => [...svg.matchAll(/\bid="([^"]+)"/gu)].map(([, id]) => id));
  expect(new Set(ids).size).toBe(ids.length);
  expect(charts.map(({ name }) => name)).toEqual([
    'difference',
    'accuracy',
    'valid-loss',
    'learning-rate',
    'momentum',
  ]);
});

test('the chart of differences: a dot a seed at its place, an arrow where an interval leaves the picture', () => {
  const view = sampleComparison();
  const perSeed = [0.01, 0.03].map((difference, seed) => ({
    seed,
    difference,
    onlyArm: 1,
    onlyBaseline: 0,
    pValue: 1,
  }));
  const wild = {
    ...view,
    differences: [{ ...view.differences[0]!, mean: 0.02, low: -0.9, high: 0.94, perSeed }],
  };
  const svg = differenceSvg(wild)!;
  const rows = svg.slice(0, svg.lastIndexOf('<circle'));
  const xs = [...rows.matchAll(/<circle cx="([\d.]+)"/gu)].map(([, x]) => Number(x));
  expect(xs).toHaveLength(2);
  // Zero is in the middle of 1080 pixels, so both stand to the right of it, the second three times as far.
  expect((xs[1]! - 540) / (xs[0]! - 540)).toBeCloseTo(3, 2);
  expect(svg.match(/ z" fill="#0072b2"\/>/gu)).toHaveLength(2);
  expect(differenceSvg({ ...view, differences: [] })).toBeNull();
});

test('without predictions the page has no classes and no pictures, and no gaps named undefined', async () => {
  const comparison = sampleComparison();
  const text = htmlReport({
    comparison,
    charts: [],
    classes: [],
    predictions: [],
    pictures: { won: [], lost: [] },
    setup: { shared: {}, perArm: {}, environment: {}, dataset: null },
  });
  expect(text).not.toMatch(/undefined|NaN|\[object|Class by class|Where they differ/u);
});
