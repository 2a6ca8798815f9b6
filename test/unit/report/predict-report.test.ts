import { describe, expect, test } from 'vitest';
import { confusionOf } from '../../../src/stats/classes.js';
import { judgedReport, predictionTable } from '../../../src/report/pages/models.js';

const layout = (width: number) => ({ width, colour: false });
const ranked = (...pairs: readonly (readonly [string, number])[]) =>
  pairs.map(([label, probability]) => ({ label, probability }));

test('a line an image, or as many as there are classes to tell', () => {
  const images = [
    { file: 'a.png', trueClass: 'ants', predictions: ranked(['ants', 0.91234], ['bees', 0.08766]) },
    { file: 'b\u001b[2J.png', trueClass: null, predictions: ranked(['bees', 1], ['ants', 0]) },
  ];
  expect(predictionTable(images, layout(60))).toBe(
    [
      'file       true class  predicted  probability',
      '─────────  ──────────  ─────────  ───────────',
      'a.png      ants        ants             0.912',
      '                       bees             0.088',
      // A name cannot steer the terminal.
      'b?[2J.png              bees             1.000',
      '                       ants             0.000',
    ].join('\n'),
  );
});

test('a wrong one is marked, and of a long path the end is shown', () => {
  const file = '/somewhere/far/away/photos/val/ants/1.jpg';
  const images = [
    { file, trueClass: 'ants', predictions: ranked(['bees', 0.75], ['ants', 0.25]) },
    { file: 'b.jpg', trueClass: 'bees', predictions: ranked(['bees', 0.5], ['ants', 0.5]) },
  ];
  expect(predictionTable(images, layout(62))).toBe(
    [
      'file                 true class  predicted  probability',
      '───────────────────  ──────────  ─────────  ───────────  ─────',
      '…tos/val/ants/1.jpg  ants        bees             0.750  wrong',
      '                                 ants             0.250',
      'b.jpg                bees        bees             0.500',
      '                                 ants             0.500',
    ].join('\n'),
  );
});

test('where a table has no room, every probability stands under its image', () => {
  const images = [
    {
      file: 'photos/val/Große Käfer/ü.jpg',
      trueClass: 'Große Käfer',
      predictions: ranked(['bees', 0.75], ['ants', 0.25]),
    },
    { file: 'photos/val/bees/1.jpg', trueClass: 'bees', predictions: ranked(['bees', 0.5], ['ants', 0.5]) },
  ];
  expect(predictionTable(images, layout(40))).toBe(
    [
      'photos/val/Große Käfer/ü.jpg',
      '  bees 0.750, wrong: true class Große',
      '  Käfer',
      '  ants 0.250',
      'photos/val/bees/1.jpg',
      '  bees 0.500',
      '  ants 0.500',
    ].join('\n'),
  );
});

describe('accuracy and confusion', () => {
  const report = (classes: readonly string[], width: number, view = {}) => {
    const judged = classes.flatMap((_, label) => [
      { label, predicted: label },
      { label, predicted: label === 0 ? classes.length - 1 : label },
    ]);
    const counts = confusionOf(judged, classes.length);
    return judgedReport({ counts, classes, unjudged: 0, trainedOn: 0, ...view }, layout(width));
  };

  test('with names over the columns where they fit', () => {
    // Wilson's interval of 3 in 4, by R's binom.confint(3, 4, methods = 'wilson').
    expect(report(['ants', 'bees'], 60)).toBe(
      [
        'accuracy 0.750 (3/4), 95% interval [0.301, 0.954]',
        '',
        'true \\ predicted  ants  bees',
        '────────────────  ────  ────',
        'ants                 1     1',
        'bees                 0     2',
      ].join('\n'),
    );
  });

  test('else with numbers, else the mistakes', () => {
    const classes = ['airplane', 'automobile', 'helicopter'];
    expect(report(classes, 30).split('\n\n')[1]!.split('\n')).toEqual([
      'true \\ predicted  1  2  3',
      '────────────────  ─  ─  ─',
      '1 airplane        1  0  1',
      '2 automobile      0  2  0',
      '3 helicopter      0  0  2',
    ]);
    expect(report(classes, 22).split('\n\n')[1]!.split('\n')).toEqual([
      '             airplane',
      '─────────  ──────────',
      'taken for  helicopter',
      'times               1',
    ]);
  });

  test('more classes than a matrix can show: the most frequent mistakes', () => {
    const many = Array.from({ length: 40 }, (_, i) => `class${i}`);
    expect(report(many, 400)).toMatch(/\ntrue class +taken for +times\n.*\nclass0 +class39 +1$/);
    const counts = confusionOf(
      many.map((_, label) => ({ label, predicted: label })),
      40,
    );
    const perfect = judgedReport({ counts, classes: many, unjudged: 0, trainedOn: 0 }, layout(80));
    expect(perfect).toMatch(/^accuracy 1\.000 \(40\/40\), 95% interval \[\S+, 1\.000\]$/);
  });

  test('what speaks against the accuracy stands beside it', () => {
    const text = report(['ants', 'bees'], 60, { unjudged: 2, trainedOn: 3 }).replaceAll('\n', ' ');
    expect(text).toContain('2 of 6 images lie in no folder that is called as a class: they do not count.');
    expect(text).toContain(
      'The run was trained on 3 of these 4 images, byte for byte: the accuracy flatters.',
    );
  });
});
