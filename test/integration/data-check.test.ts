import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DataCheckDocument } from '../../src/runs/documents.js';
import { schemaErrors } from '../schemas/validate.js';
import { ROOT, runCli, scratchFolder, startCli } from './run-cli.js';
import { trainSmall } from './small-run.js';
import { tinyImages } from './tiny-images.js';

const BUNDLED = join(ROOT, 'data', 'cifar10-mini');
let root: string;
let faulty: string;
let sound: string;
let run: string;

/** Six real images a class to learn from and two to be judged by, and one of each fault. */
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-check-'));
  faulty = join(root, 'faulty photos');
  const bundled = async (part: string, name: string, count: number) => {
    const folder = join(faulty, part, name);
    await mkdir(folder, { recursive: true });
    const files = (await readdir(join(BUNDLED, part, name))).sort().slice(0, count);
    for (const [i, file] of files.entries()) {
      await copyFile(join(BUNDLED, part, name, file), join(folder, `${i}.png`));
    }
  };
  for (const name of ['cat', 'ship']) {
    await bundled('train', name, name === 'cat' ? 6 : 2);
    await bundled('val', name, 2);
  }
  const [cats, ships, valid] = ['train/cat', 'train/ship', 'val/cat'].map((part) => join(faulty, part));
  await copyFile(join(cats!, '0.png'), join(cats!, '0-again.png'));
  await copyFile(join(cats!, '1.png'), join(valid!, '1-again.png'));
  await sharp(join(cats!, '2.png')).flop().jpeg({ quality: 80 }).toFile(join(valid!, '2-mirrored.jpg'));
  await copyFile(join(cats!, '3.png'), join(ships!, 'cat-3.png'));
  const plain = (width: number, height: number, background: string) =>
    sharp({ create: { width, height, channels: 3, background } });
  await plain(40, 40, 'red').png().toFile(join(cats!, 'red.png'));
  await plain(50, 50, 'blue').png().toFile(join(cats!, 'blue.png'));
  await sharp(join(BUNDLED, 'train', 'dog', '00027.png'))
    .resize(100, 20, { fit: 'fill' })
    .png()
    .toFile(join(cats!, 'long.png'));
  await sharp(join(cats!, '5.png')).resize(5, 5).png().toFile(join(cats!, 'tiny.png'));
  const large = sharp(join(BUNDLED, 'train', 'ship', '00811.png')).resize(160, 120, { fit: 'fill' });
  await large.clone().toColourspace('cmyk').jpeg().toFile(join(ships!, 'cmyk.jpg'));
  const other = sharp(join(BUNDLED, 'train', 'ship', '00139.png')).resize(130, 120, { fit: 'fill' });
  await other.toColourspace('grey16').png().toFile(join(ships!, 'deep-grey.png'));
  const clear = sharp(join(BUNDLED, 'train', 'ship', '00485.png')).resize(140, 120, { fit: 'fill' });
  await clear.ensureAlpha(0.5).webp().toFile(join(ships!, 'clear.webp'));
  await writeFile(join(cats!, 'cut.png'), (await readFile(join(cats!, '0.png'))).subarray(0, 900));
  await writeFile(join(cats!, 'words.jpg'), 'no image');
  await writeFile(join(cats!, 'drawing.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');

  sound = join(root, 'sound');
  await tinyImages(sound);
  run = await trainSmall(sound, join(root, 'runs'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function check(args: readonly string[], code = 0) {
  const result = await runCli(['data', 'check', ...args]);
  expect(result.code, result.stderr).toBe(code);
  return result;
}
async function checked(args: readonly string[], code = 0): Promise<DataCheckDocument> {
  const { stdout } = await check([...args, '--json', '--quiet'], code);
  const document = JSON.parse(stdout) as DataCheckDocument;
  expect(schemaErrors('data-check', document)).toEqual([]);
  return document;
}
const paths = (images: readonly { readonly path: string }[]) => images.map(({ path }) => path);

describe('a folder with each fault', () => {
  test('is told fault by fault in JSON', async () => {
    const found = await checked([faulty, '--image-size', '96']);
    expect(found.dataset.counts).toEqual([
      { class: 'cat', train: 11, valid: 4 },
      { class: 'ship', train: 6, valid: 2 },
    ]);
    expect(found.unreadable.map(({ path, class: name, part }) => [path, name, part])).toEqual([
      ['train/cat/cut.png', 'cat', 'train'],
      ['train/cat/words.jpg', 'cat', 'train'],
    ]);
    expect(found.unreadable[0]!.reason).toMatch(/cut short/u);
    expect(paths(found.dataset.skipped)).toEqual([
      'train/cat/drawing.svg',
      'train/cat/cut.png',
      'train/cat/words.jpg',
    ]);
    const groups = found.duplicates.map(({ images, similarity: _, ...group }) => ({
      ...group,
      images: paths(images),
    }));
    expect(groups).toEqual([
      {
        ...{ kind: 'exact', mirrored: false, acrossParts: false, acrossClasses: false },
        images: ['train/cat/0-again.png', 'train/cat/0.png'],
      },
      {
        ...{ kind: 'exact', mirrored: false, acrossParts: true, acrossClasses: false },
        images: ['train/cat/1.png', 'val/cat/1-again.png'],
      },
      {
        ...{ kind: 'near', mirrored: true, acrossParts: true, acrossClasses: false },
        images: ['train/cat/2.png', 'val/cat/2-mirrored.jpg'],
      },
      {
        ...{ kind: 'exact', mirrored: false, acrossParts: false, acrossClasses: true },
        images: ['train/cat/3.png', 'train/ship/cat-3.png'],
      },
    ]);
    expect(found.duplicates[2]!.similarity).toBeGreaterThan(0.9);
    expect(found.leaks).toEqual({ exact: 1, near: 1 });
    expect(found.search).toEqual({ bits: 11, similarity: 0.85, plain: 2 });
    expect(found.formats).toEqual([
      { name: 'PNG', images: 20 },
      { name: 'JPEG', images: 2 },
      { name: 'WebP', images: 1 },
    ]);
    expect(found.colours).toEqual([
      { name: 'RGB', images: 20 },
      { name: 'CMYK', images: 1 },
      { name: 'RGB, alpha', images: 1 },
      { name: 'grey, 16 bit', images: 1 },
    ]);
    expect(found.sizes).toEqual({
      shortSide: { least: 5, median: 32, greatest: 120 },
      longSide: { least: 5, median: 32, greatest: 160 },
    });
    const odd = Object.fromEntries(found.odd.map(({ kind, images }) => [kind, paths(images)]));
    expect(odd['small']).toHaveLength(20);
    expect(odd).toMatchObject({
      tiny: ['train/cat/tiny.png'],
      long: ['train/cat/long.png'],
      'one colour': ['train/cat/blue.png', 'train/cat/red.png'],
    });
    expect(found.findings.map(({ kind, serious }) => [kind, serious])).toEqual([
      ['unreadable', true],
      ['contradiction', true],
      ['leak', true],
      ['skipped', false],
      ['duplicates', false],
      ...Array.from({ length: 4 }, () => ['odd', false]),
    ]);
    expect(found.labels).toBe(null);
  });

  test('is told to people, with the line that goes on to a page', async () => {
    const { stdout, stderr } = await check([faulty]);
    expect(stdout).toContain('train/cat/words.jpg: its content is no image of a known kind');
    expect(stdout).toContain('\n  train/cat/3.png (the same bytes)\n= train/ship/cat-3.png\n');
    expect(stdout).toMatch(
      /\n {2}train\/cat\/2\.png \(mirrored, 0\.\d\d alike\)\n= val\/cat\/2-mirrored\.jpg\n/u,
    );
    expect(stdout).toContain('\n3 findings make results wrong, 6 to know of:\n');
    expect(stdout).toContain('! leak: 2 of 6 validation images are copies of training images');
    expect(stderr).toMatch(/Next {5}node .*onecycle\.js data check '.*faulty photos' --report data-page$/u);
  });

  test('--strict: exit code 1, after everything was printed', async () => {
    expect((await checked([faulty, '--strict'], 1)).findings).toHaveLength(9);
    expect((await checked([sound, '--strict'])).findings).toEqual([]);
  });

  test('--report: a page that shows them side by side and needs nothing from elsewhere', async () => {
    const page = join(await scratchFolder(), 'page');
    const { stderr } = await check([faulty, '--report', page]);
    expect(stderr).toMatch(/^Results {2}.*report\.html$/mu);
    expect(await readdir(page)).toEqual(['report.html']);
    const text = await readFile(join(page, 'report.html'), 'utf8');
    expect(text).toContain('The same in training and validation');
    expect(text).toContain('Mirrored, ');
    expect(text.match(/<img src="data:image\/(png|jpeg);base64,/gu)!.length).toBeGreaterThan(10);
    expect(text).not.toMatch(/<script|https?:\/\//u);
  });

  test('before a training it is said in short, with the command that says more', async () => {
    const args = ['train', '--data', faulty, '--out', await scratchFolder(), '--trainable', 'head'];
    const { stderr } = await runCli([
      ...args,
      '--image-size',
      '96',
      '--batch-size',
      '8',
      '--policy',
      'fixed',
    ]);
    expect(stderr).toContain("20 of 23 images are smaller than the network's input, and enlarged");
    // As it was called here: it can be pasted.
    expect(stderr).toMatch(/more on these images: node \S*onecycle\.js data check /u);
    expect(stderr).toContain(` data check '${faulty}'`);
  });
});

describe('what the scan skips', () => {
  test('stands in the text and on the page, in the words that train uses', async () => {
    const data = join(root, 'links');
    await tinyImages(data);
    await symlink('nowhere.png', join(data, 'train', 'ants', 'gone.png'));
    await symlink(join(sound, 'val', 'ants', '0.png'), join(data, 'train', 'ants', 'outside.png'));
    await symlink('.', join(data, 'train', 'bees', 'loop'));
    await mkdir(join(data, 'train', 'empty'));
    const page = join(await scratchFolder(), 'page');
    const { stdout } = await runCli(['data', 'check', data, '--report', page], { env: { COLUMNS: '200' } });
    const { stderr } = await runCli(['train', '--data', data, '--dry-run', '--batch-size', '8']);
    const skipped = [...stderr.matchAll(/skipped (.*)/gu)].map(([, text]) => text!);
    expect(skipped.map((text) => text.split(':')[0]).sort()).toEqual([
      'train/ants/gone.png',
      'train/ants/outside.png',
      'train/bees/loop',
      'train/empty',
    ]);
    const html = await readFile(join(page, 'report.html'), 'utf8');
    for (const text of skipped) {
      expect(stdout).toContain(`\n  ${text}\n`);
      expect(html).toContain(`${text.split(':')[0]}<`);
    }
    expect(stdout).toContain('- 4 files or folders are skipped: training leaves them out');
    expect((await checked([data, '--strict'])).findings.map(({ kind }) => kind)).toEqual(['skipped']);
  });

  test('a row without an image makes results wrong', async () => {
    const file = join(root, 'labels.csv');
    const rows = ['ants', 'bees'].flatMap((name) =>
      Array.from({ length: 6 }, (_, i) => `train/${name}/${i}.png,${name}`),
    );
    await writeFile(file, ['file,label', ...rows, 'train/ants/lost.png,ants', ''].join('\n'));
    const { stdout } = await check([sound, '--labels', file, '--strict'], 1);
    expect(stdout).toMatch(
      /lost\.png: there is no such image in the data folder\s+\(labels\.csv,\s+line 14\)/u,
    );
    expect(stdout).toContain('! 1 row of labels.csv names an image that cannot be used');
  });
});

describe('labels that a run contradicts', () => {
  test('stand with what it says, of validation images and of others', async () => {
    // What the run learnt as ants lies among the bees now, of both parts.
    const mixed = join(root, 'mixed');
    await tinyImages(mixed);
    for (const part of ['train', 'val']) {
      await copyFile(join(mixed, part, 'ants', '2.png'), join(mixed, part, 'bees', 'moved.png'));
      await rm(join(mixed, part, 'ants', '2.png'));
    }
    const { labels } = await checked([mixed, '--run', run]);
    expect(labels).toMatchObject({ runs: [run], model: run, judged: { train: 24, valid: 12 } });
    for (const [part, doubts] of [
      ['train', labels!.train],
      ['val', labels!.valid],
    ] as const) {
      expect(doubts[0]).toMatchObject({
        path: `${part}/bees/moved.png`,
        class: 'bees',
        says: 'ants',
        wrong: 1,
        runs: 1,
      });
      expect(doubts[0]!.loss).toBeGreaterThan(Math.LN2);
      expect(doubts.map(({ loss }) => loss)).toEqual(doubts.map(({ loss }) => loss).sort((a, b) => b - a));
    }
    const { stdout } = await check([mixed, '--run', run]);
    expect(stdout).toMatch(/train\/bees\/moved\.png +bees +ants +0\.\d{3} +\d/u);
  });

  test.each([
    [
      'a run of other classes',
      () => [BUNDLED, '--run', run],
      'knows the classes ants, bees, but the folder has',
    ],
    ['no run', () => [sound, '--run', sound], 'is not the folder of a run'],
    [
      'a run on other images',
      () => [join(root, 'others'), '--run', run],
      'was validated with none of the images',
    ],
  ])('%s: what is wrong is said', async (_, args, message) => {
    await tinyImages(join(root, 'others'), { side: 31 });
    const { stderr, stdout } = await check(args(), 2);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
  });
});

test.each([
  ['no/such/folder', 'No such data folder'],
  [join(ROOT, 'package.json'), 'Not a folder'],
  [join(ROOT, 'configs', 'schemas'), 'No images found'],
])('%s: exit code 2, and a message', async (dir, message) => {
  const { stderr } = await check([dir], 2);
  expect(stderr).toContain(message);
  const { error } = JSON.parse((await check([dir, '--json'], 2)).stdout) as { error: { kind: string } };
  expect(error.kind).toBe('usage');
});

test('Ctrl-C in the middle: exit code 130, nothing printed, no page', async () => {
  const page = join(await scratchFolder(), 'page');
  const child = startCli(['data', 'check', BUNDLED, '--report', page]);
  child.stderr?.once('data', () => child.kill('SIGINT'));
  const { exitCode, stdout, stderr } = await child;
  expect(exitCode).toBe(130);
  expect(stdout).toBe('');
  expect(stderr).toContain('Interrupted before all images were checked: nothing was written.');
  expect(existsSync(join(page, 'report.html'))).toBe(false);
});
