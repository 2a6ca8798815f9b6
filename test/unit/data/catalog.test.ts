import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  allDataSets,
  type DataSetLayout,
  DATA_SETS,
  findDataSet,
} from '../../../src/data/catalog/catalog.js';
import { makeImageFolder } from '../../../src/data/catalog/image-folders.js';
import { RunError, UsageError } from '../../../src/errors.js';
import { tarOf, zipOf } from '../fetch/archives.js';

function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'onecycle-catalog-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The folder that is made of archives: its files, and what was counted. */
async function made(layout: DataSetLayout, ...archives: readonly Buffer[]) {
  const dir = scratch();
  const folder = join(dir, 'set');
  mkdirSync(folder);
  const paths = archives.map((archive, i) => {
    writeFileSync(join(dir, `${i}`), archive);
    return join(dir, `${i}`);
  });
  const options = { signal: new AbortController().signal, onProgress: () => undefined };
  const images = await makeImageFolder({ name: 'set', layout }, folder, paths, options);
  const files = readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
  return { folder, images, files };
}

describe('an image folder', () => {
  it('is made of parts and classes as they lie, with better names, without what is no image of a class', async () => {
    const { files, images, folder } = await made(
      {
        ...{ kind: 'folders', top: 'imagenette2-160' },
        ...{ classNames: { n01440764: 'tench', n03394916: 'French horn' }, leftOut: ['notFound.gif'] },
      },
      gzipSync(
        tarOf([
          ['imagenette2-160/noisy_imagenette.csv', 'path'],
          ['imagenette2-160/LICENSE.txt', 'free'],
          ['imagenette2-160/train/n01440764/a.JPEG', 'a'],
          ['./imagenette2-160/train/n03394916/b.JPEG', 'b'],
          ['imagenette2-160/train/n03394916/notFound.gif', 'no'],
          ['imagenette2-160/train/n03394916/._b.JPEG', 'no'],
          ['imagenette2-160/val/n03394916/.DS_Store', 'no'],
          ['imagenette2-160/val/n03394916/c.JPEG', 'c'],
          ['__MACOSX/imagenette2-160/val/n03394916/c.JPEG', 'no'],
          ['elsewhere/train/n03394916/d.JPEG', 'no'],
        ]),
      ),
    );
    expect(files).toEqual([
      'LICENSE.txt',
      'train/French horn/b.JPEG',
      'train/tench/a.JPEG',
      'val/French horn/c.JPEG',
    ]);
    expect(images).toEqual({ train: 2, valid: 1 });
    expect(readFileSync(join(folder, 'val/French horn/c.JPEG'), 'utf8')).toBe('c');
  });

  it('is made of a zip, and of classes without parts', async () => {
    const archive = zipOf([
      ['flower_photos/daisy/1.jpg', 'a'],
      ['flower_photos/roses/2.jpg', 'b'],
    ]);
    const { files, images } = await made({ kind: 'folders', top: 'flower_photos' }, archive);
    expect(files).toEqual(['daisy/1.jpg', 'roses/2.jpg']);
    expect(images).toEqual({ train: 2, valid: 0 });
  });

  it("is made of CIFAR-10's records: a label, then the three planes row by row", async () => {
    // Pixel (x, y) of record r: red 4x + r, green 4y, blue x + y.
    const record = (label: number, r: number) => {
      const at = (channel: (x: number, y: number) => number) =>
        Array.from({ length: 1024 }, (_, i) => channel(i % 32, Math.floor(i / 32)));
      return Buffer.from([label, ...at((x) => 4 * x + r), ...at((_, y) => 4 * y), ...at((x, y) => x + y)]);
    };
    const archive = gzipSync(
      tarOf([
        ['cifar-10-batches-bin/batches.meta.txt', 'airplane\nautomobile\n'],
        ['cifar-10-batches-bin/data_batch_1.bin', Buffer.concat([record(6, 0), record(0, 1)])],
        ['cifar-10-batches-bin/data_batch_3.bin', record(9, 2)],
        ['cifar-10-batches-bin/test_batch.bin', record(1, 3)],
      ]),
    );
    const { files, images, folder } = await made({ kind: 'cifar10' }, archive);
    expect(files).toEqual([
      'train/airplane/00001.png',
      'train/frog/00000.png',
      'train/truck/20000.png',
      'val/automobile/00000.png',
    ]);
    expect(images).toEqual({ train: 3, valid: 1 });
    const { data, info } = await sharp(join(folder, 'train/truck/20000.png'))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 32, height: 32, channels: 3 });
    // x = 5, y = 7.
    expect([...data.subarray(3 * (7 * 32 + 5), 3 * (7 * 32 + 5) + 3)]).toEqual([22, 28, 12]);
  });

  it('is made of one folder of images and the lists of its parts', async () => {
    const lists = gzipSync(
      tarOf([
        [
          'annotations/trainval.txt',
          '#Image CLASS-ID SPECIES\nAbyssinian_1 1 1 1\ngreat_pyrenees_10 16 2 9\n',
        ],
        ['annotations/test.txt', 'Abyssinian_2 1 1 1\ngreat_pyrenees_3 16 2 9\n'],
        ['annotations/._test.txt', 'great_pyrenees_10'],
      ]),
    );
    const photographs = [
      'Abyssinian_1',
      'Abyssinian_2',
      'Abyssinian_3',
      'great_pyrenees_10',
      'great_pyrenees_3',
    ];
    const images = gzipSync(
      tarOf([
        ...photographs.map((name) => [`images/${name}.jpg`, name] as const),
        ['images/Abyssinian_1.mat', 'no'],
      ]),
    );
    const layout = {
      kind: 'listed',
      images: 'images',
      train: 'annotations/trainval.txt',
      valid: 'annotations/test.txt',
    } as const;
    const { files, images: counted } = await made(layout, lists, images);
    expect(files).toEqual([
      'train/Abyssinian/Abyssinian_1.jpg',
      'train/great_pyrenees/great_pyrenees_10.jpg',
      'val/Abyssinian/Abyssinian_2.jpg',
      'val/great_pyrenees/great_pyrenees_3.jpg',
    ]);
    expect(counted).toEqual({ train: 2, valid: 2 });
  });

  it.each([
    [
      'no image where one should be',
      { kind: 'folders', top: 'other' },
      tarOf([['top/a/1.jpg', 'x']]),
      'no training image is where its description says',
    ],
    [
      'half a record',
      { kind: 'cifar10' },
      tarOf([['data_batch_1.bin', Buffer.alloc(3000)]]),
      'its length is no multiple of 3073 bytes',
    ],
    [
      'a label that there is not',
      { kind: 'cifar10' },
      tarOf([['data_batch_1.bin', Buffer.alloc(3073, 10)]]),
      'has the label 10',
    ],
  ] as const)('is not made of an archive with %s', async (_, layout, archive, reason) => {
    const outcome = made(layout, archive);
    await expect(outcome).rejects.toThrow(RunError);
    await expect(outcome).rejects.toThrow(reason);
  });
});

describe('the table of data sets', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('has names that no path could be mistaken for, and files of stated sizes and checksums at secure addresses', async () => {
    for (const { name, files } of DATA_SETS) {
      expect(name).toMatch(/^[a-z][a-z0-9-]*$/u);
      for (const { url, bytes, sha256, statedBy } of files) {
        expect(new URL(url).protocol).toBe('https:');
        expect(bytes).toBeGreaterThan(10e6);
        expect(sha256).toMatch(/^[0-9a-f]{64}$/u);
        expect(statedBy).not.toBeNull();
      }
    }
    expect((await findDataSet('flowers'))?.classes).toBe(5);
    expect(await findDataSet('./flowers')).toBeUndefined();
  });

  const OWN = {
    ...{ name: 'flowers', about: 'others', classes: 2, images: { train: 2, valid: null } },
    files: [{ url: 'https://files.example/own.zip' }],
    layout: { kind: 'folders', top: '' },
    licence: 'ours',
  };

  it("takes a user's own before it", async () => {
    const file = join(scratch(), 'own.json');
    writeFileSync(file, JSON.stringify([OWN]));
    vi.stubEnv('ONECYCLE_CATALOG', file);
    expect(await findDataSet('flowers')).toMatchObject({
      about: 'others',
      files: [{ bytes: null, sha256: null }],
    });
    expect((await allDataSets()).map(({ name }) => name)).toEqual([
      ...['flowers', 'ants-bees', 'cifar10', 'imagenette', 'imagenette-320', 'oxford-pets'],
    ]);
  });

  it.each([
    ['no JSON', '[', 'is no table of data sets: '],
    ['a key that there is not', JSON.stringify([{ ...OWN, size: 3 }]), '0: Unrecognized key: "size"'],
    ['a name that is a path', JSON.stringify([{ ...OWN, name: '../x' }]), '0.name: '],
    [
      'a class that leads out',
      JSON.stringify([{ ...OWN, layout: { kind: 'folders', top: '', classNames: { a: '../b' } } }]),
      '0.layout.classNames.a: ',
    ],
    [
      'an address without a file',
      JSON.stringify([{ ...OWN, files: [{ url: 'https://files.example/' }] }]),
      '0.files.0.url: ',
    ],
  ])('refuses a table with %s', async (_, text, reason) => {
    const file = join(scratch(), 'own.json');
    writeFileSync(file, text);
    vi.stubEnv('ONECYCLE_CATALOG', file);
    await expect(allDataSets()).rejects.toThrow(UsageError);
    await expect(allDataSets()).rejects.toThrow(reason);
  });
});
