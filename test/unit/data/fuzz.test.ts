import { beforeAll, describe, expect, it } from 'vitest';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scanImageFolder } from '../../../src/data/folder/scan.js';
import { decodeImage } from '../../../src/data/images/decode.js';
import { prepareImages } from '../../../src/data/images/prepare.js';
import { seededRandom } from '../../integration/seeded-random.js';
import { type DamagedFile, damagedFiles } from './damage.js';
import { imageBombs } from './image-bombs.js';
import { folderWith } from './image-folder-fixture.js';
import { type RealImage, realImages } from './real-images.js';

// The long form, through the command line: npm run test:soak.
const FILES = 300;
const SEED = 20;
/** Milliseconds: the limit of a decode, and what a busy machine adds. */
const SLOWEST = 6_000;
/** Bytes that 300 small files and the bombs may add to this process at its worst: an image of 100 megapixels. */
const MEMORY = 600e6;

let images: RealImage[];
beforeAll(async () => {
  images = await realImages();
});

async function tryOut({ name, bytes }: DamagedFile): Promise<{ decoded: boolean; ms: number }> {
  const started = performance.now();
  const decoded = await decodeImage(bytes, 40).then(
    ({ pixels, width, height }) => {
      expect(pixels, name).toHaveLength(width * height * 3);
      return true;
    },
    (error: Error) => {
      // One line for the user.
      expect(error.message, name).toMatch(/^.{5,300}$/);
      return false;
    },
  );
  return { decoded, ms: performance.now() - started };
}

describe('real images of every kind', () => {
  it('are decoded', async () => {
    for (const { kind, extension, bytes } of images) {
      expect(await tryOut({ name: `${kind}.${extension}`, bytes })).toMatchObject({ decoded: true });
    }
  });
});

describe('files that claim or unpack to too much', () => {
  it.each(imageBombs().map((bomb) => [bomb.name, bomb] as const))(
    '%s costs neither time nor memory',
    async (_, bomb) => {
      const before = process.memoryUsage().rss;
      const { decoded, ms } = await tryOut(bomb);
      expect(ms).toBeLessThan(SLOWEST);
      if (bomb.refused) expect(decoded).toBe(false);
      expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY);
    },
  );
});

describe(`${FILES} damaged files`, () => {
  it('are prepared or named once each; none takes long', async () => {
    const root = folderWith({});
    const files = [...damagedFiles(images, seededRandom(SEED), FILES), ...imageBombs()];
    for (const folder of ['a', 'b']) {
      mkdirSync(join(root, folder));
      for (let i = 0; i < 5; i++) writeFileSync(join(root, folder, `good-${i}.jpg`), images[i]!.bytes);
    }
    for (const { name, bytes } of files) writeFileSync(join(root, 'a', name), bytes);
    const before = process.memoryUsage().rss;
    const folder = await scanImageFolder(root, { valSplit: 0.3, seed: 0, followLinks: false });
    const prepared = await prepareImages(folder, { imageSize: 32 });
    expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY);

    const used = [...prepared.train, ...prepared.valid].map(({ path }) => path);
    const named = prepared.skipped.map(({ path }) => path);
    expect([...used, ...named].sort()).toEqual(
      [...files.map(({ name }) => `a/${name}`), ...good('a'), ...good('b')].sort(),
    );
    // Both ends of the scale: what is intact is used, what is empty is not.
    expect(used.filter((path) => path.includes('-intact.')).length).toBeGreaterThan(5);
    expect(named.filter((path) => path.includes('-empty.')).length).toBeGreaterThan(5);
    for (const { path, reason } of prepared.skipped) expect(reason, path).toMatch(/^[^\n]{5,300}$/);
    prepared.store.close();
  });

  it('take their time one by one, too', async () => {
    for (const file of damagedFiles(images, seededRandom(SEED + 1), FILES)) {
      const { ms } = await tryOut(file);
      expect(ms, file.name).toBeLessThan(SLOWEST);
    }
  });
});

const good = (folder: string) => Array.from({ length: 5 }, (_, i) => `${folder}/good-${i}.jpg`);
