import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decideLayout,
  depthNotes,
  type FolderLook,
  judgeNesting,
  type Layout,
  layoutNotes,
  partOf,
  partsInNames,
  refusalText,
} from '../../../src/data/folder/layout.js';

/** A folder of folders with images, one with images of its own, an empty one, and a link that is not followed. */
const of = (name: string, ...folders: string[]): FolderLook => ({ name, images: false, folders });
const flat = (name: string): FolderLook => ({ name, images: true, folders: [] });
const empty = (name: string): FolderLook => ({ name, images: false, folders: [] });
const link = (name: string): FolderLook => ({ name, images: false, folders: [], refused: 'link to nowhere' });
const split = (name: string) => of(name, 'ants', 'bees');

describe('names of parts', () => {
  it.each([
    ...['train', 'Train', 'TRAINING', 'training_set', 'Training Set', 'train-set'].map((name) => [
      name,
      'train',
    ]),
    ...['val', 'Valid', 'validation', 'VALIDATION_SET', 'dev'].map((name) => [name, 'valid']),
    ...['test', 'Testing', 'test_set'].map((name) => [name, 'test']),
    ...['trains', 'bus', 'tests', 'value', 'device', ''].map((name) => [name, undefined]),
  ])('%s is %s', (name, part) => {
    expect(partOf(name!)).toBe(part);
  });
});

describe('layouts', () => {
  const parts = (train: string, valid?: string, ...aside: string[]): Layout => ({
    kind: 'parts',
    train,
    valid,
    aside,
  });
  const refused = (code: string, ...names: string[]) => ({ kind: 'refused', code, names });

  it.each<[string, FolderLook[], object]>([
    ['class folders', [flat('ants'), flat('bees')], { kind: 'classes' }],
    ['class folders that hold folders', [of('ants', 'views'), flat('bees')], { kind: 'classes' }],
    ['train and val', [split('train'), split('val')], parts('train', 'val')],
    ['train alone', [split('train')], parts('train')],
    ['train and Validation', [split('Validation'), split('train')], parts('train', 'Validation')],
    ['training and testing', [split('testing'), split('training')], parts('training', 'testing')],
    ['Training and Testing', [split('Testing'), split('Training')], parts('Training', 'Testing')],
    [
      'training_set and test_set',
      [split('test_set'), split('training_set')],
      parts('training_set', 'test_set'),
    ],
    ['all three', [split('test'), split('train'), split('valid')], parts('train', 'valid', 'test')],
    [
      'train, val and a test of images',
      [flat('test'), split('train'), split('val')],
      parts('train', 'val', 'test'),
    ],
    ['train and a test of images', [flat('test'), split('train')], parts('train', undefined, 'test')],
    [
      'train, val and a broken test',
      [link('test'), split('train'), split('val')],
      parts('train', 'val', 'test'),
    ],
    ['train beside empty folders', [empty('notes'), split('train'), empty('test')], parts('train')],
    ['classes beside an empty test', [flat('ants'), flat('bees'), empty('test')], { kind: 'classes' }],
    ['a class called train', [flat('bus'), flat('train')], { kind: 'classes', train: 'train' }],
    ['a class called test', [flat('ants'), flat('bees'), flat('test')], refused('partBesideClasses', 'test')],
    [
      'a part beside classes',
      [flat('ants'), flat('bees'), split('Val')],
      refused('partBesideClasses', 'Val'),
    ],
    [
      'parts without class folders',
      [flat('test'), flat('train')],
      refused('partsWithoutClasses', 'train', 'test'),
    ],
    ['train without class folders', [flat('train'), split('val')], refused('partsWithoutClasses', 'train')],
    ['a folder beside the parts', [flat('bus'), split('train'), split('val')], refused('besideParts', 'bus')],
    ['folders beside the parts', [split('holdout'), split('train')], refused('besideParts', 'holdout')],
    [
      'two training parts',
      [split('train'), split('training')],
      refused('severalTraining', 'train', 'training'),
    ],
    [
      'training images beside train',
      [split('train'), flat('training')],
      refused('severalTraining', 'train', 'training'),
    ],
    [
      'two validation parts',
      [split('train'), split('val'), split('valid')],
      refused('severalValidation', 'val', 'valid'),
    ],
    [
      'two test parts',
      [split('train'), split('test'), split('testing')],
      refused('severalValidation', 'test', 'testing'),
    ],
    ['no training part', [split('test'), split('val')], refused('noTraining', 'val', 'test')],
    ['val without class folders', [split('train'), flat('val')], refused('emptyValidation', 'val')],
    ['an empty val', [split('test'), split('train'), empty('val')], refused('emptyValidation', 'val')],
    ['a val that is a broken link', [split('train'), link('val')], refused('link', 'val')],
    ['a test that is a broken link and needed', [split('train'), link('test')], refused('link', 'test')],
    ['links alone', [link('train'), link('val')], refused('link', 'train')],
    ['a folder around all', [of('hymenoptera', 'train', 'val')], refused('oneFolder', 'hymenoptera')],
  ])('%s', (_, folders, expected) => {
    expect(decideLayout(folders)).toMatchObject(expected);
    if ('kind' in expected && expected.kind !== 'refused') expect(decideLayout(folders)).toEqual(expected);
  });

  it('are the same in any order of the folders', () => {
    const folders = [flat('test'), split('train'), split('val'), empty('notes')];
    expect(decideLayout(folders.toReversed())).toEqual(decideLayout(folders));
  });

  it('give every folder with images its place, or none is taken', () => {
    const names = ['ants', 'bees', 'train', 'Training', 'val', 'valid', 'test', 'testing'];
    const look = fc.record({
      name: fc.constantFrom(...names),
      images: fc.boolean(),
      folders: fc.uniqueArray(fc.constantFrom('ants', 'bees', 'train', 'val')),
    });
    fc.assert(
      fc.property(fc.uniqueArray(look, { selector: ({ name }) => name }), (folders) => {
        const layout = decideLayout(folders);
        const held = folders.filter(({ images, folders: inside }) => images || inside.length > 0);
        const parts = held.filter(({ name }) => partOf(name) !== undefined).map(({ name }) => name);
        if (layout.kind === 'refused') {
          expect(layout.names.length).toBeGreaterThan(0);
          expect(refusalText('/photos', layout)).toMatch(/\/photos.*(E|e)xpected/);
        } else if (layout.kind === 'classes') {
          // Only train may be a class.
          expect(parts).toEqual(layout.train === undefined ? [] : [layout.train]);
        } else {
          const placed = [
            layout.train,
            ...layout.aside,
            ...(layout.valid === undefined ? [] : [layout.valid]),
          ];
          expect(placed.toSorted()).toEqual(held.map(({ name }) => name).toSorted());
          expect(layout.aside.every((name) => partOf(name) === 'test')).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses with what was found, where, what was expected and what to do', () => {
    const text = (folders: FolderLook[]) => {
      const layout = decideLayout(folders);
      return layout.kind === 'refused' ? refusalText('/photos', layout) : '';
    };
    expect(text([flat('ants'), flat('bees'), flat('test')])).toBe(
      '/photos has test/ beside ants/, bees/: the name is that of a part of the data, not of a class. ' +
        'Expected train/<class>/ and val/<class>/, or class folders alone; move ants/, bees/ into train/, ' +
        'or test/ out of /photos. If it is a class, rename it.',
    );
    expect(text([flat('bus'), split('train'), split('val')])).toMatch(
      /class folders in train\/, and images outside of the parts in bus\/\. Expected .*; move bus\/ into these/,
    );
    expect(text([of('hymenoptera', 'train', 'val')])).toMatch(
      /pass --data \/photos\/hymenoptera\/ if they are what is in there\.$/,
    );
    expect(text([of('flowers', 'daisy', 'rose')])).toMatch(
      /or --class-depth 2 if flowers\/daisy is the name of a class\.$/,
    );
    expect(text([flat('train'), flat('test')])).toMatch(
      /which image is of which class, pass it to --labels\.$/,
    );
    expect(text([split('train'), link('val')])).toMatch(
      /val\/ in \/photos cannot be read: link to nowhere\./,
    );
  });

  it('warns of a test part that serves for validation, of one that cannot, and of a class called train', () => {
    const notes = (folders: FolderLook[]) => layoutNotes(decideLayout(folders), []);
    expect(notes([split('train'), split('val'), split('test')])).toEqual([]);
    expect(notes([split('Training'), split('Testing')])).toEqual([
      expect.stringMatching(/^Testing\/ serves as validation part.* no test set any more$/),
    ]);
    expect(notes([split('train'), flat('test')])).toEqual([
      expect.stringMatching(/^test\/ cannot be validated with.* a share of train\/ is held out instead$/),
    ]);
    expect(notes([flat('bus'), flat('train')])).toEqual([
      expect.stringMatching(/^train\/ is taken as a class/),
    ]);
  });
});

describe('classes that several folders name', () => {
  it('may lie in one folder, unless it holds parts', () => {
    expect(decideLayout([of('flowers', 'daisy', 'rose')], 2)).toEqual({ kind: 'classes' });
    expect(decideLayout([of('flowers', 'train', 'val')], 2)).toMatchObject({ code: 'oneFolder' });
  });

  it('are refused where their folders are parts', () => {
    expect(partsInNames(['a/train', 'a/val', 'b/train', 'b/val'])).toMatchObject({
      code: 'partsInsideClasses',
      names: ['a', 'b'],
      others: ['train', 'val'],
    });
    expect(partsInNames(['animal/cat', 'vehicle/train'])).toBeUndefined();
  });

  it('are told from a class around them', () => {
    expect(depthNotes(['animals', 'animals/cats', 'bus'])).toEqual([
      'animals/ holds images beside folders that are classes: it is a class of its own',
    ]);
    expect(depthNotes(['animals/cats', 'animals2', 'bus'])).toEqual([]);
  });
});

describe('folders inside of class folders', () => {
  const judge = (classes: Record<string, string[]>) => judgeNesting(new Map(Object.entries(classes)));

  it('are counted', () => {
    expect(judge({ ants: ['1.jpg'], bees: ['2.jpg'] })).toEqual({ kind: 'nesting', images: 0, folders: [] });
    const views = { ants: ['1.jpg', 'views/2.jpg', 'views/3.jpg'], bees: ['1.jpg', 'views/far/2.jpg'] };
    const nesting = judge(views);
    expect(nesting).toEqual({ kind: 'nesting', images: 3, folders: ['ants/views', 'bees/views/far'] });
    expect(layoutNotes({ kind: 'classes' }, nesting.kind === 'nesting' ? [nesting] : [])).toEqual([
      '3 images lie in folders inside of class folders (ants/views, bees/views/far) and are taken as images of the class; ' +
        'with --class-depth 2 each such folder is a class',
    ]);
  });

  it.each<[string, Record<string, string[]>]>([
    ['one folder in each class, as Tiny ImageNet has it', { n01: ['images/1.jpg'], n02: ['images/1.jpg'] }],
    ['folders of their own', { animal: ['dog/1.jpg', 'cat/1.jpg'], vehicle: ['bus/1.jpg', 'train/1.jpg'] }],
    [
      'the same folders beside images',
      { ants: ['1.jpg', 'a/1.jpg', 'b/1.jpg'], bees: ['1.jpg', 'a/1.jpg', 'b/1.jpg'] },
    ],
  ])('%s: taken', (_, classes) => {
    expect(judge(classes).kind).toBe('nesting');
  });

  it.each<[string, Record<string, string[]>, string, string[]]>([
    [
      'parts',
      { ants: ['train/1.jpg', 'val/1.jpg'], bees: ['train/1.jpg', 'val/1.jpg'] },
      'partsInsideClasses',
      ['ants', 'bees'],
    ],
    [
      'one part, beside images',
      { ants: ['1.jpg', 'Test/1.jpg'], bees: ['2.jpg', 'Test/1.jpg'] },
      'partsInsideClasses',
      ['ants', 'bees'],
    ],
    [
      'the classes inside of years',
      { 2021: ['cats/1.jpg', 'dogs/1.jpg'], 2022: ['cats/1.jpg', 'dogs/1.jpg'] },
      'partsInsideClasses',
      ['2021', '2022'],
    ],
    [
      'parts of unknown names, doubled',
      {
        seg_train: ['seg_train/sea/1.jpg', 'seg_train/ice/1.jpg'],
        seg_test: ['seg_test/sea/1.jpg', 'seg_test/ice/1.jpg'],
      },
      'partsInsideClasses',
      ['seg_train', 'seg_test'],
    ],
    [
      'a part of an unknown name',
      { ants: ['1.jpg'], bees: ['1.jpg'], holdout: ['ants/1.jpg', 'bees/1.jpg'] },
      'copyOfClasses',
      ['holdout'],
    ],
  ])('%s: refused', (_, classes, code, names) => {
    const refusal = judge(classes);
    expect(refusal).toMatchObject({ kind: 'refused', code, names });
    if (refusal.kind === 'refused')
      expect(refusalText('/photos', refusal)).toMatch(/in \/photos would be .*Expected .*If /);
  });
});
