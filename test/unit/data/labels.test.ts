import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseLabels, readLabelsFile } from '../../../src/data/folder/labels-file.js';
import { scanImageFolder } from '../../../src/data/folder/scan.js';
import { UsageError } from '../../../src/errors.js';
import { emptyFiles, folderWith } from './image-folder-fixture.js';

const OPTIONS = { valSplit: 0.2, seed: 0, followLinks: false };
const parsed = (text: string) => parseLabels('t.csv', text);
/** Rows as «line file label part». */
const rows = (text: string) =>
  parsed(text).rows.map(({ line, file, label, part = '-' }) => `${line} ${file} ${label} ${part}`);

describe('a table of labels', () => {
  it.each<[string, string, string[]]>([
    ['the plain form', 'file,label\na.jpg,cat\nb.jpg,dog\n', ['2 a.jpg cat -', '3 b.jpg dog -']],
    [
      'with a split',
      'file,label,split\na.jpg,cat,train\nb.jpg,dog,Validation',
      ['2 a.jpg cat train', '3 b.jpg dog valid'],
    ],
    [
      'CRLF, a byte order mark in the text and no last line end',
      'file,label\r\na.jpg,cat\r\n\r\nb.jpg,dog',
      ['2 a.jpg cat -', '4 b.jpg dog -'],
    ],
    [
      'quoted fields, with commas, quotes and line ends, as RFC 4180 has them',
      'file,label,note\n"a, b.jpg","tench, Tinca tinca","one\ntwo"\n"c""d.jpg",dog,\n',
      ['3 a, b.jpg tench, Tinca tinca -', '4 c"d.jpg dog -'],
    ],
    ['tabs', 'filename\tclass\na b.jpg\tgolden retriever\n', ['2 a b.jpg golden retriever -']],
    ['semicolons, as spreadsheets write in some countries', 'file;label\na,1.jpg;cat\n', ['2 a,1.jpg cat -']],
    ['white space around fields', ' file , label\na.jpg , cat\n', ['2 a.jpg cat -']],
    [
      'ids of Kaggle, and a name of its own for the class',
      'id,breed\n000bec1,boston_bull\n',
      ['2 000bec1 boston_bull -'],
    ],
    ['the class first, and row numbers of pandas', ',label,image\n0,cat,a.jpg\n', ['2 a.jpg cat -']],
    [
      'is_valid, as fastai writes it',
      'name,label,is_valid\na.jpg,3,False\nb.jpg,7,True\n',
      ['2 a.jpg 3 train', '3 b.jpg 7 valid'],
    ],
    [
      'is_valid in numbers',
      'name,label,is_valid\na.jpg,3,0\nb.jpg,7,1\n',
      ['2 a.jpg 3 train', '3 b.jpg 7 valid'],
    ],
    ['no header', 'a.jpg,cat\nb.jpg,dog\n', ['1 a.jpg cat -', '2 b.jpg dog -']],
    [
      'no header and a third column',
      'a.jpg,cat,train\nb.jpg,dog,test\n',
      ['1 a.jpg cat train', '2 b.jpg dog test'],
    ],
    ['a class called as a column is', 'a.jpg,label\nb.jpg,path\n', ['1 a.jpg label -', '2 b.jpg path -']],
    [
      'lines of a path and a class',
      '/a/abbey/1.jpg 0\nb/my bus.jpg  5\n\n',
      ['1 /a/abbey/1.jpg 0 -', '2 b/my bus.jpg 5 -'],
    ],
    ['an empty label', 'file,label\na.jpg,\n', ['2 a.jpg  -']],
    [
      'a class in two Unicode forms',
      'file,label\na.jpg,cafe\u0301\nb.jpg,caf\u00e9',
      ['2 a.jpg caf\u00e9 -', '3 b.jpg caf\u00e9 -'],
    ],
    [
      'a word of one class in another',
      'file,label\na.jpg,fox\nb.jpg,red fox\n',
      ['2 a.jpg fox -', '3 b.jpg red fox -'],
    ],
    [
      'folds of a cross-validation, which are no parts',
      'file,label,fold\na.jpg,cat,0\nb.jpg,dog,1\n',
      ['2 a.jpg cat -', '3 b.jpg dog -'],
    ],
  ])('%s', (_, text, expected) => {
    expect(rows(text)).toEqual(expected);
  });

  it('says which columns were taken, and which were not', () => {
    const text = 'lesion_id,image_id,dx,dx_type,age\nHAM_1,ISIC_2,nv,histo,80.0\n';
    expect(parsed(text)).toMatchObject({
      columns: { file: 'image_id', label: 'dx' },
      split: undefined,
      unused: ['lesion_id', 'dx_type', 'age'],
    });
    // The one that holds names of images.
    expect(parsed('image_id,path,label\n7,a.jpg,nv\n').columns).toEqual({ file: 'path', label: 'label' });
    expect(parsed('photograph,label\na.jpg,nv\n').columns).toEqual({ file: 'photograph', label: 'label' });
    expect(parsed('a.jpg,cat,train').split).toBe('the third');
  });

  it.each<[string, string, RegExp]>([
    ['nothing', '', /^t\.csv holds no rows\. Expected a CSV file with the columns file,label/],
    ['a header alone', 'file,label\n', /holds a header and no rows/],
    ['one column', 'a.jpg\nb.jpg\n', /^t\.csv, line 1, has one column: "a\.jpg"/],
    ['four columns without a header', 'a.jpg,cat,1,2\n', /has 4 columns and no header that is known/],
    ['JSON', '{"a.jpg": "cat"}', /looks like JSON, HTML or XML/],
    ['a page', '<!DOCTYPE html>\n', /looks like JSON, HTML or XML/],
    [
      'a comma that is not quoted',
      'file,label\na, b.jpg,cat\n',
      /^t\.csv, line 2, has 3 fields where the first line has 2\. Put/,
    ],
    [
      'a quote that is not closed',
      'file,label\n"a.jpg,cat\n',
      /^t\.csv, line 2: a double quote is opened and never closed/,
    ],
    ['a quote inside', 'file,label\n"a"b.jpg,cat\n', /^t\.csv, line 2: a double quote stands where none may/],
    ['no file', 'file,label\na.jpg,cat\n,dog\n', /^t\.csv, line 3, names no file/],
    [
      'a line end in a class',
      'file,label\na.jpg,"cat\ndog"\n',
      /^t\.csv, line 3: the class "cat\\ndog" holds a line end/,
    ],
    [
      'an unknown part',
      'file,label,split\na.jpg,cat,extra\n',
      /^t\.csv, line 2: expected train, val or test in column split but received "extra"/,
    ],
    [
      'an empty part',
      'file,label,split\na.jpg,cat,train\nb.jpg,cat,\n',
      /^t\.csv, line 3: expected train, .* received ""/,
    ],
    [
      'neither true nor false',
      'file,label,is_valid\na.jpg,cat,maybe\n',
      /^t\.csv, line 2: expected true or false in column is_valid but received "maybe"/,
    ],
    [
      'no column for the file',
      'x,label\n7,cat\n',
      /has no column that is known to hold file names: x, label\..*rename/,
    ],
    [
      'no column for the class',
      'image_id,kind,age,sex\nISIC_1,nv,80.0,male\n',
      /has no column that is known to hold the class: image_id, kind, age, sex\..*rename the column that holds it to label/,
    ],
    [
      'a column for each class',
      'image_id,healthy,rust,scab\nTrain_0,0,0,1\nTrain_1,1,0,0\n',
      /has a column of 0 and 1 for each class \(healthy, rust, scab\).*one class/,
    ],
    [
      'labels with bars',
      'file,label\na.jpg,cat\nb.jpg,cat|dog\n',
      /^t\.csv, line 3: "cat\|dog" is a list of 2 labels/,
    ],
    [
      'labels of several words that are labels',
      'image,labels\na.jpg,scab\nb.jpg,rust\nc.jpg,scab rust\n',
      /^t\.csv, line 4: "scab rust" is a list of 2 labels/,
    ],
    [
      'labels with commas that are labels',
      'file,label\na.jpg,cat\nb.jpg,dog\nc.jpg,"cat, dog"\n',
      /line 4: "cat, dog" is a list of 2/,
    ],
    ['tags', 'image_name,tags\ntrain_0,haze primary\n', /line 2: "haze primary" is a list of 2 labels/],
    [
      'measurements',
      'file,target\na.jpg,12\nb.jpg,0.37\n',
      /^t\.csv, line 3: 0\.37 is a measurement and no class/,
    ],
  ])('is refused: %s', (_, text, message) => {
    expect(() => parsed(text)).toThrow(UsageError);
    expect(() => parsed(text)).toThrow(message);
  });

  it('of any text is rows or a refusal, and what is quoted comes back', () => {
    const piece = fc.oneof(
      fc.constantFrom(',', ';', '\t', '"', '\n', '\r\n', ' ', '|', 'file', 'label', 'a.jpg'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        try {
          for (const { file, line } of parsed(pieces.join('')).rows)
            expect([file, line > 0]).not.toEqual(['', true]);
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { numRuns: 500 },
    );
    const name = fc.string({ minLength: 1 }).filter((text) => text.trim() !== '');
    const plain = fc.stringMatching(/^[a-z]{1,5}$/);
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(fc.array(fc.tuple(name, plain), { minLength: 1 }), (pairs) => {
        const text = ['file,label', ...pairs.map((pair) => pair.map(quoted).join(','))].join('\r\n');
        expect(parsed(text).rows.map(({ file, label }) => [file, label])).toEqual(
          pairs.map(([file, label]) => [file.trim(), label]),
        );
      }),
    );
  });

  it('is read in UTF-8 and UTF-16, and its bytes are hashed', async () => {
    const text = 'file,label\na.jpg,caf\u00e9\n';
    const root = folderWith({
      'bom.csv': `\ufeff${text}`,
      'utf16.csv': Buffer.from(`\ufeff${text.replaceAll(',', '\t')}`, 'utf16le'),
      'latin1.csv': Buffer.from(text, 'latin1'),
      'book.csv': Buffer.from('PK\u0003\u0004\u0000', 'latin1'),
    });
    for (const name of ['bom.csv', 'utf16.csv']) {
      const {
        rows: [row],
      } = await readLabelsFile(join(root, name));
      expect(row).toMatchObject({ line: 2, file: 'a.jpg', label: 'caf\u00e9' });
    }
    // sha256sum of «﻿file,label\na.jpg,café\n».
    expect((await readLabelsFile(join(root, 'bom.csv'))).sha256).toBe(
      '909537aed7abb2890b864a98bb7f26a2e9ce876142c87e51e544bccc487b2729',
    );
    await expect(readLabelsFile(join(root, 'latin1.csv'))).rejects.toThrow(
      /not in UTF-8.*Save it as CSV in UTF-8/,
    );
    await expect(readLabelsFile(join(root, 'book.csv'))).rejects.toThrow(
      /is no text.*Save a spreadsheet as CSV/,
    );
    await expect(readLabelsFile(join(root, 'gone.csv'))).rejects.toThrow(
      /^No such file of labels: .*check --labels/,
    );
    await expect(readLabelsFile(root)).rejects.toThrow(
      /Cannot read the labels in .* \(it is a folder, not a file\)/,
    );
  });
});

describe('a folder with a table of labels', () => {
  /** Scans a folder of these files with a table of labels beside them. */
  const scan = async (files: readonly string[], table: string, options: object = {}) => {
    const root = folderWith({ ...emptyFiles(...files), 'labels.csv': table });
    const folder = await scanImageFolder(root, { ...OPTIONS, labels: join(root, 'labels.csv'), ...options });
    return { ...folder, taken: folder.taken.replace(basename(root), 'ROOT') };
  };
  const failure = (...args: Parameters<typeof scan>) =>
    scan(...args).then(
      () => '',
      (error: UsageError) => {
        expect(error).toBeInstanceOf(UsageError);
        return error.message;
      },
    );
  const SIX = ['1.jpg', '2.jpg', '3.jpg', '4.jpg', '5.jpg', '6.jpg'];
  const CATS = 'file,label\n1.jpg,cat\n2.jpg,cat\n3.jpg,dog\n4.jpg,dog\n';
  const PARTS = 'file,label,split\n1.jpg,cat,train\n2.jpg,cat,val\n3.jpg,dog,train\n4.jpg,dog,val\n';

  it('holds out a share where no column says the parts', async () => {
    const folder = await scan(SIX, CATS);
    expect(folder.classNames).toEqual(['cat', 'dog']);
    expect(folder.train.map(({ label }) => label)).toEqual([0, 1]);
    expect(folder.valid.map(({ label }) => label)).toEqual([0, 1]);
    expect([folder.skipped, folder.notes]).toEqual([[], []]);
    expect(folder.taken).toBe(
      'ROOT by labels.csv (columns file, label): 2 classes (cat, dog), 4 images, of which 2 are held out for validation; ' +
        '2 images without a row passed over (5.jpg, 6.jpg)',
    );
    expect(folder.labels).toMatchObject({ file: expect.stringMatching(/labels\.csv$/) });
  });

  it('takes the parts that a column says', async () => {
    const folder = await scan(SIX.slice(0, 4), PARTS);
    expect(folder.train).toEqual([
      { path: '1.jpg', label: 0 },
      { path: '3.jpg', label: 1 },
    ]);
    expect(folder.valid).toEqual([
      { path: '2.jpg', label: 0 },
      { path: '4.jpg', label: 1 },
    ]);
    expect(folder.taken).toBe(
      'ROOT by labels.csv (columns file, label): 2 classes (cat, dog), 2 images to train on and 2 to validate with (by the column split)',
    );
  });

  it('validates with test where there is no other, and leaves it aside where there is', async () => {
    const only = await scan(SIX, PARTS.replaceAll('val', 'test'));
    expect(only.valid).toHaveLength(2);
    expect(only.notes).toEqual([
      expect.stringMatching(/^the test part of labels\.csv serves as validation part.*no test set any more$/),
    ]);
    const both = await scan(SIX, `${PARTS}5.jpg,cat,test\n`);
    expect(both.valid).toHaveLength(2);
    expect(both.taken).toMatch(
      /; 1 row of the test part left aside; 1 image without a row passed over \(6\.jpg\)$/,
    );
    expect(both.notes).toEqual([]);
  });

  it('has the parts of its folders where all images lie in such and no column says other', async () => {
    const files = ['train', 'val'].flatMap((part) => ['1.jpg', '2.jpg'].map((name) => `${part}/${name}`));
    const table = 'file,label\ntrain/1.jpg,a\ntrain/2.jpg,b\nval/1.jpg,a\nval/2.jpg,b\n';
    const folder = await scan(files, table);
    expect(folder.valid.map(({ path }) => path)).toEqual(['val/1.jpg', 'val/2.jpg']);
    expect(folder.taken).toContain('(by the folders train/, val/)');
  });

  it('finds images by path, id or name, from the data folder or from that of the table', async () => {
    const files = ['a/1.jpg', 'a/2.PNG', 'b/c/3.jpeg', 'b/x y.webp', 'caf\u0065\u0301.gif'];
    const root = folderWith({
      ...emptyFiles(...files.map((file) => `images/${file}`)),
      'meta/labels.csv': [
        'file,label',
        './a/1.jpg,p', // from the data folder
        '../images/a/2,p', // from the table's folder, without its extension
        '3,q', // an id, anywhere
        'b\\x y.webp,q', // as Windows writes it
        'caf\u00e9,q', // composed
        '',
      ].join('\n'),
    });
    const labels = join(root, 'meta', 'labels.csv');
    const folder = await scanImageFolder(join(root, 'images'), { ...OPTIONS, labels });
    const all = [...folder.train, ...folder.valid].map(
      ({ path, label }) => `${path} ${folder.classNames[label]}`,
    );
    expect(all.sort()).toEqual([
      'a/1.jpg p',
      'a/2.PNG p',
      'b/c/3.jpeg q',
      'b/x y.webp q',
      'cafe\u0301.gif q',
    ]);
    const absolute = CATS.replaceAll(/(\d\.jpg)/g, `${root}/flat/$1`);
    for (const name of SIX) {
      mkdirSync(join(root, 'flat'), { recursive: true });
      writeFileSync(join(root, 'flat', name), '');
    }
    writeFileSync(labels, absolute);
    expect((await scanImageFolder(join(root, 'flat'), { ...OPTIONS, labels })).train).toHaveLength(2);
  });

  it('names rows without an image and images that cannot be used, and counts the others', async () => {
    const table = `${CATS}7.jpg,cat\n8.bmp,cat\n1.jpg,cat\n5.jpg,\n`;
    const folder = await scan([...SIX, '8.bmp', 'model.h5', 'deep/.hidden.jpg'], table);
    expect(folder.skipped).toEqual([
      { path: '8.bmp', reason: 'BMP cannot be decoded here: convert it to PNG (labels.csv, line 7)' },
      { path: '7.jpg', reason: 'there is no such image in the data folder (labels.csv, line 6)' },
    ]);
    expect(folder.taken).toMatch(
      /validation; 1 row without a class left aside; 1 row left aside as repeated; 1 image without a row passed over \(6\.jpg\)$/,
    );
  });

  it('follows links as a data folder does', async () => {
    const outside = folderWith(emptyFiles('1.jpg', '2.jpg'));
    const root = folderWith({
      ...emptyFiles('3.jpg', '4.jpg'),
      'l.csv': CATS.replaceAll(/^([12])/gm, 'more/$1'),
    });
    symlinkSync(outside, join(root, 'more'));
    const options = { ...OPTIONS, labels: join(root, 'l.csv') };
    const refused = scanImageFolder(root, options);
    await expect(refused).rejects.toThrow(/knows one class alone, "dog"/);
    expect((await scanImageFolder(root, { ...options, followLinks: true })).classNames).toEqual([
      'cat',
      'dog',
    ]);
  });

  it.each<[string, readonly string[], string, RegExp]>([
    [
      'two classes for one image',
      SIX,
      `${CATS}1.jpg,dog\n`,
      /labels\.csv, line 6: 1\.jpg is of class "dog" here and of "cat" in line 2/,
    ],
    [
      'two parts for one image',
      SIX,
      `${PARTS}1.jpg,cat,val\n`,
      /line 6: 1\.jpg is in part valid here and in train in line 2/,
    ],
    ['one class', SIX, 'file,label\n1.jpg,cat\n2.jpg,cat\n', /labels\.csv knows one class alone, "cat"/],
    ['no class', SIX, 'file,label\n1.jpg,\n2.jpg,\n', /labels\.csv names no image with a class/],
    [
      'a path that leads out',
      SIX,
      `${CATS}../x.jpg,cat\n`,
      /line 6: \.\.\/x\.jpg lies outside of the data folder .*; pass a folder that holds them all/,
    ],
    [
      'an absolute path elsewhere',
      SIX,
      `${CATS}/elsewhere/x.jpg,cat\n`,
      /line 6: \/elsewhere\/x\.jpg lies outside/,
    ],
    [
      'mostly other images',
      SIX,
      'file,label\n1.jpg,cat\n7.jpg,cat\n8.jpg,dog\n',
      /2 of 3 rows in .*labels\.csv name images that are not in .*, such as 7\.jpg in line 3\. Expected paths/,
    ],
    [
      'names in another case',
      ['A.JPG', 'B.JPG'],
      'file,label\na.jpg,cat\nb.jpg,dog\n',
      /such as a\.jpg in line 2\. A\.JPG is there, and differs in case/,
    ],
    [
      'one image of a class',
      SIX,
      `${CATS}5.jpg,bird\n`,
      /too few images to hold one out for validation: "bird" with 1 image\./,
    ],
    [
      'a class in one part alone',
      SIX,
      `${PARTS}5.jpg,bird,train\n`,
      /have other classes: no validation image is of "bird"/,
    ],
    ['no training part', SIX, PARTS.replaceAll('train', 'test'), /is of the training part\. Expected train/],
  ])('is refused with %s', async (_, files, table, message) => {
    expect(await failure(files, table)).toMatch(message);
  });

  it('is refused with names that may mean two images, and beside a depth of classes', async () => {
    const table = 'id,label\n1,cat\n2,cat\n3,dog\n4,dog\n';
    expect(await failure(['1.jpg', '1.png', '2.jpg', '3.jpg', '4.jpg'], table)).toMatch(
      /line 2: "1" may be 1\.jpg, 1\.png in .*Expected one image of this name/,
    );
    expect(await failure(['a/1.jpg', 'b/1.jpg', '2.jpg', '3.jpg', '4.jpg'], table)).toMatch(
      /line 2: "1" may be a\/1\.jpg, b\/1\.jpg/,
    );
    expect(await failure(SIX, CATS, { classDepth: 2 })).toMatch(
      /--class-depth 2 .* --labels says them already/,
    );
  });

  it('warns of classes that differ in case alone', async () => {
    const folder = await scan(SIX, `${CATS}5.jpg,Cat\n6.jpg,Cat\n`);
    expect(folder.notes).toEqual([
      expect.stringMatching(/^classes in labels\.csv differ in case alone \((Cat and cat|cat and Cat)\)/),
    ]);
  });

  it('gives the very list that the same folders give', async () => {
    const files = ['train', 'val'].flatMap((part) =>
      ['b', 'a', 'Z'].flatMap((name) => Array.from({ length: 5 }, (_, i) => `${part}/${name}/${12 - i}.jpg`)),
    );
    const plain = await scanImageFolder(folderWith(emptyFiles(...files)), OPTIONS);
    const line = (file: string) => `${file},${file.split('/')[1]},${file.split('/')[0]}`;
    const table = ['path,category,subset', ...files.toReversed().map(line)].join('\n');
    const { classNames, train, valid } = await scan(files, table);
    expect({ classNames, train, valid }).toEqual({
      classNames: plain.classNames,
      train: plain.train,
      valid: plain.valid,
    });

    const classes = files.slice(0, 15).map((file) => file.slice('train/'.length));
    const split = await scanImageFolder(folderWith(emptyFiles(...classes)), OPTIONS);
    const own = await scan(
      classes,
      ['path,category', ...classes.map((file) => `${file},${file.split('/')[0]}`)].join('\n'),
    );
    expect([own.train, own.valid]).toEqual([split.train, split.valid]);
  });
});
