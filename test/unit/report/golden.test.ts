import { describe, expect, test } from 'vitest';
import { readDefaults } from '../../../src/config/settings.js';
import type { BackendInfo } from '../../../src/engine/backends/backend-info.js';
import { compareReport } from '../../../src/report/pages/compare.js';
import { backendRow, backendRows, doctorEnd, machineText } from '../../../src/report/pages/doctor.js';
import { findLrReport, rateReport } from '../../../src/report/pages/find-lr.js';
import { confusionOf } from '../../../src/stats/classes.js';
import { exportReport, judgedReport, predictionTable } from '../../../src/report/pages/models.js';
import { dataReport } from '../../../src/report/pages/data-check.js';
import { dryRunReport, planReport } from '../../../src/report/pages/plan.js';
import { runsReport } from '../../../src/report/pages/runs.js';
import { trainReport } from '../../../src/report/pages/train.js';
import { dataFindings } from '../../../src/report/words/data.js';
import type { ReportLayout } from '../../../src/report/text/layout.js';
import type {
  CompareDryRun,
  DataCheckDocument,
  DoctorDocument,
  ExportDocument,
  ListedRun,
  RunsDocument,
  TrainPlan,
} from '../../../src/runs/documents.js';
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
  'compare-twenty-seeds': (layout) =>
    compareReport(sampleComparison(undefined, 20), sampleCurves(undefined, 20), layout),
  'compare-four-arms-twenty-seeds': (layout) =>
    compareReport(sampleComparison(FOUR, 20), sampleCurves(FOUR, 20), layout),
  'find-lr-twenty-seeds': (layout) => findLrReport(sampleRangeTest(20), layout),
  'train-lr-auto': (layout) => rateReport(sampleRangeTest(3), layout),
  'train-plan': (layout) => planReport(samplePlan('1cycle'), layout),
  'compare-dry-run': (layout) => dryRunReport(sampleDryRun(FOUR), layout),
  runs: (layout) => runsReport(sampleList(), Date.parse('2026-11-29T12:00:00Z'), layout),
  predict: (layout) => predictReport(layout),
  export: (layout) => exportReport(EXPORTED, layout),
  'data-check': (layout) => dataReport(sampleCheck(), layout),
  doctor: (layout) => doctorReport(layout),
};

const CLASSES = ['airplane', 'automobile', 'bird', 'cat'];

function samplePlan(policy: string): TrainPlan {
  const config = { ...sampleTraining().config, arm: policy };
  return { config, stepsPerEpoch: 38, trained: 0, steps: sampleSteps(policy, 0) };
}

function sampleDryRun(policies: readonly string[]): CompareDryRun {
  const { environment, dataset, schemaVersion } = sampleTraining();
  return {
    ...{ schemaVersion, command: 'compare', status: 'completed', config: readDefaults().settings },
    ...{ environment, dataset, seconds: 4.2, arms: policies.map(samplePlan) },
    cost: {
      ...{ secondsPerStep: { first: 0.12, later: 0.031 }, timedSteps: 12, workers: 2, runs: 12 },
      ...{ firstRun: 13.4, seconds: 97.2, memory: 4.1e8 },
    },
  };
}

/** Twelve runs of two arms and a range test, one of them interrupted. */
function sampleList(): RunsDocument {
  const { best, final } = sampleTraining();
  const runs = ['fixed', '1cycle'].flatMap((policy) =>
    Array.from({ length: 6 }, (_, seed): ListedRun => {
      const interrupted = policy === '1cycle' && seed === 5;
      return {
        ...{ run: `runs/${policy}-seed${seed}`, command: 'train', arm: policy, policy, seed },
        ...{ data: '/home/anna/photographs of ants and bees', best, final: interrupted ? null : final },
        status: interrupted ? 'interrupted' : 'completed',
        epochs: { done: interrupted ? 2 : 5, planned: 5 },
        ...{ changed: `2026-11-2${seed}T10:00:00Z`, bytes: 7.1e6, checkpointBytes: 5.2e6 },
      };
    }),
  );
  const test: ListedRun = {
    ...{
      run: 'runs/find-lr-seed0',
      command: 'find-lr',
      arm: null,
      policy: null,
      seed: 0,
      data: 'cifar10-mini',
    },
    ...{ status: 'completed', epochs: null, best: null, final: null },
    ...{ changed: '2026-11-29T11:20:00Z', bytes: 61_000, checkpointBytes: 0 },
  };
  const passedOver = [{ folder: 'runs/notes', reason: 'runs/notes is no run: it has no config.json.' }];
  return {
    schemaVersion: 1,
    command: 'runs',
    status: 'completed',
    dir: 'runs',
    wanted: { policy: null, data: null },
    recorded: runs.length + 1,
    runs: [...runs, test],
    passedOver,
  };
}

/** Thirty uneven classes with something of everything. */
function sampleCheck(): DataCheckDocument {
  const file = (part: 'train' | 'valid', name: string, number: number) => ({
    path: `${part === 'valid' ? 'val' : 'train'}/${name}/a photograph of ${name} ${number}.jpg`,
    ...{ class: name, part, sha256: String(number).padStart(64, '0') },
  });
  const names = Array.from({ length: 30 }, (_, i) => `class ${String(i).padStart(2, '0')}`);
  const counts = names.map((name, i) => ({ class: name, train: 1200 - 40 * i, valid: 50 }));
  const train = counts.reduce((sum, count) => sum + count.train, 0);
  const [a, b] = ['class 00', 'class 01'];
  const doubt = (part: 'train' | 'valid', number: number) => ({
    ...file(part, a, number),
    ...{ says: b, probability: 0.99 - number / 50, loss: 4.6 - number / 4, wrong: 3, runs: 3 },
  });
  const checked: Omit<DataCheckDocument, 'findings' | 'seconds'> = {
    ...{ schemaVersion: 1, command: 'data check', status: 'completed' },
    ...{ data: '/home/anna/photographs of ants and bees', root: '/home/anna/photographs of ants and bees' },
    config: { valSplit: 0.2, splitSeed: 0, followLinks: false, imageSize: 224 },
    dataset: { classes: names, train, valid: 1500, counts, skipped: [] },
    taken: 'photographs of ants and bees: train/ as training part, val/ as validation part',
    unreadable: Array.from({ length: 14 }, (_, i) => ({
      ...file('train', b, i),
      reason: i === 0 ? 'the file is empty' : 'damaged or cut short (VipsJpeg: premature end of JPEG image)',
    })),
    duplicates: [
      {
        ...{ kind: 'exact', similarity: 1, mirrored: false, acrossParts: false, acrossClasses: true },
        images: [file('train', a, 1), file('train', b, 2)],
      },
      {
        ...{ kind: 'near', similarity: 0.912, mirrored: true, acrossParts: true, acrossClasses: false },
        images: Array.from({ length: 6 }, (_, i) => file(i === 5 ? 'valid' : 'train', a, i)),
      },
      ...Array.from({ length: 9 }, (_, i) => ({
        ...({
          kind: 'exact',
          similarity: 1,
          mirrored: false,
          acrossParts: false,
          acrossClasses: false,
        } as const),
        images: [file('train', b, 2 * i), file('train', b, 2 * i + 1)],
      })),
    ],
    leaks: { exact: 0, near: 1 },
    search: { bits: 11, similarity: 0.85, plain: 3 },
    formats: [
      { name: 'JPEG', images: train },
      { name: 'PNG', images: 1500 },
    ],
    colours: [
      { name: 'RGB', images: train },
      { name: 'grey, 16 bit', images: 1500 },
    ],
    sizes: {
      shortSide: { least: 5, median: 374.5, greatest: 1944 },
      longSide: { least: 193, median: 500, greatest: 2592 },
    },
    odd: [
      { kind: 'small', images: Array.from({ length: 3 }, (_, i) => file('train', a, i)) },
      { kind: 'tiny', images: [file('valid', a, 7)] },
    ],
    labels: {
      runs: ['runs/1cycle-seed0', 'runs/1cycle-seed1', 'runs/1cycle-seed2'],
      ...{ model: 'runs/1cycle-seed1', judged: { valid: 1500, train } },
      valid: Array.from({ length: 14 }, (_, i) => doubt('valid', i)),
      train: [{ ...doubt('train', 3), wrong: 1, runs: 1 }],
    },
  };
  return { ...checked, findings: dataFindings(checked, []), seconds: 83.2 };
}

/** Every tenth image taken for the next class, and one that lies in no class folder. */
function predictReport(layout: ReportLayout): string {
  const images = Array.from({ length: 12 }, (_, i) => {
    const label = i % 4;
    const predicted = i % 10 === 9 ? (label + 1) % 4 : label;
    const [first = '', second = ''] = [CLASSES[predicted], CLASSES[(predicted + 1) % 4]];
    const predictions = [
      { label: first, probability: 0.5 + i / 30 },
      { label: second, probability: 0.1 },
    ];
    return {
      file: `photos/val/${CLASSES[label]}/${i}.jpg`,
      predictions,
      trueClass: CLASSES[label]!,
      label,
      predicted,
    };
  });
  const view = { counts: confusionOf(images, 4), classes: CLASSES, unjudged: 1, trainedOn: 3 };
  return `${predictionTable(images, layout)}\n\n${judgedReport(view, layout)}`;
}

const EXPORTED: ExportDocument = {
  ...{ schemaVersion: 1, command: 'export', status: 'completed', run: 'runs/1cycle-seed0' },
  ...{ format: 'tfjs', to: 'web' },
  files: [
    { name: 'model.json', bytes: 123_456 },
    { name: 'weights.bin', bytes: 2_345_678 },
    { name: 'index.html', bytes: 12_345 },
  ],
};

function doctorReport(layout: ReportLayout): string {
  const folder = (path: string) => ({ path, writable: true, free: 31e9 });
  const wasm: BackendInfo = {
    ...{ name: 'wasm', gpu: false, device: 'AMD EPYC', driver: null, arithmetic: 'fused' },
    ...{ limits: {}, versions: {} },
  };
  const document: DoctorDocument = {
    ...{ schemaVersion: 1, command: 'doctor', status: 'completed', onecycle: '0.1.0' },
    machine: {
      ...{
        node: 'v20.20.2',
        platform: 'linux-x64',
        cpu: 'AMD EPYC',
        cores: 2,
        memory: 8.2e9,
        freeMemory: 5.1e9,
      },
    },
    backends: [
      {
        ...{ name: 'tensorflow', works: false, why: 'tfjs-node-gpu is not installed' },
        remedy: 'npm install @tensorflow/tfjs-node-gpu',
      },
      { name: 'wasm', works: true, info: wasm, imagesPerSecond: 310.4, why: null },
    ],
    automatic: 'wasm',
    folders: {
      cache: folder('/tmp'),
      downloads: folder('/home/anna/.cache/onecycle'),
      weights: folder('data/weights'),
      runs: folder('/home/anna'),
    },
    computed: { path: '/home/anna/.cache/onecycle/computed', bytes: 2.5e8, limit: 4e9 },
    bundledWeights: ['mobilenet_v2_0.35_224'],
    terminal: { interactive: true, columns: layout.width, colour: false },
  };
  const rows = document.backends.map((backend) => backendRow(backend, layout)).join('\n');
  return `${machineText(document, layout)}\n\n${backendRows(layout)}\n${rows}\n\n${doctorEnd(document, layout)}`;
}

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

  test.each([24, 30, 40, 60])('no number is cut at %i columns', (width) => {
    expect(report({ width, colour: false })).not.toMatch(/\d[\d.,]*(e-?)?…/u);
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
