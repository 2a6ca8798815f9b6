import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listImages } from '../../../src/predict/predict.js';

const CLASSES = ['ants', 'bees', 'caf\u00e9'];

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'onecycle-list-'));
  const files = [
    'ants/photos/val/ants/1.jpg',
    'ants/photos/val/ants/deep/2.jpg',
    'ants/photos/val/bees/3.PNG',
    'ants/photos/val/cafe\u0301/4.png',
    'ants/photos/val/wasps/5.png',
    'ants/photos/val/6.png',
    'ants/photos/val/readme.txt',
    'ants/photos/val/drawing.svg',
    'ants/photos/val/.hidden.png',
    'elsewhere/bees/7.png',
  ];
  for (const file of files) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  symlinkSync(join(root, 'elsewhere', 'bees'), join(root, 'ants/photos/val/linked'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const listed = async (names: readonly string[], followLinks = false) => {
  const { images, skipped } = await listImages(
    names.map((name) => join(root, name)),
    CLASSES,
    followLinks,
  );
  const short = (path: string) => path.slice(root.length + 1);
  return {
    images: images.map(({ path, label }) => [short(path), label === null ? null : CLASSES[label]]),
    skipped: skipped.map(({ path, reason }) => `${short(path)}: ${reason}`),
  };
};

describe('a folder', () => {
  test('is read as a data folder is; the nearest folder that is called as a class says the class', async () => {
    const { images, skipped } = await listed(['ants/photos/val/']);
    expect(images).toEqual([
      ['ants/photos/val/6.png', null],
      ['ants/photos/val/ants/1.jpg', 'ants'],
      ['ants/photos/val/ants/deep/2.jpg', 'ants'],
      ['ants/photos/val/bees/3.PNG', 'bees'],
      // Decomposed on the disk, composed in the record.
      ['ants/photos/val/cafe\u0301/4.png', 'caf\u00e9'],
      // That the folders above the named one are called ants says nothing of what lies in it.
      ['ants/photos/val/wasps/5.png', null],
    ]);
    expect(skipped).toHaveLength(2);
    expect(skipped[0]).toMatch(/^ants\/photos\/val\/drawing\.svg: SVG drawings are not accepted/);
    expect(skipped[1]).toMatch(/^ants\/photos\/val\/linked: link out of the data folder/);
  });

  test('that is named itself counts: one class alone', async () => {
    expect((await listed(['ants/photos/val/bees'])).images).toEqual([['ants/photos/val/bees/3.PNG', 'bees']]);
  });

  test('links out of it are followed where that is allowed', async () => {
    const { images } = await listed(['ants/photos/val'], true);
    expect(images).toContainEqual(['ants/photos/val/linked/7.png', null]);
  });
});

test('a named file has the class of the folder that it lies in, whatever its own name', async () => {
  const { images, skipped } = await listed([
    'elsewhere/bees/7.png',
    'ants/photos/val/readme.txt',
    'ants/photos/val/ants/deep/2.jpg',
    'gone.png',
  ]);
  expect(images).toEqual([
    ['elsewhere/bees/7.png', 'bees'],
    ['ants/photos/val/readme.txt', null],
    ['ants/photos/val/ants/deep/2.jpg', null],
  ]);
  expect(skipped).toEqual(['gone.png: there is no such file or folder']);
});

test.runIf(process.platform !== 'win32')('what is neither file nor folder is skipped', async () => {
  const { skipped } = await listImages(['/dev/null'], CLASSES, false);
  expect(skipped).toEqual([{ path: '/dev/null', reason: 'neither a file nor a folder' }]);
});

describe('classes that several folders name', () => {
  test('are told by all of these folders, above a named one too, and of several names the longest counts', async () => {
    const classes = ['ants', 'photos/val', 'val/bees'];
    const { images } = await listImages([join(root, 'ants/photos/val')], classes, false);
    const labels = images.map(({ path, label }) => [path.split('/').slice(-2).join('/'), label]);
    expect(labels).toContainEqual(['val/6.png', 1]);
    expect(labels).toContainEqual(['ants/1.jpg', 0]);
    expect(labels).toContainEqual(['bees/3.PNG', 2]);
    expect(labels).toContainEqual(['wasps/5.png', 1]);
    const file = await listImages([join(root, 'ants/photos/val/bees/3.PNG')], classes, false);
    expect(file.images.map(({ label }) => label)).toEqual([2]);
  });
});
