import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { PreparedSample } from '../../../src/data/folder/image-folder.js';
import {
  type EpochOptions,
  planBatch,
  trainingBatches,
  trainingOrder,
  validationBatches,
  viewOf,
} from '../../../src/data/images/batches.js';
import { trainingBox, validationBox } from '../../../src/data/images/crop.js';
import type { Batch } from '../../../src/data/images/image.js';
import type { PreparedImages } from '../../../src/data/images/prepare.js';
import { ImageStoreWriter } from '../../../src/data/images/store-writer.js';
import { randomStream } from '../../../src/random.js';
import { noise } from './image-folder-fixture.js';

/** n training and m validation images of different sizes; number in the store = 100 + position. */
function prepared(n: number, m: number, cacheBytes = 1e6): PreparedImages {
  const writer = new ImageStoreWriter(100 + n + m, { cacheBytes });
  const samples = Array.from({ length: n + m }, (_, i): PreparedSample => {
    const [width, height] = [10 + (i % 7), 12 + (i % 3)];
    const pixels = new Uint8Array(noise(width, height, i));
    writer.put(100 + i, { pixels, width, height, downscaled: i % 2 === 0 }, new Uint8Array(32));
    return { path: `x/${i}.jpg`, label: i % 3, sha256: '', image: 100 + i };
  });
  const store = writer.store;
  onTestFinished(() => store.close());
  return {
    classNames: ['p', 'q', 'r'],
    train: samples.slice(0, n),
    valid: samples.slice(n),
    skipped: [],
    notes: [],
    store,
  };
}

async function all(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const list: Batch[] = [];
  for await (const batch of batches) list.push(batch);
  return list;
}

const OPTIONS: EpochOptions = { batchSize: 4, seed: 3, epoch: 1, augment: 'crop-flip' };

describe('an epoch of training', () => {
  it('shows each image exactly once, in the same order for the same seed and epoch', async () => {
    const data = prepared(23, 1);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 }),
        fc.integer(),
        fc.integer({ min: 1, max: 100 }),
        async (batchSize, seed, epoch) => {
          const options = { ...OPTIONS, batchSize, seed, epoch };
          const batches = await all(trainingBatches(data, options));
          const indices = batches.flatMap((batch) => [...batch.indices]);
          expect(indices.toSorted((a, b) => a - b)).toEqual([...Array(23).keys()]);
          expect(indices).toEqual([...trainingOrder(23, seed, epoch)]);
          // All full but the last.
          expect(batches.slice(0, -1).every(({ images }) => images.length === batchSize)).toBe(true);
          expect(batches).toHaveLength(Math.ceil(23 / batchSize));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('differs between epochs and between seeds', () => {
    expect(trainingOrder(50, 0, 1)).toEqual(trainingOrder(50, 0, 1));
    expect(trainingOrder(50, 0, 2)).not.toEqual(trainingOrder(50, 0, 1));
    expect(trainingOrder(50, 1, 1)).not.toEqual(trainingOrder(50, 0, 1));
  });

  it('brings pixels, boxes and labels of the images it names', async () => {
    const data = prepared(10, 1);
    for (const batch of await all(trainingBatches(data, OPTIONS))) {
      for (const [i, index] of batch.indices.entries()) {
        const { image, label, path } = data.train[index]!;
        expect(batch.images[i]).toEqual(await data.store.readAhead(image));
        expect(batch.labels[i]).toBe(label);
        const stream = randomStream(OPTIONS.seed, 'augment', OPTIONS.epoch, path);
        expect(batch.boxes[i]).toEqual(trainingBox(data.store.size(image), stream, 'crop-flip'));
      }
      expect([...batch.views]).toEqual([...batch.views].fill(-1));
    }
  });

  it('can be entered anywhere, and any batch planned alone, from memory and from a file', async () => {
    for (const cacheBytes of [1e6, 2000, 0]) {
      const data = prepared(18, 1, cacheBytes);
      expect(data.store.spilled).toBe(cacheBytes < 1e6);
      const whole = await all(trainingBatches(data, OPTIONS));
      expect(await all(trainingBatches(data, { ...OPTIONS, fromStep: 3 }))).toEqual(whole.slice(3));
      expect(await all(trainingBatches(data, { ...OPTIONS, fromStep: 5 }))).toEqual([]);
      whole.forEach((batch, step) => expect(batch).toMatchObject(planBatch(data, OPTIONS, step)));
      for (const step of [-1, 5, 0.5]) expect(() => planBatch(data, OPTIONS, step)).toThrow(RangeError);
    }
    for (const batchSize of [0, -1, 1.5, NaN]) {
      expect(() => planBatch(prepared(3, 1), { ...OPTIONS, batchSize }, 0)).toThrow(RangeError);
    }
  });

  it('reads no more once its reader has left', async () => {
    const data = prepared(18, 1, 0);
    const [readAhead, underWay] = [data.store.readAhead.bind(data.store), new Set<number>()];
    data.store.readAhead = async (image) => {
      underWay.add(image);
      const decoded = await readAhead(image);
      underWay.delete(image);
      return decoded;
    };
    for await (const batch of trainingBatches(data, OPTIONS)) {
      expect(batch.images).toHaveLength(4);
      // The next batch is on its way already.
      expect(underWay.size).toBe(4);
      break;
    }
    expect(underWay.size).toBe(0);
    data.store.close();
    await expect(all(trainingBatches(data, OPTIONS))).rejects.toThrow('closed');
  });
});

describe('views', () => {
  it('come each in turn, whatever the image', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 20 }), fc.integer(), (path, views, seed) => {
        const seen = Array.from({ length: views }, (_, i) => viewOf(i + 1, path, views, seed));
        expect(seen.toSorted((a, b) => a - b)).toEqual([...Array(views).keys()]);
        expect(viewOf(views + 1, path, views, seed)).toBe(seen[0]);
      }),
    );
  });

  it('are not all alike in one epoch', () => {
    const seen = Array.from({ length: 400 }, (_, i) => viewOf(1, `${i}.jpg`, 4, 0));
    // 100 of each +- 5 standard deviations of sqrt(400 * 1/4 * 3/4) = 8.7.
    for (const view of [0, 1, 2, 3])
      expect(Math.abs(seen.filter((each) => each === view).length - 100)).toBeLessThan(44);
  });

  it('are the same pictures in all seeds and epochs', () => {
    const data = prepared(12, 1);
    const pictures = new Map<string, Set<string>>();
    for (const seed of [0, 1, 2]) {
      for (const epoch of [1, 2, 3, 4, 5, 6]) {
        for (const step of [0, 1, 2]) {
          const plan = planBatch(data, { ...OPTIONS, seed, epoch, views: 3 }, step);
          plan.indices.forEach((index, i) => {
            const key = `${index} ${plan.views[i]}`;
            pictures.set(key, (pictures.get(key) ?? new Set()).add(JSON.stringify(plan.boxes[i])));
          });
        }
      }
    }
    expect(pictures.size).toBe(12 * 3);
    for (const boxes of pictures.values()) expect(boxes.size).toBe(1);
    // And the three views of an image are three pictures.
    expect(new Set([0, 1, 2].flatMap((view) => [...pictures.get(`0 ${view}`)!])).size).toBe(3);
  });

  it('without them the picture changes with seed and epoch', () => {
    const data = prepared(1, 1);
    const box = (seed: number, epoch: number) =>
      JSON.stringify(planBatch(data, { ...OPTIONS, seed, epoch }, 0).boxes);
    expect(new Set([box(0, 1), box(0, 2), box(1, 1)]).size).toBe(3);
  });
});

describe('validation', () => {
  it.each([1e6, 0])(
    'shows every image once and in order, through the validation crop (cache of %d bytes)',
    async (cacheBytes) => {
      const data = prepared(3, 11, cacheBytes);
      const batches = await all(validationBatches(data, 4));
      expect(batches.map(({ images }) => images.length)).toEqual([4, 4, 3]);
      expect(batches.flatMap(({ indices }) => [...indices])).toEqual([...Array(11).keys()]);
      for (const batch of batches) {
        for (const [i, index] of batch.indices.entries()) {
          const { image, label } = data.valid[index]!;
          expect(batch.images[i]).toEqual(await data.store.readAhead(image));
          expect(batch.boxes[i]).toEqual(validationBox(data.store.size(image)));
          expect([batch.labels[i], batch.views[i]]).toEqual([label, -1]);
        }
      }
    },
  );
});
