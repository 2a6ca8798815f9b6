import { expect, it } from 'vitest';
import { linkSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { scanImageFolder } from '../../src/data/folder/scan.js';
import { lines, runFolders } from '../integration/interrupted-run.js';
import { scratchFolder } from '../integration/run-cli.js';
import { tinyImages } from '../integration/tiny-images.js';
import { watchedRun } from './watched-run.js';

const IMAGES = 100_000;
const CLASSES = ['a', 'b'];
/** Enough to see that memory no longer grows with the number of images. */
const STEPS = 60;

it(`${IMAGES} images are listed in seconds and trained in bounded memory`, async () => {
  const root = await scratchFolder();
  await tinyImages(join(root, 'few'), { classes: CLASSES, train: 20, valid: 1 });
  for (const name of CLASSES) {
    const [from, to] = [join(root, 'few/train', name), join(root, 'many', name)];
    mkdirSync(to, { recursive: true });
    const files = readdirSync(from);
    files.forEach((file, i) => linkSync(join(from, file), join(to, `${i}.png`)));
    // Links within the data folder need no option.
    for (let i = files.length; i < IMAGES / CLASSES.length; i++) {
      symlinkSync(`${i % files.length}.png`, join(to, `${i}.png`));
    }
  }
  // Of the processor, not of the clock: other work on this machine does not count.
  const before = process.cpuUsage();
  const folder = await scanImageFolder(join(root, 'many'), { valSplit: 0.2, seed: 0, followLinks: false });
  const { user, system } = process.cpuUsage(before);
  const scanSeconds = (user + system) / 1e6;
  expect(folder.train.length + folder.valid.length).toBe(IMAGES);

  const out = join(root, 'out');
  const args = ['train', '--data', join(root, 'many'), '--out', out, '--image-size', '32', '--views', '2'];
  const begun = performance.now();
  let prepared = 0;
  const { code, stderr, peak, seconds } = await watchedRun([...args, '--epochs', '1', '--quiet'], () => {
    const [dir] = runFolders(out);
    if (dir !== undefined && prepared === 0) prepared = (performance.now() - begun) / 1000;
    return dir !== undefined && lines(join(dir, 'steps.jsonl')).length >= STEPS;
  });
  expect([0, 130], stderr).toContain(code);
  console.log(
    `${IMAGES} images: listed in ${scanSeconds.toFixed(1)} s of the processor, read and decoded in ${prepared.toFixed(0)} s, ended after ${seconds.toFixed(0)} s, largest memory ${(peak / 1e6).toFixed(0)} MB`,
  );
  expect(scanSeconds).toBeLessThan(30);
  expect(peak).toBeLessThan(2e9);
}, 3_600_000);
