import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { HashIndex } from '../../../src/data/check/hash-index.js';
import { Groups, Pictures } from '../../../src/data/check/near-duplicates.js';
import {
  bitsSet,
  cutHash,
  cutOut,
  detailOf,
  type Hash,
  mirrorImage,
  perceptualHashes,
  SIDE,
  slopeCorrelation,
  slopesOf,
  WHOLE,
} from '../../../src/data/check/perceptual-hash.js';
import { examineImage } from '../../../src/data/images/decode.js';
import { ROOT } from '../../integration/run-cli.js';

const picture = (level: (x: number, y: number) => number) =>
  Uint8Array.from({ length: SIDE * SIDE }, (_, i) => level(i % SIDE, Math.floor(i / SIDE)));
/** Noise from a linear congruential generator. */
function noise(seed: number, low = 0, range = 256): Uint8Array {
  let state = seed * 2654435761 + 1;
  return picture(() => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + Math.floor((state / 2 ** 32) * range);
  });
}
const bits = ([high, low]: Hash) => [
  ...high.toString(2).padStart(32, '0'),
  ...low.toString(2).padStart(32, '0'),
];

/** The digits that differ. */
const hammingDistance = (a: Hash, b: Hash) => bits(a).filter((bit, i) => bit !== bits(b)[i]).length;

describe('the perceptual hash', () => {
  /** The transform by its definition, one coefficient at a time. */
  function byDefinition(grey: Uint8Array): string[] {
    const values: number[] = [];
    for (let v = 1; v <= 8; v++) {
      for (let u = 1; u <= 8; u++) {
        let sum = 0;
        grey.forEach((level, i) => {
          const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
          sum +=
            level * Math.cos(((2 * x + 1) * u * Math.PI) / 64) * Math.cos(((2 * y + 1) * v * Math.PI) / 64);
        });
        values.push(sum);
      }
    }
    const [low = 0, high = 0] = [...values].sort((a, b) => a - b).slice(31, 33);
    return values.map((value) => (value > (low + high) / 2 ? '1' : '0'));
  }

  it.each([1, 2, 3])('is that of the definition, for the mirror image too (%i)', (seed) => {
    const grey = noise(seed);
    const { plain, mirrored } = perceptualHashes(grey);
    expect(bits(plain)).toEqual(byDefinition(grey));
    expect(bits(mirrored)).toEqual(byDefinition(mirrorImage(grey)));
    expect(bits(plain).filter((bit) => bit === '1')).toHaveLength(32);
  });

  it('behind cuts is that of what is left', () => {
    const grey = noise(6);
    const cuts = { left: 0.06, top: 0, right: 0.02, bottom: 0.11 };
    // Levels are rounded here, which may turn a bit that lies at the median.
    const left = Uint8Array.from(cutOut(grey, cuts), Math.round);
    expect(hammingDistance(cutHash(cuts)(grey), perceptualHashes(left).plain)).toBeLessThanOrEqual(2);
    expect(hammingDistance(cutHash(cuts)(grey), perceptualHashes(grey).plain)).toBeGreaterThan(10);
    expect(cutHash(WHOLE)(grey)).toEqual(perceptualHashes(grey).plain);
  });

  it('does not depend on brightness and contrast', () => {
    const grey = noise(4, 0, 200);
    const darker = grey.map((level) => 30 + level / 2);
    expect(hammingDistance(perceptualHashes(grey).plain, perceptualHashes(darker).plain)).toBeLessThan(4);
  });

  it('has bits that are counted as their digits are', () => {
    expect([0, 1, 0b1011, 0x80000000, 0xffffffff, 0x12345678, -1].map(bitsSet)).toEqual([
      0, 1, 3, 1, 32, 13, 32,
    ]);
  });
});

describe('slopes', () => {
  it('of an even shade are none, whatever its direction', () => {
    for (const shade of [picture((x) => 4 * x), picture((_, y) => 7 * y), picture((x, y) => 3 * x + 4 * y)]) {
      expect(detailOf(slopesOf(shade))).toBeCloseTo(0, 4);
    }
    expect(slopeCorrelation(slopesOf(picture(() => 9)), slopesOf(noise(1)))).toBe(0);
  });

  it('of an edge have the size that the definition gives', () => {
    // 16 columns at half the size, the last 8 of them 100 brighter: one of 15 slopes across is 100 in each row, and the mean is
    // 100 / 15; of the slopes down all are 0. Mean square: (14 (100/15)^2 + (100 - 100/15)^2) / 15 / 2 = 311.1.
    const slopes = slopesOf(picture((x) => (x < 16 ? 50 : 150)));
    expect(detailOf(slopes)).toBeCloseTo(Math.sqrt(2800 / 9), 4);
    expect(slopeCorrelation(slopes, slopesOf(picture((x) => (x < 16 ? 10 : 40))))).toBeCloseTo(1, 6);
    expect(slopeCorrelation(slopes, slopesOf(picture((x) => (x < 16 ? 150 : 50))))).toBeCloseTo(-1, 6);
  });
});

describe('the index of hashes', () => {
  const word = fc.nat(2 ** 32 - 1);
  /** Some hashes, and others few bits away from them, as there are among real pictures. */
  const hashes = fc
    .tuple(
      fc.array(fc.tuple(word, word), { minLength: 1, maxLength: 12 }),
      fc.array(fc.tuple(fc.nat(), fc.array(fc.nat(63), { maxLength: 14 })), { maxLength: 40 }),
    )
    .map(([centres, moved]) => [
      ...centres,
      ...moved.map(([which, flipped]): [number, number] => {
        const hash: [number, number] = [...centres[which % centres.length]!];
        for (const bit of flipped) hash[bit >> 5] = (hash[bit >> 5]! ^ (1 << (bit & 31))) >>> 0;
        return hash;
      }),
    ]);

  it('finds what a look at each entry finds, each once', () => {
    fc.assert(
      fc.property(hashes, fc.nat(14), (all, radius) => {
        const index = new HashIndex(Uint32Array.from(all.flat()));
        for (const asked of all) {
          const found: [number, number][] = [];
          index.search(asked, radius, (entry, distance) => found.push([entry, distance]));
          const expected = all
            .map((one, entry): [number, number] => [entry, hammingDistance(one, asked)])
            .filter(([, distance]) => distance <= radius);
          expect(found.sort(([a], [b]) => a - b)).toEqual(expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('cuts hashes into bands of any width: 300,000 entries into three', () => {
    const words = new Uint32Array(600_000);
    let state = 1;
    for (let i = 0; i < words.length; i++) words[i] = state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const index = new HashIndex(words);
    const own: Hash = [(words[2 * 777] ?? 0) ^ 0x80000001, (words[2 * 777 + 1] ?? 0) ^ 0x00010010];
    const found: number[] = [];
    index.search(own, 4, (entry) => found.push(entry));
    expect(found).toEqual([777]);
    expect(index.cost(own, 4)).toBeLessThan(1000);
  });
});

it('groups join what is linked, over others too', () => {
  const groups = new Groups(6);
  groups.join(0, 1);
  groups.join(4, 5);
  groups.join(1, 4);
  expect([0, 1, 2, 3, 4, 5].map((i) => groups.joined(0, i))).toEqual([true, true, false, false, true, true]);
});

describe('near duplicates', () => {
  const open: Pictures[] = [];
  const pictures = (greys: readonly Uint8Array[]) => {
    const made = new Pictures(greys.length);
    open.push(made);
    greys.forEach((grey, i) => made.put(i, grey));
    return made;
  };
  afterEach(() => open.splice(0).forEach((made) => made.close()));
  const FOLDER = join(ROOT, 'data', 'cifar10-mini', 'train');
  const photographs = (name: string) =>
    readdirSync(join(FOLDER, name))
      .slice(0, 20)
      .map((file) => readFileSync(join(FOLDER, name, file)));
  const grey = async (bytes: Buffer) => (await examineImage(bytes, SIDE)).grey;

  it.each<[string, boolean, (image: Sharp) => Sharp]>([
    ['saved again with quality 60', false, (image) => image.jpeg({ quality: 60 })],
    ['of half the size', false, (image) => image.resize(16).png()],
    ['brighter', false, (image) => image.modulate({ brightness: 1.3 }).png()],
    ['cut on two sides', false, (image) => image.extract({ left: 2, top: 2, width: 30, height: 30 }).png()],
    ['mirrored', true, (image) => image.flop().png()],
  ])('copies %s are found, and nothing else', async (_, mirrored, alter) => {
    const files = ['cat', 'ship', 'frog'].flatMap(photographs);
    const copies = await Promise.all(files.slice(0, 4).map((file) => alter(sharp(file)).toBuffer()));
    const greys = await Promise.all([...files, ...copies].map(grey));
    const { pairs, plain } = await pictures(greys).nearDuplicates();
    const found = pairs.map(({ pictures: [a, b] }) => [Math.min(a, b), Math.max(a, b)]);
    expect(found.sort(([a = 0], [b = 0]) => a - b)).toEqual([0, 1, 2, 3].map((i) => [i, files.length + i]));
    expect(plain).toBe(0);
    for (const pair of pairs) {
      expect(pair.similarity).toBeGreaterThan(0.85);
      expect(pair.mirrored).toBe(mirrored);
    }
  });

  it('pictures with next to nothing in them are alike to none', async () => {
    const empty = [
      ...[0, 128, 255, 255].map((level) => picture(() => level)),
      ...[1, 2, 3].map((seed) => noise(seed, 200, 3)),
      ...[2, 3].map((steep) => picture((x, y) => steep * x + y)),
    ];
    expect(await pictures(empty).nearDuplicates()).toEqual({ pairs: [], radius: 11, plain: empty.length });
  });

  it('of three copies two pairs connect all; a stop is heard', async () => {
    const same = noise(9);
    const made = pictures([same, noise(8), same, same]);
    const { pairs } = await made.nearDuplicates();
    expect(pairs.map(({ pictures: both }) => both)).toEqual([
      [0, 2],
      [0, 3],
    ]);
    await expect(made.nearDuplicates(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});
