import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { scanImageFolder, splitClass } from '../../../src/data/folder/scan.js';
import { UsageError } from '../../../src/errors.js';
import { asUnprivileged, emptyFiles, folderWith } from './image-folder-fixture.js';

const OPTIONS = { valSplit: 0.2, seed: 0, followLinks: false };
const numbered = (folder: string, n: number) => Array.from({ length: n }, (_, i) => `${folder}/${i}.jpg`);
const paths = (samples: readonly { path: string }[]) => samples.map(({ path }) => path);

describe('what this program wrote inside of a data folder', () => {
  const run = (path: string) =>
    ['config.json', 'environment.json', 'dataset.json', 'curve.png'].map((name) => `${path}/${name}`);
  const report = ['report.html', 'learning-rate.svg', 'learning-rate.png', 'accuracy.png'].map(
    (name) => `page/${name}`,
  );

  it('is no class, however many charts are in it', async () => {
    const classes = [...numbered('a', 5), ...numbered('b', 5)];
    const records = [...run('runs/find-lr-seed0'), ...run('runs/find-lr-seed0-2'), ...run('1cycle-seed0')];
    const root = folderWith(emptyFiles(...classes, ...records, ...report, 'runs/.leftover'));
    const folder = await scanImageFolder(root, OPTIONS);
    expect(folder.classNames).toEqual(['a', 'b']);
    expect(folder.skipped).toEqual([]);
    expect(folder.taken).toContain('3 other files or folders passed over (1cycle-seed0, page, runs)');
  });

  it('is no part either', async () => {
    const parts = ['train/a/1.jpg', 'train/b/1.jpg', 'val/a/1.jpg', 'val/b/1.jpg'];
    const root = folderWith(emptyFiles(...parts, ...run('runs/find-lr-seed0'), ...report));
    const { classNames, train } = await scanImageFolder(root, OPTIONS);
    expect([classNames, train.length]).toEqual([['a', 'b'], 2]);
  });

  it('is told from a folder with something else in it', async () => {
    const classes = [...numbered('a', 5), ...numbered('runs', 5), ...run('runs/find-lr-seed0')];
    const { classNames } = await scanImageFolder(folderWith(emptyFiles(...classes)), OPTIONS);
    expect(classNames).toEqual(['a', 'runs']);
  });
});

describe('a folder with train and val', () => {
  it('is listed in code-unit order with labels by class name', async () => {
    const root = folderWith(
      emptyFiles('train/b/2.jpg', 'train/b/10.PNG', 'train/Z z/é.webp', 'val/b/x.jpeg', 'val/Z z/y.gif'),
    );
    const folder = await scanImageFolder(root, OPTIONS);
    // 'Z' (0x5a) sorts before 'b' (0x62), '1' before '2'.
    expect(folder.classNames).toEqual(['Z z', 'b']);
    expect(folder.train).toEqual([
      { path: 'train/Z z/é.webp', label: 0 },
      { path: 'train/b/10.PNG', label: 1 },
      { path: 'train/b/2.jpg', label: 1 },
    ]);
    expect(folder.valid).toEqual([
      { path: 'val/Z z/y.gif', label: 0 },
      { path: 'val/b/x.jpeg', label: 1 },
    ]);
    expect(folder.root).toBe(root);
    expect(folder.skipped).toEqual([]);
  });

  it('goes down into subfolders of a class', async () => {
    const root = folderWith(
      emptyFiles('train/a/one/two/1.jpg', 'train/b/1.jpg', 'val/a/1.jpg', 'val/b/1.jpg'),
    );
    expect(paths((await scanImageFolder(root, OPTIONS)).train)).toContain('train/a/one/two/1.jpg');
  });

  it('joins a class whose name is composed in one place and decomposed in the other', async () => {
    const composed = 'caf\u00e9';
    const decomposed = 'cafe\u0301';
    const root = folderWith(
      emptyFiles(`train/${composed}/1.jpg`, 'train/b/1.jpg', `val/${decomposed}/1.jpg`, 'val/b/1.jpg'),
    );
    expect((await scanImageFolder(root, OPTIONS)).classNames).toEqual(['b', composed]);
  });

  it('splits train where there is no other part', async () => {
    const root = folderWith(emptyFiles(...numbered('train/a', 10), ...numbered('train/b', 5), 'README.md'));
    const folder = await scanImageFolder(root, OPTIONS);
    // 20 % of 10 and of 5.
    expect(folder.valid.map(({ label }) => label)).toEqual([0, 0, 1]);
    expect(folder.train).toHaveLength(12);
    expect(folder.skipped).toEqual([]);
    expect(folder.taken).toBe(
      `${basename(root)}: train/ as training part (2 classes, 15 images, of which 3 are held out for validation); ` +
        '1 other file or folder passed over (README.md)',
    );
  });
});

describe('folders as people have them', () => {
  const both = (train: string, valid: string) =>
    emptyFiles(
      ...numbered(`${train}/a`, 3),
      ...numbered(`${train}/b`, 2),
      ...numbered(`${valid}/a`, 2),
      `${valid}/b/9.jpg`,
    );

  it.each([
    ['Training', 'Testing', 'Testing/ serves as validation part'],
    ['training_set', 'test_set', 'test_set/ serves as validation part'],
    ['Train', 'valid', undefined],
    ['TRAIN', 'Validation', undefined],
    ['train', 'dev', undefined],
    ['training_set/training_set', 'test_set/test_set', 'test_set/ serves as validation part'],
  ])('%s and %s are parts, and that is said', async (train, valid, note) => {
    const root = folderWith(both(train, valid));
    const folder = await scanImageFolder(root, OPTIONS);
    expect(folder.classNames).toEqual(['a', 'b']);
    expect(paths(folder.train)).toEqual([...numbered(`${train}/a`, 3), ...numbered(`${train}/b`, 2)]);
    expect(paths(folder.valid)).toEqual([...numbered(`${valid}/a`, 2), `${valid}/b/9.jpg`]);
    expect(folder.taken).toBe(
      `${basename(root)}: ${train}/ as training part (2 classes, 5 images), ${valid}/ as validation part (3 images)`,
    );
    expect(folder.notes).toEqual(note === undefined ? [] : [expect.stringContaining(note)]);
  });

  it('cats and dogs, each part in a folder of its own name, with what the archiver and the author left', async () => {
    const root = folderWith(
      emptyFiles(
        ...['cats', 'dogs'].flatMap((name) => [
          ...numbered(`training_set/training_set/${name}`, 3),
          ...numbered(`test_set/test_set/${name}`, 2),
          `training_set/training_set/${name}/_DS_Store`,
          `__MACOSX/training_set/${name}/._1.jpg`,
        ]),
        'test_set/test_set/Thumbs.db',
      ),
    );
    const folder = await scanImageFolder(root, OPTIONS);
    expect([folder.classNames, folder.train.length, folder.valid.length]).toEqual([['cats', 'dogs'], 6, 4]);
    expect(folder.skipped).toEqual([]);
    expect(folder.taken).toBe(
      `${basename(root)}: training_set/training_set/ as training part (2 classes, 6 images), ` +
        'test_set/test_set/ as validation part (4 images)',
    );
    expect(folder.notes).toEqual([expect.stringMatching(/^test_set\/ serves as validation part/)]);
  });

  it("flowers, with a notebook's checkpoints and a program in the class folders", async () => {
    const root = folderWith(
      emptyFiles(
        ...['daisy', 'rose'].flatMap((name) => [
          ...numbered(name, 5),
          `${name}/.ipynb_checkpoints/0-checkpoint.jpg`,
        ]),
        ...['.ipynb_checkpoints/flowers-checkpoint.ipynb', 'daisy/flickr.py', 'LICENSE.txt'],
      ),
    );
    const folder = await scanImageFolder(root, OPTIONS);
    expect(folder.skipped).toEqual([]);
    expect(folder.taken).toBe(
      `${basename(root)}: 2 classes (daisy, rose), 10 images, of which 2 are held out for validation; ` +
        '2 other files or folders passed over (LICENSE.txt, daisy/flickr.py)',
    );
  });

  it('one folder at the top is refused with the folder to give', async () => {
    const root = folderWith(emptyFiles(...numbered('flowers/daisy', 2), ...numbered('flowers/rose', 2)));
    await expect(scanImageFolder(root, OPTIONS)).rejects.toThrow(
      `pass --data ${root}/flowers/ if they are what is in there, or --class-depth 2 if flowers/daisy is the name of a class.`,
    );
  });

  it('test is left aside where there is val, and that is said', async () => {
    const root = folderWith({ ...both('train', 'val'), ...emptyFiles('test/c/1.jpg', 'annotations/a.xml') });
    const folder = await scanImageFolder(root, OPTIONS);
    expect([folder.train.length, folder.valid.length]).toEqual([5, 3]);
    expect(folder.taken).toMatch(/; test\/ left aside; 1 other file or folder passed over \(annotations\)$/);
    expect([folder.notes, folder.skipped]).toEqual([[], []]);
  });

  it('names the classes where folders are classes', async () => {
    const root = folderWith(
      emptyFiles(...numbered('ants', 10), ...numbered('bees', 5), 'bees/labels.csv', 'x.txt'),
    );
    expect((await scanImageFolder(root, OPTIONS)).taken).toBe(
      `${basename(root)}: 2 classes (ants, bees), 15 images, of which 3 are held out for validation; ` +
        '2 other files or folders passed over (x.txt, bees/labels.csv)',
    );
  });

  it('counts images in folders of a class, and refuses parts inside of classes', async () => {
    const views = emptyFiles(
      ...numbered('a', 3),
      ...numbered('a/views', 2),
      ...numbered('b', 2),
      'b/views/1.jpg',
    );
    const folder = await scanImageFolder(folderWith(views), OPTIONS);
    expect(folder.train.length + folder.valid.length).toBe(8);
    expect(folder.notes).toEqual([
      expect.stringMatching(/^3 images lie in folders inside .*\(a\/views, b\/views\)/),
    ]);
    const inside = emptyFiles(
      ...['a', 'b'].flatMap((name) => [`train/${name}/one/1.jpg`, `train/${name}/two/1.jpg`]),
    );
    const refused = scanImageFolder(folderWith(inside), OPTIONS);
    await expect(refused).rejects.toThrow(/a\/, b\/ in .*\/train would be classes.*one\/, two\/\. Expected/);
  });

  it('passes over what systems leave behind, readable or not, without a word', async () => {
    const names = [
      '#recycle',
      '@Recycle',
      '@eaDir',
      '#snapshot',
      '$RECYCLE.BIN',
      'System Volume Information',
    ];
    names.push('lost+found', '__MACOSX', '.ipynb_checkpoints', '.Trash-1000');
    const left = [...names, ...names.map((name) => `a/${name}`)].map((name) => `${name}/x/1.jpg`);
    const files = ['Thumbs.db', 'desktop.ini', '.DS_Store', '._0.jpg', '0.jpg:Zone.Identifier'].flatMap(
      (name) => [name, `a/${name}`],
    );
    const root = folderWith(emptyFiles(...left, ...files, ...numbered('a', 2), ...numbered('b', 2)));
    chmodSync(join(root, 'lost+found'), 0o000);
    chmodSync(join(root, 'a/lost+found'), 0o000);
    const folder = await asUnprivileged(() => scanImageFolder(root, OPTIONS));
    chmodSync(join(root, 'lost+found'), 0o755);
    chmodSync(join(root, 'a/lost+found'), 0o755);
    expect(folder.classNames).toEqual(['a', 'b']);
    expect([folder.train.length + folder.valid.length, folder.skipped]).toEqual([4, []]);
    expect(folder.taken).not.toContain('passed over');
  });

  it.runIf(process.platform === 'linux')(
    'names a class folder whose name is not UTF-8, and skips such files',
    async () => {
      const root = folderWith(emptyFiles(...numbered('a', 2), ...numbered('b', 2)));
      const cafe = (folder: string, end = '') =>
        Buffer.concat([
          Buffer.from(join(root, folder)),
          Buffer.of(0x2f, 0x63, 0x61, 0x66, 0xe9),
          Buffer.from(end),
        ]);
      writeFileSync(cafe('a', '.jpg'), '');
      writeFileSync(join(root, 'a/\ufffd.jpg'), '');
      const folder = await scanImageFolder(root, OPTIONS);
      expect(folder.skipped).toEqual([
        { path: 'a/caf\\xe9.jpg', reason: expect.stringContaining('not UTF-8: rename') },
      ]);
      expect(paths([...folder.train, ...folder.valid])).toContain('a/\ufffd.jpg');
      mkdirSync(cafe(''));
      await expect(scanImageFolder(root, OPTIONS)).rejects.toThrow(
        new RegExp(
          `The name of the folder caf\\\\xe9 in ${root} is not UTF-8, .*Expected names in UTF-8; rename it`,
        ),
      );
    },
  );
});

describe('classes that several folders name', () => {
  const TWO = { ...OPTIONS, classDepth: 2 };

  it('are called by their path, and split as any other', async () => {
    const root = folderWith(
      emptyFiles(
        ...numbered('animals/cats', 5),
        ...numbered('animals/dogs', 5),
        ...numbered('things/cats', 5),
      ),
    );
    const folder = await scanImageFolder(root, TWO);
    expect(folder.classNames).toEqual(['animals/cats', 'animals/dogs', 'things/cats']);
    expect(folder.valid.map(({ label }) => label)).toEqual([0, 1, 2]);
    expect(folder.taken).toBe(
      `${basename(root)}: 3 classes (animals/cats, animals/dogs, things/cats), 15 images, of which 3 are held out for validation`,
    );
    expect(folder.notes).toEqual([]);
  });

  it('lie in parts, with fewer folders where there are no more, and with more inside', async () => {
    const files = ['a/abbey/1.jpg', 'a/field/indoor/2.jpg', 'a/field/outdoor/far/3.jpg', 'b/4.jpg'];
    const root = folderWith(
      emptyFiles(...['train', 'val'].flatMap((part) => files.map((file) => `${part}/${file}`))),
    );
    const folder = await scanImageFolder(root, { ...OPTIONS, classDepth: 3 });
    expect(folder.classNames).toEqual(['a/abbey', 'a/field/indoor', 'a/field/outdoor', 'b']);
    expect(folder.valid).toEqual([
      { path: 'val/a/abbey/1.jpg', label: 0 },
      { path: 'val/a/field/indoor/2.jpg', label: 1 },
      { path: 'val/a/field/outdoor/far/3.jpg', label: 2 },
      { path: 'val/b/4.jpg', label: 3 },
    ]);
    expect(folder.notes).toEqual([
      expect.stringMatching(
        /^2 images lie in folders .*outdoor\/far\) and are taken .* with --class-depth 4 each/,
      ),
    ]);
  });

  it('are asked for where folders repeat, and refused where these are parts', async () => {
    const years = ['2021', '2022'].flatMap((year) =>
      ['cats', 'dogs'].flatMap((name) => numbered(`${year}/${name}`, 2)),
    );
    const root = folderWith(emptyFiles(...years));
    await expect(scanImageFolder(root, OPTIONS)).rejects.toThrow(
      /2021\/, 2022\/ in .* would be classes.*as in 2021\/cats, pass --class-depth 2\.$/,
    );
    const deeper = folderWith(
      emptyFiles(...years.map((path) => `pets/${path}`), ...numbered('birds/far/owl', 2)),
    );
    await expect(scanImageFolder(deeper, TWO)).rejects.toThrow(
      /would be classes.*as in pets\/2021\/cats, pass --class-depth 3\.$/,
    );
    expect((await scanImageFolder(root, TWO)).classNames).toEqual([
      '2021/cats',
      '2021/dogs',
      '2022/cats',
      '2022/dogs',
    ]);
    const parts = ['a', 'b'].flatMap((name) =>
      ['train', 'val'].flatMap((part) => numbered(`${name}/${part}`, 2)),
    );
    await expect(scanImageFolder(folderWith(emptyFiles(...parts)), TWO)).rejects.toThrow(
      /a\/, b\/ in .* would be classes, and hold folders of the same names: train\/, val\//,
    );
  });
});

describe('a folder of classes', () => {
  it('may have a class called train', async () => {
    const root = folderWith(emptyFiles('train/1.jpg', 'train/2.jpg', 'bus/1.jpg', 'bus/2.jpg'));
    expect((await scanImageFolder(root, OPTIONS)).classNames).toEqual(['bus', 'train']);
  });

  it('is split by seed, alike each time, each class for itself', async () => {
    const two = folderWith(emptyFiles(...numbered('a', 50), ...numbered('b', 50)));
    const three = folderWith(emptyFiles(...numbered('a', 50), ...numbered('b', 50), ...numbered('c', 50)));
    const inA = (folder: { valid: readonly { path: string }[] }) =>
      paths(folder.valid).filter((path) => path.startsWith('a/'));
    const first = inA(await scanImageFolder(two, OPTIONS));
    expect(first).toHaveLength(10);
    expect(inA(await scanImageFolder(three, OPTIONS))).toEqual(first);
    expect(inA(await scanImageFolder(two, { ...OPTIONS, seed: 1 }))).not.toEqual(first);
  });

  it('splits into disjoint sides that make the whole, at least one each, in order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 300 }),
        fc.double({ min: 0.001, max: 0.999, noNaN: true }),
        fc.integer(),
        (n, share, seed) => {
          const all = Array.from({ length: n }, (_, i) => String(i).padStart(3, '0'));
          const { train, valid } = splitClass('x', all, share, seed);
          expect([...train, ...valid].sort()).toEqual(all);
          expect(train).toEqual([...train].sort());
          expect(valid).toEqual([...valid].sort());
          expect(train.length).toBeGreaterThan(0);
          expect(valid.length).toBeGreaterThan(0);
          // To the nearest image, but for the one that each side keeps.
          expect(Math.abs(valid.length - n * share)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it('lists what may have been meant as an image and keeps quiet about the rest', async () => {
    const root = folderWith(
      emptyFiles(
        ...numbered('a', 2),
        ...numbered('b', 2),
        ...['README.md', '.DS_Store', 'a/.hidden.jpg', 'a/Thumbs.db', 'a/labels.csv', 'a/LICENSE'],
        ...['.git/x/1.jpg', '__MACOSX/a/1.jpg', 'a/@eaDir/1.jpg', 'a/._0.jpg'],
        ...['a/cat.xyz', 'a/logo.SVG', 'a/scan.bmp', 'a/noextension', 'loose.jpg', 'empty/notes.txt'],
      ),
    );
    const folder = await scanImageFolder(root, OPTIONS);
    expect(folder.classNames).toEqual(['a', 'b']);
    expect(folder.train.length + folder.valid.length).toBe(4);
    expect(Object.fromEntries(folder.skipped.map(({ path, reason }) => [path, reason]))).toEqual({
      'a/cat.xyz': expect.stringContaining('unknown extension'),
      'a/logo.SVG': expect.stringContaining('SVG'),
      'a/noextension': expect.stringContaining('no extension'),
      'a/scan.bmp': expect.stringContaining('BMP'),
      empty: expect.stringContaining('no class'),
      'loose.jpg': expect.stringContaining('beside'),
    });
  });
});

describe('symbolic links', () => {
  const linked = () => {
    const outside = folderWith(emptyFiles('more/o1.jpg', 'more/deep/o2.jpg', 'o3.jpg'));
    const root = folderWith(emptyFiles(...numbered('a', 4), ...numbered('a/deep', 1), ...numbered('b', 4)));
    symlinkSync('../b/0.jpg', join(root, 'a/inside.jpg'));
    symlinkSync(join(outside, 'o3.jpg'), join(root, 'a/outside.jpg'));
    symlinkSync(join(outside, 'more'), join(root, 'a/outside'));
    symlinkSync('nowhere.jpg', join(root, 'a/dangling.jpg'));
    symlinkSync('self.jpg', join(root, 'a/self.jpg'));
    symlinkSync('..', join(root, 'a/up'));
    symlinkSync('../../a', join(root, 'a/deep/loop'));
    symlinkSync('deep', join(root, 'a/again'));
    symlinkSync('.', join(root, 'everything'));
    // Outside, two folders that lead into each other.
    symlinkSync(outside, join(outside, 'more/back'));
    return root;
  };
  const inA = (samples: readonly { path: string }[]) =>
    paths(samples).filter((path) => path.startsWith('a/'));

  it('are followed inside the data folder, refused outside it, and never loop', async () => {
    const folder = await scanImageFolder(linked(), OPTIONS);
    expect(inA([...folder.train, ...folder.valid]).sort()).toEqual(
      [...numbered('a', 4), 'a/deep/0.jpg', 'a/inside.jpg'].sort(),
    );
    expect(Object.fromEntries(folder.skipped.map(({ path, reason }) => [path, reason]))).toEqual({
      'a/again': expect.stringContaining('already'),
      'a/dangling.jpg': expect.stringContaining('does not exist'),
      'a/deep/loop': expect.stringContaining('contains it'),
      'a/outside': expect.stringContaining('--follow-links'),
      'a/outside.jpg': expect.stringContaining('--follow-links'),
      'a/self.jpg': expect.stringContaining('itself'),
      'a/up': expect.stringContaining('contains it'),
      everything: expect.stringContaining('contains it'),
    });
  });

  it('are followed outside on request, and still never loop', async () => {
    const folder = await scanImageFolder(linked(), { ...OPTIONS, followLinks: true });
    expect(inA([...folder.train, ...folder.valid]).sort()).toEqual(
      [
        ...numbered('a', 4),
        'a/deep/0.jpg',
        'a/inside.jpg',
        'a/outside.jpg',
        'a/outside/deep/o2.jpg',
        'a/outside/o1.jpg',
      ].sort(),
    );
    expect(paths(folder.skipped)).toContain('a/outside/back');
  });

  it('may be class folders', async () => {
    const elsewhere = folderWith(emptyFiles('1.jpg', '2.jpg'));
    const root = folderWith(emptyFiles(...numbered('a', 2), ...numbered('b', 2)));
    symlinkSync(elsewhere, join(root, 'c'));
    const refused = await scanImageFolder(root, OPTIONS);
    expect(refused.classNames).toEqual(['a', 'b']);
    expect(paths(refused.skipped)).toEqual(['c']);
    expect((await scanImageFolder(root, { ...OPTIONS, followLinks: true })).classNames).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('may not take the place of the validation part by what is held out', async () => {
    const elsewhere = folderWith(emptyFiles('a/9.jpg', 'b/9.jpg'));
    const root = folderWith(emptyFiles(...numbered('train/a', 5), ...numbered('train/b', 5)));
    symlinkSync(elsewhere, join(root, 'val'));
    await expect(scanImageFolder(root, OPTIONS)).rejects.toThrow(
      /val\/ in .* cannot be read: link out of the data folder: --follow-links allows it\..* Expected a folder; pass --follow-links/,
    );
    const followed = await scanImageFolder(root, { ...OPTIONS, followLinks: true });
    expect(paths(followed.valid)).toEqual(['val/a/9.jpg', 'val/b/9.jpg']);
  });

  it('are counted where nothing else is there', async () => {
    const elsewhere = folderWith(emptyFiles('1.jpg'));
    const root = folderWith(emptyFiles(...['a', 'b', 'c', 'd', 'e'].map((name) => `${name}/notes.txt`)));
    for (let i = 0; i < 300; i++)
      symlinkSync(join(elsewhere, '1.jpg'), join(root, `${'abcde'[i % 5]}/${i}.jpg`));
    await expect(scanImageFolder(root, OPTIONS)).rejects.toThrow(
      /No images found in .*\. Skipped: 300 such as a\/0\.jpg \(link out of the data folder: --follow-links allows it\), 5 such as a \(a folder/,
    );
  });
});

describe('what makes no data set', () => {
  const failure = async (root: string, options = OPTIONS) => {
    const error: unknown = await scanImageFolder(root, options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  };

  it.each([
    ['an empty folder', {}, /No images/],
    ['only other files', emptyFiles('a/x.svg', 'b/y.svg'), /No images.*Skipped: 2 such as a\/x\.svg \(SVG/],
    ['images without class folders', emptyFiles('1.jpg', '2.jpg'), /No images.*beside the class folders/],
    ['one class', emptyFiles(...numbered('a', 4)), /Only one class, "a"/],
    [
      'a class too small to split',
      emptyFiles(...numbered('a', 4), 'b/1.jpg'),
      /too few images to hold one out for validation \("b" with 1 image\)\. Expected/,
    ],
    ['val without train', emptyFiles('val/a/1.jpg', 'val/b/1.jpg'), /no such train/],
    [
      'val without classes',
      emptyFiles('train/a/1.jpg', 'train/b/1.jpg', 'val/1.jpg'),
      /val\/ holds no class/,
    ],
    [
      'a class in val alone',
      emptyFiles('train/a/1.jpg', 'train/b/1.jpg', 'val/a/1.jpg', 'val/b/1.jpg', 'val/c/1.jpg'),
      /train\/ has no images of "c"/,
    ],
    [
      'a class in train alone',
      emptyFiles('train/a/1.jpg', 'train/b/1.jpg', 'val/a/1.jpg', 'val/b/notes.txt'),
      /val\/ has no images of "b"/,
    ],
  ])('%s is an error that says where and what to do', async (_, files, message) => {
    const root = folderWith(files);
    const said = await failure(root);
    expect(said).toMatch(message);
    expect(said).toMatch(/[Ee]xpected/);
    expect(said).toContain(root);
  });

  it('a missing folder and a file are errors', async () => {
    const root = folderWith(emptyFiles('file.jpg'));
    expect(await failure(join(root, 'nowhere'))).toMatch(/No such data folder: .*nowhere.*; check --data\.$/);
    for (const [given, advice] of [
      ['https://example.org/photos', /; download it and unpack it, and pass the folder to --data\.$/],
      ['photos.zip', /; unpack it, and pass/],
      ['photos/*', /; pass one folder to --data, without a pattern/],
    ] as const) {
      expect(await failure(join(root, given))).toMatch(advice);
    }
    expect(await failure(join(root, 'file.jpg'))).toMatch(/Not a folder: .*file\.jpg/);
  });

  it('a folder that may not be read is an error, deep inside as well', async () => {
    const root = folderWith(emptyFiles(...numbered('a', 2), ...numbered('b', 2)));
    mkdirSync(join(root, 'b/closed'));
    chmodSync(join(root, 'b/closed'), 0o000);
    expect(await asUnprivileged(() => failure(root))).toMatch(/No permission.*b\/closed/);
    chmodSync(root, 0o000);
    expect(await asUnprivileged(() => failure(root))).toMatch(/No permission/);
    chmodSync(root, 0o755);
  });

  it.each([0, 1, -0.1, NaN])('a split of %s is an error', async (valSplit) => {
    expect(await failure(folderWith({}), { ...OPTIONS, valSplit })).toMatch(/between 0 and 1/);
  });
});
