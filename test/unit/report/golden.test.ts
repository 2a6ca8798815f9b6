import { describe, expect, test } from 'vitest';
import { compareReport } from '../../../src/report/pages/compare.js';
import { findLrReport } from '../../../src/report/pages/find-lr.js';
import { trainReport } from '../../../src/report/pages/train.js';
import type { ReportLayout } from '../../../src/report/text/layout.js';
import { displayWidth } from '../../../src/report/text/width.js';
import {
  sampleComparison,
  sampleCurves,
  sampleRangeTest,
  sampleSteps,
  sampleTraining,
} from './sample-runs.js';

const THREE = ['fixed', '1cycle', 'step'];
const FOUR = ['fixed', '1cycle', 'fixed:cosine', '1cycle:no-momentum'];

const reports: Record<string, (layout: ReportLayout) => string> = {
  train: (layout) => trainReport(sampleTraining(), sampleSteps('1cycle', 0), layout),
  'find-lr': (layout) => findLrReport(sampleRangeTest(3), layout),
  'find-lr-one-seed': (layout) => findLrReport(sampleRangeTest(1), layout),
  compare: (layout) => compareReport(sampleComparison(), sampleCurves(), layout),
  'compare-three-arms': (layout) => compareReport(sampleComparison(THREE), sampleCurves(THREE), layout),
  'compare-four-arms': (layout) => compareReport(sampleComparison(FOUR), sampleCurves(FOUR), layout),
};

const ESCAPE = String.fromCharCode(27);

describe.each(Object.entries(reports))('%s report', (name, report) => {
  test.each([60, 80, 120, 200])('at %i columns without colour', async (width) => {
    const text = report({ width, colour: false });
    await expect(`${text}\n`).toMatchFileSnapshot(`../../golden/report/${name}-${width}.txt`);
  });

  test.each([40, 60, 80, 120, 200])('no line is wider than %i columns, nor ends in blanks', (width) => {
    for (const line of report({ width, colour: false }).split('\n')) {
      expect(displayWidth(line), line).toBeLessThanOrEqual(width);
      expect(line).toBe(line.trimEnd());
      expect(line).not.toContain(ESCAPE);
    }
  });

  test('colour adds escape codes and nothing else, closed on every line', () => {
    const plain = report({ width: 80, colour: false });
    const coloured = report({ width: 80, colour: true });
    expect(coloured).toContain(ESCAPE);
    expect(coloured.replaceAll(new RegExp(`${ESCAPE}\\[[\\d;]+m`, 'g'), '')).toBe(plain);
    for (const line of coloured.split('\n')) {
      const codes = [...line.matchAll(new RegExp(`${ESCAPE}\\[([\\d;]+)m`, 'g'))].map(([, code]) => code);
      codes.forEach((code, index) => expect(index % 2 === 0).toBe(code !== '39' && code !== '22'));
      expect(codes.length % 2).toBe(0);
    }
  });
});
