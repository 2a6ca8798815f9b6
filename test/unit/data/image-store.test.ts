import fc from 'fast-check';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { DecodedImage } from '../../../src/data/images/image.js';
import { defaultCacheBytes, ImageStoreWriter } from '../../../src/data/images/store-writer.js';
import { type ImageStore, type ImageStoreHandle, openImageStore } from '../../../src/data/images/store.js';
import { RunError } from '../../../src/errors.js';
import { folderWith, noise } from './image-folder-fixture.js';

const image = (number: number, width = 10 + number, height = 8): DecodedImage => ({
  pixels: new Uint8Array(noise(width, height, number)),
  width,
  height,
  downscaled: number % 2 === 1,
});

const hashOf = (image: number) => new Uint8Array(32).fill(image + 1);

function filled(
  images: readonly DecodedImage[],
  options: { cacheBytes: number; cacheDir?: string },
): ImageStore {
  const writer = new ImageStoreWriter(images.length, options);
  // Backwards: the order of arrival must not matter.
  images.map((_, i) => images.length - 1 - i).forEach((i) => writer.put(i, images[i]!, hashOf(i)));
  return writer.store;
}

describe('an image store', () => {
  it('gives back what was put in, from memory, file or both', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 })), {
          minLength: 1,
          maxLength: 20,
        }),
        fc.integer({ min: 0, max: 40_000 }),
        async (sizes, cacheBytes) => {
          const images = sizes.map(([width, height], i) => image(i, width, height));
          const store = filled(images, { cacheBytes });
          const inMemory = store.handle.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
          expect(inMemory).toBeLessThanOrEqual(cacheBytes);
          for (const [i, expected] of images.entries()) {
            // Many times faster than toEqual.
            expect(Buffer.compare((await store.readAhead(i)).pixels, expected.pixels)).toBe(0);
            expect(store.size(i)).toEqual({
              height: expected.height,
              width: expected.width,
              downscaled: expected.downscaled,
            });
          }
          store.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('shares memory instead of copying it, while the images fit', async () => {
    const store = filled([image(0), image(1)], { cacheBytes: 1e6 });
    expect(store.spilled).toBe(false);
    const [first, second] = [await store.readAhead(0), await store.readAhead(1)];
    expect(first.pixels.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(first.pixels.buffer).toBe(second.pixels.buffer);
  });

  it('leaves no name behind of its file', async () => {
    const cacheDir = folderWith({});
    const store = filled([image(0), image(1)], { cacheBytes: 0, cacheDir });
    expect(store.spilled).toBe(true);
    expect(readdirSync(cacheDir)).toEqual([]);
    expect(await store.readAhead(1)).toEqual(image(1));
    store.close();
    store.close();
    await expect(store.readAhead(1)).rejects.toThrow('closed');
  });

  it('says so where the file cannot be written', () => {
    const cacheDir = join(folderWith({}), 'missing');
    const writer = new ImageStoreWriter(1, { cacheBytes: 0, cacheDir });
    expect(() => writer.put(0, image(0), hashOf(0))).toThrow(RunError);
    expect(() => writer.put(0, image(0), hashOf(0))).toThrow(/temporary file in .*missing.*TMPDIR/);
  });

  it('knows which images it has', async () => {
    const writer = new ImageStoreWriter(3, { cacheBytes: 1e6 });
    writer.put(1, image(1), hashOf(1));
    const store = writer.store;
    expect(await store.readAhead(1)).toEqual(image(1));
    expect([...store.hash(1)]).toEqual([...hashOf(1)]);
    for (const missing of [-1, 0, 2, 3]) {
      await expect(store.readAhead(missing)).rejects.toThrow(RangeError);
      expect(() => store.hash(missing)).toThrow(RangeError);
    }
  });

  it('is bounded by default', () => {
    expect(defaultCacheBytes()).toBeGreaterThan(0);
    expect(defaultCacheBytes()).toBeLessThanOrEqual(2e9);
  });

  it('can be read in another thread, memory and file', async () => {
    const images = Array.from({ length: 6 }, (_, i) => image(i));
    // Two images of 10 x 8 x 3 to 15 x 8 x 3 bytes fit in 750.
    const store = filled(images, { cacheBytes: 750 });
    expect(store.spilled).toBe(true);
    expect(store.handle.chunks.length).toBeGreaterThan(0);
    expect(await readInWorker(store.handle, images.length)).toEqual(images.map(({ pixels }) => [...pixels]));
    store.close();
    // The other way round, what a handle of this thread opens reads alike.
    const opened = openImageStore(filled(images, { cacheBytes: 1e6 }).handle);
    expect(await opened.readAhead(5)).toEqual(images[5]);
  });
});

/** Opens the store in a worker thread that runs the compiled module. */
async function readInWorker(handle: ImageStoreHandle, count: number): Promise<unknown> {
  const folder = folderWith({});
  mkdirSync(join(folder, 'code'));
  const source = readFileSync('src/data/images/store.ts', 'utf8');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
  });
  const file = join(folder, 'code', 'image-store.mjs');
  writeFileSync(file, outputText);
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     import(workerData.module).then(async ({ openImageStore }) => {
       const store = openImageStore(workerData.handle);
       const images = Array.from({ length: workerData.count }, (_, i) => store.readAhead(i));
       parentPort.postMessage((await Promise.all(images)).map(({ pixels }) => [...pixels]));
     });`,
    { eval: true, workerData: { module: pathToFileURL(file).href, handle, count } },
  );
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  }).finally(() => worker.terminate());
}
