import { expect, test } from 'vitest';
import { runsReport } from '../../../src/report/pages/runs.js';
import { displayWidth } from '../../../src/report/text/width.js';
import type { ListedRun, RunsDocument } from '../../../src/runs/documents.js';
import { sampleTraining } from './sample-runs.js';

const { best, final } = sampleTraining();

/** Runs of three data sets in folders of these names, each of arm 1cycle and seed 3. */
function listed(names: readonly string[]): RunsDocument {
  const runs = names.map((name, i): ListedRun => ({
    ...{ run: `runs/${name}`, command: 'train', arm: '1cycle', policy: '1cycle', seed: 3, best, final },
    ...{ data: ['imagenette-160', 'ants-and-bees', 'photographs'][i % 3]!, status: 'interrupted' },
    epochs: { done: 12, planned: 15 },
    ...{ changed: '2026-11-29T11:20:00Z', bytes: 12.3e6, checkpointBytes: 0 },
  }));
  return {
    ...{ schemaVersion: 1, command: 'runs', status: 'completed', dir: 'runs' },
    ...{ wanted: { policy: null, data: null }, recorded: runs.length, runs, passedOver: [] },
  };
}

function linesAt(width: number, names: readonly string[]): string[] {
  const lines = runsReport(listed(names), Date.parse('2026-11-29T12:00:00Z'), { width, colour: false });
  for (const line of lines.split('\n')) expect(displayWidth(line), line).toBeLessThanOrEqual(width);
  return lines.split('\n').slice(2);
}

test('runs of several data sets are a table in 80 columns, without what their names say', () => {
  expect(linesAt(80, ['1cycle-seed3', '1cycle-seed3-2', '1cycle-seed3-lr-x2'])).toEqual([
    'run                 data          status              best  final     age   size',
    '──────────────────  ────────────  ─────────────────  ─────  ─────  ──────  ─────',
    '1cycle-seed3        imagenette-…  interrupted 12/15  0.738  0.730  40 min  12 MB',
    '1cycle-seed3-2      ants-and-be…  interrupted 12/15  0.738  0.730  40 min  12 MB',
    '1cycle-seed3-lr-x2  photographs   interrupted 12/15  0.738  0.730  40 min  12 MB',
  ]);
});

test('where the name of one run does not say its arm and seed, all have these columns', () => {
  expect(linesAt(90, ['1cycle-seed3', '1cycle-seed33']).filter((line) => !line.startsWith('─'))).toEqual([
    'run            arm     data           seed  status              best  final     age   size',
    '1cycle-seed3   1cycle  imagenette-1…     3  interrupted 12/15  0.738  0.730  40 min  12 MB',
    '1cycle-seed33  1cycle  ants-and-bees     3  interrupted 12/15  0.738  0.730  40 min  12 MB',
  ]);
});
