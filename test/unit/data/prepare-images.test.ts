import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createHash } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { scanImageFolder } from '../../../src/data/folder/scan.js';
import { largestSide } from '../../../src/data/images/decode.js';
import {
  beginPreparing,
  forEachBounded,
  prepareImages,
  type PrepareOptions,
} from '../../../src/data/images/prepare.js';
import { RunError, UsageError } from '../../../src/errors.js';
import { asUnprivileged, folderWith, noisePng } from './image-folder-fixture.js';

const SCAN = { valSplit: 0.5, seed: 0, followLinks: false };

/** Two classes, three training and two validation images each, all different. */
async function twoClasses(): Promise<Record<string, Buffer>> {
  const names = ['a', 'b'].flatMap((name) =>
    [0, 1, 2].map((i) => `train/${name}/${i}.png`).concat([`val/${name}/0.png`, `val/${name}/1.png`]),
  );
  const files = await Promise.all(names.map(async (name, i) => [name, await noisePng(30, 20, i)] as const));
  return Object.fromEntries(files);
}

async function prepare(root: string, options: Partial<PrepareOptions> = {}) {
  const prepared = await prepareImages(await scanImageFolder(root, SCAN), { imageSize: 8, ...options });
  onTestFinished(() => prepared.store.close());
  return prepared;
}

async function failure(run: Promise<unknown>): Promise<Error> {
  const error: unknown = await run.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

describe('preparing images', () => {
  it('decodes and hashes each file, and reports progress', async () => {
    const files = await twoClasses();
    const progress: number[][] = [];
    const prepared = await prepare(folderWith(files), { onProgress: (...now) => progress.push(now) });
    expect(progress).toEqual(Array.from({ length: 10 }, (_, i) => [i + 1, 10]));
    expect(prepared.train).toHaveLength(6);
    expect(prepared.valid).toHaveLength(4);
    expect(prepared.skipped).toEqual([]);
    expect(prepared.notes).toEqual([]);
    for (const { path, label, sha256, image } of [...prepared.train, ...prepared.valid]) {
      expect(label).toBe(path.includes('/a/') ? 0 : 1);
      expect(sha256).toBe(createHash('sha256').update(files[path]!).digest('hex'));
      // round(1.25 * 8) = 10 pixels on the short side of 30 x 20.
      expect(prepared.store.size(image)).toEqual({ height: 10, width: 15, downscaled: true });
    }
  });

  it('decodes training images in the order in which they are wanted, the others after them', async () => {
    const names = Array.from({ length: 100 }, (_, i) => `train/a/${i}.png`);
    const one = await noisePng(30, 20);
    const root = folderWith({
      ...(await twoClasses()),
      ...Object.fromEntries(names.map((name) => [name, one])),
    });
    const folder = await scanImageFolder(root, SCAN);
    const order = Int32Array.from(folder.train, (_, i) => folder.train.length - 1 - i);
    const { listed, done, close } = beginPreparing(folder, { imageSize: 8, order });
    onTestFinished(close);
    const came: string[] = [];
    const samples = [...listed.train, ...listed.valid];
    const arrivals = samples.map(async ({ image, path }) => {
      await listed.arrival?.(image);
      came.push(path);
    });
    await Promise.all([done, ...arrivals]);
    const place = (path: string | undefined) => came.indexOf(path ?? '');
    expect(came).toHaveLength(samples.length);
    // About, since several are under way.
    expect(place(listed.train.at(-1)?.path)).toBeLessThan(50);
    expect(place(listed.train[0]?.path)).toBeGreaterThan(50);
    expect(place(listed.valid[0]?.path)).toBeGreaterThan(50);
  });

  it('gives the same pixels from memory and from a file', async () => {
    const root = folderWith(await twoClasses());
    const inMemory = await prepare(root, { imageSize: 32 });
    const spilled = await prepare(root, { imageSize: 32, cacheBytes: 4000 });
    expect([inMemory.store.spilled, spilled.store.spilled]).toEqual([false, true]);
    for (const { image, path } of [...spilled.train, ...spilled.valid]) {
      expect(await spilled.store.readAhead(image), path).toEqual(await inMemory.store.readAhead(image));
    }
  });

  it('leaves out what cannot be read or decoded, with reasons', async () => {
    const files = await twoClasses();
    const jpeg = await sharp(files['train/a/0.png']).jpeg().toBuffer();
    const root = folderWith({
      ...files,
      'train/a/cut.jpg': jpeg.subarray(0, jpeg.length / 2),
      'train/a/empty.jpg': '',
      'train/b/text.jpg': 'no picture',
      'train/b/odd.xyz': '',
      'val/b/closed.png': files['train/a/1.png']!,
      'val/b/gone.png': files['train/a/2.png']!,
    });
    chmodSync(join(root, 'val/b/closed.png'), 0o000);
    const prepared = await asUnprivileged(async () => {
      const folder = await scanImageFolder(root, SCAN);
      process.seteuid?.(process.getuid?.() ?? 0);
      rmSync(join(root, 'val/b/gone.png'));
      if (process.getuid?.() === 0) process.seteuid?.(65534);
      return prepareImages(folder, { imageSize: 8 });
    });
    prepared.store.close();
    expect([prepared.train.length, prepared.valid.length]).toEqual([6, 4]);
    expect(Object.fromEntries(prepared.skipped.map(({ path, reason }) => [path, reason]))).toEqual({
      'train/a/cut.jpg': expect.stringContaining('cut short'),
      'train/a/empty.jpg': 'the file is empty',
      'train/b/odd.xyz': expect.stringContaining('extension'),
      'train/b/text.jpg': expect.stringContaining('no image'),
      'val/b/closed.png': 'permission denied',
      'val/b/gone.png': expect.stringContaining('gone'),
    });
  });

  it('gives each of many bad images its own reason', async () => {
    const files = await twoClasses();
    const cut = await sharp(files['train/a/0.png']).resize(300).jpeg().toBuffer();
    const reasons: readonly (readonly [Buffer, RegExp])[] = [
      [cut.subarray(0, cut.length / 2), /^damaged or cut short \(VipsJpeg: premature end of JPEG image\)$/],
      [Buffer.from('no picture'), /^its content is no image/],
      [Buffer.alloc(0), /^the file is empty$/],
    ];
    const bad = Array.from({ length: 120 }, (_, i) => [`train/a/bad${i}.jpg`, reasons[i % 3]!] as const);
    const { skipped, train } = await prepare(
      folderWith({ ...files, ...Object.fromEntries(bad.map(([path, [bytes]]) => [path, bytes])) }),
    );
    expect(train).toHaveLength(6);
    expect(skipped).toHaveLength(bad.length);
    for (const [path, [, reason]] of bad) {
      expect(skipped.find((file) => file.path === path)?.reason, path).toMatch(reason);
    }
  });

  it('lists every bad file where strict', async () => {
    const root = folderWith({
      ...(await twoClasses()),
      'train/a/x.jpg': '',
      'val/b/y.jpg': 'text',
      'val/b/z.xyz': '',
    });
    const error = await failure(prepare(root, { strict: true }));
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(/3 file\(s\).*--strict/);
    for (const path of ['train/a/x.jpg', 'val/b/y.jpg', 'val/b/z.xyz']) expect(error.message).toContain(path);
    await prepare(folderWith(await twoClasses()), { strict: true });
  });

  it('refuses a class that lost all its training or validation images', async () => {
    const files = await twoClasses();
    const noTraining = folderWith({
      ...files,
      'train/b/0.png': '',
      'train/b/1.png': '',
      'train/b/2.png': '',
    });
    const error = await failure(prepare(noTraining));
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(/No training image of "b"[^]*train\/b\/1\.png: the file is empty/);
    const noValidation = folderWith({ ...files, 'val/a/0.png': '', 'val/a/1.png': 'x' });
    expect((await failure(prepare(noValidation))).message).toMatch(/No validation image of "a"/);
  });

  it('notes images on both sides, uneven classes, odd images, and what the folder is', async () => {
    const files = await twoClasses();
    const more = Object.fromEntries(
      await Promise.all(
        [10, 11, 12].map(async (i) => [`train/b/${i}.png`, await noisePng(30, 20, 100 + i)] as const),
      ),
    );
    const flat = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: '#c84' } })
        .png()
        .toBuffer();
    const { notes } = await prepare(
      folderWith({
        ...files,
        ...more,
        'val/b/copy.png': files['train/b/0.png']!,
        'val/a/deeper/copy.png': files['train/b/1.png']!,
        'val/a/dot.png': await flat(1, 1),
        'val/a/line.png': await flat(2000, 3),
        'val/a/strip.png': await noisePng(200, 30),
        'val/a/colour.png': await flat(30, 20),
        'val/a/large.png': await flat(300, 200),
      }),
    );
    expect(notes).toEqual([
      expect.stringMatching(/^1 image lies in folders inside .*\(a\/deeper\)/),
      expect.stringMatching(
        /^contradicting labels: 2 images .*\(train\/b\/1\.png = val\/a\/deeper\/copy\.png\).*; 1 of 11 /,
      ),
      expect.stringMatching(/^1 of 11 validation images is .*val\/b\/copy\.png = train\/b\/0\.png/),
      // 6 against 3; 6 of 9.
      expect.stringMatching(/"b" has 6 .*"a" has 3.*67%/),
      "2 of 20 images are smaller than the network's input, and enlarged (val/a/dot.png, val/a/line.png)",
      expect.stringMatching(
        /^2 of 20 images are less than 8 pixels .*\(val\/a\/dot\.png, val\/a\/line\.png\)$/,
      ),
      expect.stringMatching(/^1 of 20 images is more than 4 times .*\(val\/a\/strip\.png\)$/),
      expect.stringMatching(
        /^2 of 20 images are of one single colour; .*\(val\/a\/colour\.png, val\/a\/large\.png\)$/,
      ),
    ]);
  });

  it('stops when told to', async () => {
    const one = await noisePng(30, 20, 99);
    const more = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`train/a/more${i}.png`, one]));
    const root = folderWith({ ...(await twoClasses()), ...more });
    const control = new AbortController();
    const seen: number[] = [];
    const onProgress = (done: number) => {
      seen.push(done);
      if (done === 2) control.abort(new Error('stopped by the test'));
    };
    expect((await failure(prepare(root, { signal: control.signal, onProgress }))).message).toBe(
      'stopped by the test',
    );
    // Those that were under way.
    expect(seen.length).toBeLessThan(50);
  });

  it('fails, rather than skips, where its own cache cannot be written', async () => {
    const root = folderWith(await twoClasses());
    expect(await failure(prepare(root, { cacheBytes: 0, cacheDir: join(root, 'nowhere') }))).toBeInstanceOf(
      RunError,
    );
  });
});

describe('the largest side', () => {
  it('is read from headers, and bad files do not matter', async () => {
    const root = folderWith({
      ...(await twoClasses()),
      'train/a/9.png': await noisePng(64, 11),
      'train/a/x.jpg': '',
    });
    expect(await largestSide(await scanImageFolder(root, SCAN))).toBe(64);
  });
});

describe('visits in parallel', () => {
  it('keep to the limit, and end before an error is thrown', async () => {
    let [underWay, most, ended] = [0, 0, 0];
    const visit = async (item: number) => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay--;
      ended++;
      if (item === 5) throw new Error('five');
    };
    await expect(forEachBounded([...Array(20).keys()], 3, visit)).rejects.toThrow('five');
    expect(most).toBe(3);
    expect(underWay).toBe(0);
    expect(ended).toBeLessThan(10);
  });

  it('lets others have their turn while visits wait for nothing', async () => {
    let turns = 0;
    let done = false;
    const others = () => {
      if (done) return;
      turns++;
      setImmediate(others);
    };
    setImmediate(others);
    const busy = async () => {
      for (const end = performance.now() + 2; performance.now() < end;);
    };
    await forEachBounded([...Array(50).keys()], 3, busy);
    done = true;
    expect(turns).toBeGreaterThan(1);
  });
});
