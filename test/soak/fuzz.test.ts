import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../integration/run-cli.js';
import { seededRandom } from '../integration/seeded-random.js';
import { damagedFiles } from '../unit/data/damage.js';
import { imageBombs } from '../unit/data/image-bombs.js';
import { realImages } from '../unit/data/real-images.js';
import { watchedRun } from './watched-run.js';

const FILES = 10_000;
/** Files of one process, so that a crash is found in a smaller heap. */
const AT_ONCE = 1000;
const SEED = Number(process.env['SEED'] ?? Date.now() % 1e6);

it(`${FILES} damaged files: never a crash, never a hang, bounded memory, each bad one named once`, async () => {
  const images = await realImages();
  const files = damagedFiles(images, seededRandom(SEED), FILES);
  const tally = { files: 0, refused: 0, peakMegabytes: 0, slowestSeconds: 0 };
  for (let round = 0; round < FILES / AT_ONCE; round++) {
    const root = await scratchFolder();
    const data = join(root, 'data');
    for (const folder of ['a', 'b']) {
      mkdirSync(join(data, folder), { recursive: true });
      for (let i = 0; i < 40; i++) {
        writeFileSync(join(data, folder, `good-${i}.jpg`), images[i % 6]!.bytes);
      }
    }
    const names: string[] = [];
    const here = [...take(files, AT_ONCE), ...imageBombs()];
    for (const { name, bytes } of here) {
      writeFileSync(join(data, 'a', name), bytes);
      names.push(`a/${name}`);
    }
    const args = ['train', '--dry-run', '--json', '--data', data, '--image-size', '32', '--epochs', '1'];
    const { code, stdout, stderr, peak, seconds } = await watchedRun([...args, '--out', join(root, 'out')]);
    expect(code, stderr.slice(-2000)).toBe(0);
    expect(() => JSON.parse(stdout) as unknown).not.toThrow();
    const skipped = [...stderr.matchAll(/^skipped (.+?): .+$/gm)].map(([, path]) => path!);
    expect(new Set(skipped).size).toBe(skipped.length);
    for (const path of skipped) expect(names).toContain(path);
    tally.files += here.length;
    tally.refused += skipped.length;
    tally.peakMegabytes = Math.max(tally.peakMegabytes, Math.round(peak / 1e6));
    tally.slowestSeconds = Math.max(tally.slowestSeconds, Math.round(seconds));
  }
  console.log(`fuzz (seed ${SEED}): ${JSON.stringify(tally)} per process of ${AT_ONCE} files`);
  expect(tally.peakMegabytes).toBeLessThan(1500);
  expect(tally.slowestSeconds).toBeLessThan(120);
}, 3_600_000);

function take<Item>(items: Iterator<Item>, count: number): Item[] {
  const taken: Item[] = [];
  while (taken.length < count) {
    const { done, value } = items.next();
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}
