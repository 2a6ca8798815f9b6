import { expect, test } from 'vitest';
import { differenceSvg } from '../../../src/report/charts/differences.js';
import { armColours } from '../../../src/report/charts/training.js';
import { compareReport } from '../../../src/report/pages/compare.js';
import { commonMistakes, confusion } from '../../../src/report/pages/html/classes.js';
import { classAccuracy } from '../../../src/stats/classes.js';
import { escapeHtml, html, STYLE } from '../../../src/report/pages/html/html.js';
import {
  type ArmPredictions,
  confidentErrors,
  disputedImages,
} from '../../../src/report/pages/html/pictures.js';
import { comparisonCharts, htmlReport } from '../../../src/report/pages/html/report.js';
import { printable } from '../../../src/printable.js';
import type { CompareDocument } from '../../../src/runs/documents.js';
import { sampleComparison, sampleCurves } from './sample-runs.js';
import { textsOf } from './svg-texts.js';

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

function page(name = EVIL): string {
  const sample = sampleComparison(['fixed', name]);
  const document: CompareDocument = {
    ...sample,
    warnings: [name],
    verdict: { kind: 'claim', rates: 'measured', claim: name, title: name, detail: name, sentence: name },
    dataset: { classes: [name, 'b', 'c'] },
    config: { ...sample.config, [name]: name, perArm: { fixed: { lr: 1 }, [name]: { lr: name } } },
    environment: {},
  };
  const arms = ARMS.map((arm, i) => ({ ...arm, policy: i === 0 ? 'fixed' : name }));
  const { won, lost } = disputedImages(arms, 5);
  const pictures = {
    won: won.map((image) => ({ ...image, image: name, uri: `data:image/png;base64,"${name}` })),
    lost: lost.map((image) => ({ ...image, uri: 'data:image/png;base64,AAAA' })),
  };
  const curves = sampleCurves(['fixed', name]);
  const charts = comparisonCharts(document, curves);
  const errors = confidentErrors(arms, 1).map((error) => ({ ...error, image: name, uri: null }));
  const madeBy = { onecycle: name, commandLine: name, startedAt: name, backend: name, device: name };
  return htmlReport(document, { madeBy, curves, charts, predictions: arms, pictures, errors });
}

test('names of arms, classes and files stay text, whatever they say', () => {
  const text = page();
  expect(text).not.toMatch(/<img src=x|<script|onerror=alert\(1\)>(?!&quot;)/u);
  expect(text.match(/<img [^>]*>/gu)).toEqual([expect.stringContaining('src="data:image/png;base64,AAAA"')]);
  expect(text).toContain('&lt;img src=x onerror=alert(1)&gt;');
});

test('the page asks nothing of the network', () => {
  const text = page().replaceAll('http://www.w3.org/', '');
  expect(text).not.toMatch(/https?:|\/\/|@import|url\((?!#)/u);
});

// What a folder or a record may call an arm, and XML forbids or JavaScript has a meaning for.
test.each([
  '__proto__',
  'constructor',
  'a\u0000b\u001b[31m\u0007',
  '\ufffe\uffff',
  '\ud800',
  'a\u00a0b]]>&nbsp;<!--',
  '--',
  '\u202eabc',
])('an arm called %j has its page and its charts, and they are well-formed', (name) => {
  const text = page(name);

  expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202e\ufffe\uffff]|\p{Cs}/u);
  const pictures = text.match(/<svg.*?<\/svg>/gsu)!;
  // Six charts, each for a narrow screen too.
  expect(pictures).toHaveLength(12);
  for (const picture of pictures) {
    expect(textsOf(picture).some((shown) => shown.includes(printable(name)))).toBe(true);
  }
});

test("an arm's name of a million letters is cut, on the page and in the terminal", () => {
  const name = 'x'.repeat(1e6);
  expect(page(name).length).toBeLessThan(400_000);
  const text = compareReport(sampleComparison(['fixed', name]), sampleCurves(['fixed', name]), {
    width: 80,
    colour: false,
  });
  expect(text.length).toBeLessThan(20_000);
});

test('a comparison has six charts, or five where nothing differs', () => {
  const charts = comparisonCharts(sampleComparison(), sampleCurves());
  const names = ['difference', 'accuracy', 'valid-loss', 'train-loss', 'learning-rate', 'momentum'];
  expect(charts.map(({ name }) => name)).toEqual(names);
  const alone = comparisonCharts({ ...sampleComparison(), differences: [] }, sampleCurves());
  expect(alone.map(({ name }) => name)).toEqual(names.slice(1));
});

test('the chart of differences: a dot a seed at its place, an arrow where an interval leaves the picture', () => {
  const perSeed = [0.01, 0.03].map((difference, seed) => {
    return { seed, difference, onlyArm: 1, onlyBaseline: 0, pValue: 1 };
  });
  const found = { ...sampleComparison().differences[0]!, mean: 0.02, low: -0.9, high: 0.94, perSeed };
  const svg = differenceSvg([found])!;
  const xs = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/gu)].slice(0, 2).map(([, x]) => Number(x));
  // Zero is in the middle of 1080 pixels, so both stand to the right of it, the second three times as far.
  expect(xs[0]).toBeGreaterThan(541);
  expect((xs[1]! - 540) / (xs[0]! - 540)).toBeCloseTo(3, 2);
  expect(svg.match(/rotate\(-?90\)/gu)).toEqual(['rotate(-90)', 'rotate(90)']);
  expect(differenceSvg([{ ...found, low: -0.01, high: 0.05 }])!).not.toContain('rotate(');
});

test('differences that no accuracies have are drawn at the edge', () => {
  const [found] = sampleComparison().differences;
  for (const wild of [1e300, -1e308, 5e-324, Infinity]) {
    const all = {
      mean: wild,
      low: -wild,
      high: wild,
      overImages: { mean: wild, low: wild, high: wild, n: 9 },
    };
    const svg = differenceSvg([{ ...found!, ...all }]);
    textsOf(svg!);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/u);
  }
});

test('without predictions the page has no classes and no pictures, and no gaps named undefined', () => {
  const document = { ...sampleComparison(), dataset: null };
  const nothing = {
    ...{ madeBy: {}, curves: [], charts: [], predictions: [] },
    ...{ pictures: { won: [], lost: [] }, errors: [] },
  };
  const text = htmlReport(document, nothing);
  expect(text).not.toMatch(/undefined|NaN|\[object|Class by class|Where they differ/u);
});

/** Contrast of two colours (WCAG 2.2, section 1.4.3). */
function contrast(...colours: readonly [string, string]): number {
  const [dark = 0, light = 0] = colours
    .map((colour) => {
      const digits = colour.length === 4 ? colour.slice(1).replace(/./gu, '$&$&') : colour.slice(1);
      const [red, green, blue] = [0, 2, 4].map((at) => {
        const share = parseInt(digits.slice(at, at + 2), 16) / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      }) as [number, number, number];
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    })
    .sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

test('letters have a contrast of at least 4.5 by day and by night', () => {
  expect(contrast('#000', '#ffffff')).toBeCloseTo(21, 6);
  expect(contrast('#777777', '#fff')).toBeCloseTo(4.48, 2);
  const themes = [...STYLE.matchAll(/--paper: .*?\}/gu)].map(([text]) =>
    Object.fromEntries([...text.matchAll(/--(\w+): (#\w+)/gu)].map(([, name, colour]) => [name!, colour!])),
  );
  expect(themes).toHaveLength(2);
  for (const { paper = '', ground = '', ink = '', soft = '', purple = '', green = '' } of themes) {
    for (const letters of [ink, soft, purple, green]) {
      expect(contrast(letters, paper), `${letters} on ${paper}`).toBeGreaterThanOrEqual(4.5);
      expect(contrast(letters, ground), `${letters} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  }
});

test('a policy has its colour whatever it is compared with, and both sides of zero are named', () => {
  expect(armColours(['fixed', '1cycle'])).toEqual(['cyan', 'magenta']);
  expect(armColours(['fixed:cosine', '1cycle', 'mine', 'fixed'])).toEqual([
    'green',
    'magenta',
    'yellow',
    'cyan',
  ]);
  expect(armColours(['1cycle'])).toEqual(['magenta']);
  for (const width of [1080, 340]) {
    const texts = textsOf(differenceSvg(sampleComparison().differences, width)!);
    expect(texts).toEqual(expect.arrayContaining(['← fixed better', '1cycle better →', '1cycle − fixed']));
  }
});

test('the most confident errors: an image once, with its surest wrong answer and how many runs erred', () => {
  const answers = (predicted: readonly number[], sure: readonly number[]) =>
    run(LABELS, predicted).map((line, i) => ({
      ...line,
      final: { predicted: predicted[i]!, probability: sure[i]! },
    }));
  const arms = [
    { policy: 'fixed', runs: [answers([1, 0, 2, 2], [0.7, 0.9, 0.95, 0.9])] },
    { policy: '1cycle', runs: [answers([2, 0, 1, 2], [0.8, 0.9, 0.9, 0.9])] },
  ];
  expect(confidentErrors(arms, 5)).toEqual([
    { image: 'val/2.png', label: 1, predicted: 2, probability: 0.95, policy: 'fixed', wrong: 1, runs: 2 },
    { image: 'val/0.png', label: 0, predicted: 2, probability: 0.8, policy: '1cycle', wrong: 2, runs: 2 },
  ]);
  expect(confidentErrors(arms, 1)).toHaveLength(1);
  expect(confidentErrors([], 5)).toEqual([]);
});
