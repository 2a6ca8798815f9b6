import { describe, expect, test } from 'vitest';
import { classesSection, confusion } from '../../../src/report/pages/html/classes.js';
import { precisionAndF1 } from '../../../src/stats/classes.js';
import {
  hardestImages,
  rangeTestCharts,
  rangeTestPage,
  trainingCharts,
  trainingPage,
} from '../../../src/report/pages/html/run.js';
import type { PredictionRecord, TrainDocument } from '../../../src/runs/documents.js';
import { sampleRangeTest, sampleSteps, sampleTraining } from './sample-runs.js';

/** An answer to an image of class `label`. */
const answer = (label: number, predicted: number, probability: number): PredictionRecord => {
  const said = { predicted, probability };
  return { image: `val/${label}/${predicted}-${probability}.png`, label, final: said, best: said };
};
const ANSWERS = [
  answer(0, 0, 0.9),
  answer(0, 1, 0.6),
  answer(1, 1, 0.55),
  answer(1, 0, 0.99),
  answer(1, 1, 0.7),
];

const page = (changes: Partial<TrainDocument> = {}, predictions: readonly PredictionRecord[] = ANSWERS) => {
  const document = sampleTraining(changes);
  const hardest = hardestImages(predictions, 24).map((image) => ({
    ...image,
    uri: 'data:image/png;base64,AAAA',
  }));
  return trainingPage(document, {
    charts: trainingCharts(document, sampleSteps('1cycle', 0)),
    predictions,
    hardest,
  });
};

test('the images with the largest loss: wrong ones by their confidence, then right ones by their doubt', () => {
  const order = hardestImages(ANSWERS, 5).map(({ label, predicted, probability }) => [
    label,
    predicted,
    probability,
  ]);
  expect(order).toEqual([
    [1, 0, 0.99],
    [0, 1, 0.6],
    [1, 1, 0.55],
    [1, 1, 0.7],
    [0, 0, 0.9],
  ]);
  expect(hardestImages(ANSWERS, 2)).toHaveLength(2);
  // Of many classes a wrong answer with 0.3 leaves the truth at most 0.3, a right one with 0.2 gave it 0.2.
  expect(hardestImages([answer(0, 5, 0.3), answer(0, 0, 0.2)], 1)[0]).toMatchObject({ predicted: 0 });
});

test('a loss far above that of guessing is a warning', () => {
  const warning = '<p class="warning">The last epoch has a training loss of 8.000';
  expect(page({ epochs: [{ ...sampleTraining().epochs[4]!, trainLoss: 8 }] })).toContain(warning);
  expect(page()).not.toContain('class="warning"');
});

test('precision and F1 of a class', () => {
  const counts = confusion({ policy: 'fixed', runs: [ANSWERS] }, 3);
  // Class 1: 2 of 3 images recognised, and 2 of the 3 answers «1» right.
  expect(precisionAndF1(counts, 1)).toEqual([2 / 3, 2 / 3]);
  expect(precisionAndF1(counts, 0)).toEqual([1 / 2, 1 / 2]);
  expect(precisionAndF1(counts, 2)).toEqual([null, null]);
  const section = classesSection([{ policy: 'fixed', runs: [ANSWERS] }], ['a', 'b', 'c'])!.markup;
  for (const header of ['recall', 'precision', 'F1']) expect(section).toContain(header);
  expect(section).not.toContain('summed over the seeds');
});

describe('the page of a run', () => {
  test('says what was trained, with what, and what came of it', () => {
    const text = page({
      environment: {
        ...sampleTraining().environment,
        commandLine: "onecycle train --data 'my photos'",
        startedAt: '2026-11-29T08:00:00.000Z',
      },
    });
    const { final } = sampleTraining();
    expect(text).toContain('<h1>1cycle on cifar10-mini, seed 0</h1>');
    const head = [...text.matchAll(/<dt>(.*?)<\/dt>\s*<dd>(.*?)<\/dd>/gsu)].map(([, name, said]) => [
      name,
      said,
    ]);
    expect(head).toEqual([
      ['images', 'cifar10-mini: 1,200 training images and 400 validation images of 2 classes'],
      ['network', 'mobilenet_v2_0.35_224, 96 pixels a side, trained part last:11'],
      ['training', '5 epochs, batches of 32, seed 0'],
      ['made by', 'onecycle 0.1.0, 2026-11-29, wasm, 2 threads'],
      ['command', '<code>onecycle train --data &#39;my photos&#39;</code>'],
    ]);
    expect(text).toContain(
      `<strong>Accuracy ${final!.validAccuracy.toFixed(3)} (${final!.correct}/400) after epoch 5`,
    );
    expect(text).toContain('<code>onecycle train --data &#39;my photos&#39;</code>');
    expect(text).not.toMatch(/No difference shown|No comparison|undefined|NaN|\[object/u);
  });

  test('of an interrupted, a failed and an empty run', () => {
    expect(page({ status: 'interrupted', epochs: sampleTraining().epochs.slice(0, 2) })).toContain(
      'Interrupted after 2 of 5 epochs.',
    );
    const failure = { step: 7, epoch: 1, learningRate: 9, momentum: 0.9, message: 'The run <diverged>.' };
    const failed = page({ status: 'failed', failure, epochs: [], best: null, final: null }, []);
    expect(failed).toContain('No epoch was finished');
    expect(failed).toContain('The run &lt;diverged&gt;.');
    expect(failed).not.toMatch(/Class by class|largest loss|undefined|NaN/u);
  });

  test('is made for a screen reader: language, headings in order, scopes, alternative texts', () => {
    for (const text of [page(), rangeTestPage(sampleRangeTest(3), rangeTestCharts(sampleRangeTest(3)))]) {
      expect(text).toMatch(/<html lang="en">/u);
      const levels = [...text.matchAll(/<h([1-6])>/gu)].map(([, level]) => Number(level));
      expect(levels[0]).toBe(1);
      levels.slice(1).forEach((level, i) => expect(level - levels[i]!).toBeLessThanOrEqual(1));
      for (const [cell] of text.matchAll(/<th[\s>][^>]*>/gu))
        expect(cell).toMatch(/^<th scope="(col|row)"|^<th><\/th>$/u);
      for (const [image] of text.matchAll(/<img [^>]*>/gu)) expect(image).toMatch(/ alt="[^"]{3,}"/u);
      for (const [figure] of text.matchAll(/<figure[^>]*>/gu))
        expect(figure).toMatch(/aria-label="[^"]{30,}"/u);
    }
    expect(page()).toMatch(
      /aria-label="learning rate, by step: 1cycle from 2e-5 to \S+, lowest \S+, highest 5e-4\."/u,
    );
  });

  test('with a thousand classes and ten thousand epochs stays below 1 MB', () => {
    const classes = Array.from({ length: 1000 }, (_, i) => `class number ${i}`);
    const [first] = sampleTraining().epochs;
    const epochs = Array.from({ length: 10_000 }, (_, i) => ({
      ...first!,
      epoch: i + 1,
      trainLoss: 1 + Math.sin(i),
    }));
    const predictions = Array.from({ length: 5000 }, (_, i) => answer(i % 1000, (i * 7) % 1000, 0.3));
    const text = page({ epochs, dataset: { ...sampleTraining().dataset, classes } }, predictions);
    expect(text.length).toBeLessThan(500_000);
    expect(text).toContain('Each 50th of 10000 epochs');
  });
});

test('the page of a range test has curve, rates, suggestions and how the seeds ended', () => {
  const document = sampleRangeTest(3);
  const charts = rangeTestCharts(document);
  expect(charts.map(({ name }) => name)).toEqual(['lr-curve']);
  const text = rangeTestPage(document, charts);
  expect(text).toContain('<h1>Learning rates for cifar10-mini</h1>');
  expect(text).toContain(
    '<strong>Recommended: maximum rate 1.72e-4 for 1cycle, 5.7e-5 for a fixed policy.</strong>',
  );
  for (const part of ['steepest', 'valley', 'slide', 'minimum/10', 'seed 2: diverged at'])
    expect(text).toContain(part);
  expect(rangeTestPage({ ...document, recommended: null }, charts)).toContain(
    '<strong>No rate is recommended.</strong>',
  );
});
