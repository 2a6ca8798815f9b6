import { describe, expect, test } from 'vitest';
import { WHOLE } from '../../../src/data/images/image.js';
import type { NetworkInput } from '../../../src/engine/engine.js';
import { fingerprint } from '../../../src/engine/params.js';
import { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { RunError } from '../../../src/errors.js';
import { bits, RATES, trainOn } from './engine-runs.js';
import { randomBatch, randomImage } from './random-batch.js';
import { smallSetup } from './small-networks.js';
import { BATCH, engineOf } from './wasm-teams.js';

const { input, labels } = randomBatch(BATCH);
const { images, boxes } = input.kind === 'images' ? input : { images: [], boxes: [] };
const features = (length: number, shape: readonly [number, number, number]): NetworkInput => ({
  kind: 'features',
  values: new Float32Array(length).fill(0.5),
  shape,
});

/** Inputs whose parts do not belong together, with the labels of a batch. */
const BROKEN: readonly (readonly [string, NetworkInput, RegExp])[] = [
  ['fewer boxes than images', { kind: 'images', images, boxes: boxes.slice(1) }, /8 images and 7 boxes/],
  ['more boxes than images', { kind: 'images', images, boxes: [...boxes, WHOLE] }, /8 images and 9 boxes/],
  [
    'fewer labels than images',
    { kind: 'images', images: [...images, randomImage(4, 4, 0)], boxes: [...boxes, WHOLE] },
    /9 images and 8 labels/,
  ],
  [
    'more labels than images',
    { kind: 'images', images: images.slice(1), boxes: boxes.slice(1) },
    /7 images and 8 labels/,
  ],
  ['pixels that are missing', withFirst({ height: 17 }), /Image 0 has 864 bytes instead of 17 x 18 x 3/],
  ['pixels too many', withFirst({ width: 17 }), /Image 0 has 864 bytes instead of 16 x 17 x 3/],
  ['an image without pixels', withFirst({ pixels: new Uint8Array(), height: 0 }), /Image 0 has 0 bytes/],
  ['features that end within an image', features(BATCH * 160 - 1, [4, 4, 10]), /make no whole images of 160/],
  [
    'features of another shape',
    features(BATCH * 160, [4, 10, 4]),
    /4 x 10 x 4 where 4 x 4 x 10 are expected/,
  ],
  ['features of fewer images than labels', features(7 * 160, [4, 4, 10]), /7 images and 8 labels/],
];

function withFirst(changed: object): NetworkInput {
  return {
    kind: 'images',
    images: images.map((image, i) => (i === 0 ? { ...image, ...changed } : image)),
    boxes,
  };
}

describe.each([1, 2])('%i threads refuse', (threads) => {
  test.each(BROKEN)('%s, and are as good as before', async (_, broken, message) => {
    const setup = smallSetup('V2', 3);
    const [engine, untouched] = [await engineOf(setup, { threads }), await engineOf(setup)];
    for (const each of [engine, untouched]) await each.step(input, labels, RATES);
    const before = fingerprint(await engine.snapshot());
    await expect(engine.step(broken, labels, RATES)).rejects.toThrow(message);
    expect(fingerprint(await engine.snapshot())).toBe(before);
    expect(await trainOn(engine)).toEqual(await trainOn(untouched));
  });

  test.each([
    ['no images at all', 0],
    ['more images than were planned for', 97],
  ])('%s', async (_, size) => {
    const engine = await engineOf(smallSetup('V2', 3), { threads, sliceSize: 8, batchSize: 96 });
    const batch = randomBatch(size);
    await engine.step(input, labels, RATES);
    const before = fingerprint(await engine.snapshot());
    await expect(engine.step(batch.input, batch.labels, RATES)).rejects.toThrow(`a batch of ${size} images`);
    expect(fingerprint(await engine.snapshot())).toBe(before);
  });

  test('more images than were planned for, also where they would have room', async () => {
    const engine = await engineOf(smallSetup('V2', 3), { threads, sliceSize: 8, batchSize: 8 });
    const batch = randomBatch(9);
    await expect(engine.step(batch.input, batch.labels, RATES)).rejects.toThrow(
      'a batch of 9 images where 8',
    );
  });
});

test('outputs of no images are none', async () => {
  const engine = await engineOf(smallSetup('V2', 3));
  const nothing = { kind: 'images', images: [], boxes: [] } as const;
  expect((await engine.logits(nothing)).length).toBe(0);
  expect((await engine.features(nothing)).length).toBe(0);
});

test('images may grow from batch to batch, as threads wait for them', async () => {
  const [engine, fresh] = [await engineOf(smallSetup('V2', 0), { threads: 3 }), smallSetup('V2', 0)];
  for (const side of [3, 40, 9, 200, 900]) {
    const grown: NetworkInput = {
      kind: 'images',
      images: boxes.map((_, i) => randomImage(side, side + i, i)),
      boxes,
    };
    expect(bits(await engine.logits(grown))).toBe(bits(await (await engineOf(fresh)).logits(grown)));
    await engine.step(grown, labels, { learningRate: 0, momentum: 0 });
  }
});

describe('a large heap', () => {
  test('of more than 2 GiB, where addresses have their highest bit set, gives the same bits', async () => {
    const [low, high] = [
      await engineOf(smallSetup('V2', 0), { threads: 2 }),
      await engineOf(smallSetup('V2', 0), { threads: 2, firstRests: true }),
    ];
    // Inputs and outputs come after it. Nothing is written there, so no memory is really used.
    high['heap'].allocate(2 ** 31);
    expect(bits(await high.features(input))).toBe(bits(await low.features(input)));
    expect(bits(await high.logits(input))).toBe(bits(await low.logits(input)));
    expect(await trainOn(high)).toEqual(await trainOn(low));
  });

  test('that would not be large enough is refused with advice', async () => {
    const opening = WasmEngine.open(smallSetup('V2', 0, 20_000), { sliceSize: 1, batchSize: 8, threads: 1 });
    await expect(opening).rejects.toThrow(RunError);
    await expect(opening).rejects.toThrow(/wasm heap \(4 GB\) is full.*smaller image size/);
  });
});
