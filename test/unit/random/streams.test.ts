import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash32, permutation, randomStream } from '../../../src/random.js';

const draw = (n: number, seed: number, ...name: (string | number)[]) => {
  const stream = randomStream(seed, ...name);
  return Array.from({ length: n }, () => stream.uniform());
};

describe('a stream', () => {
  test('is the same on every machine and for ever', () => {
    // printf %s '["a",1]' | sha256sum begins with 13 5f 17 a4: little endian and signed, 0xa4175f13 - 2^32.
    expect(hash32('a', 1)).toBe(-1541972205);
    expect(draw(3, 0, 'shuffle', 1)).toEqual([0.1461273725144565, 0.43354351934976876, 0.4221517217811197]);
  });

  test('depends on seed and name, and on nothing that was drawn elsewhere', () => {
    const alone = draw(5, 3, 'shuffle', 2);
    const other = randomStream(3, 'augment');
    const interleaved = randomStream(3, 'shuffle', 2);
    const seen = alone.map(() => {
      other.uniform();
      return interleaved.uniform();
    });
    expect(seen).toEqual(alone);
    expect(draw(5, 4, 'shuffle', 2)).not.toEqual(alone);
    expect(draw(5, 3, 'shuffle', 3)).not.toEqual(alone);
    expect(draw(5, 3, 'shuffle', '2')).not.toEqual(alone);
    expect(draw(5, 3, 'shuffle2')).not.toEqual(alone);
  });

  test('names cannot run into each other', () => {
    expect(hash32('a', 'b')).not.toBe(hash32('ab'));
    expect(hash32('a', 1)).not.toBe(hash32('a', '1'));
    expect(hash32('a","b')).not.toBe(hash32('a', 'b'));
  });

  test('lies in [0, 1), is flat, and its integers are all reached evenly', () => {
    const n = 20_000;
    const stream = randomStream(5, 'flat');
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < n; i++) {
      const x = stream.uniform();
      expect(x >= 0 && x < 1).toBe(true);
      bins[Math.floor(10 * x)]!++;
    }
    // Chi-squared with 9 degrees of freedom: beyond 27.9 once in a thousand; the seed is fixed.
    const expected = n / 10;
    expect(bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)).toBeLessThan(27.9);
    const integers = Array.from({ length: 1000 }, () => stream.integer(7));
    expect([...new Set(integers)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test('streams of neighbouring seeds are unrelated', () => {
    const firsts = Array.from({ length: 2000 }, (_, seed) => randomStream(seed, 'head').uniform());
    const mean = firsts.reduce((sum, x) => sum + x, 0) / firsts.length;
    const lag = firsts.slice(1).reduce((sum, x, i) => sum + (x - mean) * (firsts[i]! - mean), 0);
    const variance = firsts.reduce((sum, x) => sum + (x - mean) ** 2, 0);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    expect(variance / firsts.length).toBeCloseTo(1 / 12, 2);
    expect(Math.abs(lag / variance)).toBeLessThan(0.07);
  });
});

describe('a permutation', () => {
  test('holds every number once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.integer(), (n, seed) => {
        expect([...permutation(n, randomStream(seed, 'p'))].sort((a, b) => a - b)).toEqual([
          ...Array(n).keys(),
        ]);
      }),
    );
  });

  test('of three has its six orders about equally often', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 6000; seed++) {
      const order = permutation(3, randomStream(seed, 'p')).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    // 1000 each; the standard deviation is sqrt(6000 x 1/6 x 5/6) = 29.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(4 * 29);
  });
});
