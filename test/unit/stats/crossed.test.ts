import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type CrossedDifference,
  crossedDifference,
  crossedSums,
  meanSquares,
} from '../../../src/stats/crossed.js';

type Rows = readonly (readonly number[])[];
const judge = (rows: Rows) => crossedDifference(crossedSums(rows));
const squaresOf = (rows: Rows) => meanSquares(crossedSums(rows));

/** Written by numpy and SciPy: crossed.py beside the file. */
const oracle = JSON.parse(
  readFileSync(new URL('../../golden/oracles/crossed.json', import.meta.url), 'utf8'),
) as { cases: (CrossedDifference & { name: string; rows: number[][] })[] };

const entry = fc.constantFrom(-1, 0, 0, 1);
const table = fc
  .tuple(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 2, max: 30 }))
  .chain(([seeds, images]) =>
    fc.array(fc.array(entry, { minLength: images, maxLength: images }), {
      minLength: seeds,
      maxLength: seeds,
    }),
  );

/** Numbers alike up to the rounding of sums in another order. */
function expectSame(a: CrossedDifference, b: CrossedDifference): void {
  expect(a.method).toBe(b.method);
  for (const key of ['mean', 'low', 'high', 'pValue', 'degreesOfFreedom'] as const) {
    if (a[key] === null || b[key] === null) expect(a[key]).toBe(b[key]);
    else expect(Math.abs(a[key] - b[key])).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(b[key])));
  }
}

describe('the crossed interval', () => {
  it('is that of a table worked by hand', () => {
    // Means: seeds 2/3 and 1/3, images 1, 1/2 and 0, all 1/2. Sums of squares 1/6, 1 and 1/3 of 3/2 in all.
    const rows = [
      [1, 1, 0],
      [1, 0, 0],
    ];
    const squares = squaresOf(rows);
    expect(squares.seeds).toBeCloseTo(1 / 6, 12);
    expect(squares.images).toBeCloseTo(1 / 2, 12);
    expect(squares.residual).toBeCloseTo(1 / 6, 12);
    // Two images differ, by 5/8 at mean square, of which (1 - (1/6) / (1/2))^2 = 4/9 would come again: two more such
    // bring the mean square of the images to 1/2 + 2 x 2 x 4/9 x 5/8 / 2 = 19/18, which is the sum of all three too.
    const found = judge(rows);
    const df = 1 / (Math.sqrt(3 / 19) + 1 / 2 + 3 / 38);
    expect(found.mean).toBeCloseTo(1 / 2, 12);
    expect(found.degreesOfFreedom).toBeCloseTo(df, 10);
    expect(found.varianceShares?.seeds).toBeCloseTo(0, 12);
    expect(found.varianceShares?.images).toBeCloseTo(16 / 19, 10);
    expect(found.varianceShares?.residual).toBeCloseTo(3 / 19, 10);
    // t = (1/2) / sqrt(19/18 / 6) = 1.19208; with df = 1.02427 SciPy's t.sf gives half of this.
    expect(found.pValue).toBeCloseTo(0.4407428926, 9);
  });

  it.each(oracle.cases)('agrees with numpy and SciPy: $name', ({ rows, name: _, ...expected }) => {
    const found = judge(rows);
    expectSame(found, { ...expected, n: rows.length, images: rows[0]!.length });
    for (const part of ['seeds', 'images', 'residual'] as const) {
      if (expected.varianceShares === null) expect(found.varianceShares).toBeNull();
      else expect(found.varianceShares?.[part]).toBeCloseTo(expected.varianceShares[part], 9);
    }
  });

  it('knows no order of seeds or images', () => {
    fc.assert(
      fc.property(table, fc.infiniteStream(fc.nat()), (rows, numbers) => {
        const shuffled = <T>(items: readonly T[]) =>
          items
            .map((item) => ({ item, key: numbers.next().value as number }))
            .sort((a, b) => a.key - b.key)
            .map(({ item }) => item);
        const columns = shuffled(rows[0]!.map((_, i) => i));
        expectSame(judge(shuffled(rows.map((row) => columns.map((i) => row[i]!)))), judge(rows));
      }),
    );
  });

  it('turns its sign with the arms', () => {
    fc.assert(
      fc.property(table, (rows) => {
        const [there, back] = [judge(rows), judge(rows.map((row) => row.map((d) => 0 - d)))];
        const turn = (value: number | null) => (value === null ? null : 0 - value);
        expectSame({ ...back, mean: 0 - back.mean, low: turn(back.high), high: turn(back.low) }, there);
      }),
    );
  });

  it('has mean squares that a shift leaves alone and that change places with seeds and images', () => {
    const losses = fc.array(fc.array(fc.constantFrom(-1, 0), { minLength: 7, maxLength: 7 }), {
      minLength: 2,
      maxLength: 6,
    });
    fc.assert(
      fc.property(losses, (rows) => {
        const squares = squaresOf(rows);
        expect(squaresOf(rows.map((row) => row.map((d) => d + 1)))).toEqual(squares);
        const turned = squaresOf(rows[0]!.map((_, i) => rows.map((row) => row[i]!)));
        expect(turned.seeds).toBeCloseTo(squares.images, 12);
        expect(turned.images).toBeCloseTo(squares.seeds, 12);
        expect(turned.residual).toBeCloseTo(squares.residual, 12);
      }),
    );
  });

  it('excludes 0 exactly where p is below 0.05, and has shares that add to 1', () => {
    fc.assert(
      fc.property(table, (rows) => {
        const { low, high, pValue, varianceShares } = judge(rows);
        if (low === null || high === null || varianceShares === null) {
          expect(pValue).toBeGreaterThan(0.05);
          return;
        }
        expect(low > 0 || high < 0).toBe(pValue! < 0.05);
        const shares = Object.values(varianceShares);
        expect(shares.every((share) => share >= 0)).toBe(true);
        expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 12);
      }),
      { numRuns: 500 },
    );
  });
});

describe('small corners', () => {
  it('one seed has a mean and nothing else', () => {
    expect(judge([[1, 0, 0, 1]])).toEqual({
      mean: 0.5,
      low: null,
      high: null,
      pValue: null,
      degreesOfFreedom: null,
      varianceShares: null,
      method: 'crossed',
      n: 1,
      images: 4,
    });
  });

  it('seeds that all give the same answers are judged by their signs, and six are needed', () => {
    const same = (seeds: number) => Array.from({ length: seeds }, () => Array.from({ length: 60 }, () => 1));
    expect(judge(same(5))).toMatchObject({ low: null, high: null, pValue: 0.0625, method: 'sign flip' });
    expect(judge(same(6))).toMatchObject({ high: 1, pValue: 0.03125, method: 'crossed' });
    expect(judge(same(6)).low).toBeGreaterThan(0);
  });

  it('differences that are equal by chance, on different images, have an interval', () => {
    const rows = [0, 1, 2].map((seed) =>
      Array.from({ length: 50 }, (_, i) => Number(i % 3 === seed && i < 9)),
    );
    const { low, high, method } = judge(rows);
    expect(method).toBe('crossed');
    expect(low).toBeLessThan(3 / 50);
    expect(high).toBeGreaterThan(3 / 50);
  });

  it('few images, all on one side, are judged as McNemar judges them', () => {
    // Exactly 2 / 2^k: 0.125, 0.0625, 0.031 and 0.016 for four to seven images won and none lost.
    const won = (k: number) =>
      judge(Array.from({ length: 8 }, () => Array.from({ length: 150 }, (_, i) => Number(i < k))));
    expect(won(4).pValue).toBeGreaterThan(0.09);
    expect(won(5).pValue).toBeGreaterThan(0.05);
    expect(won(6).pValue).toBeLessThan(0.04);
    expect(won(6).pValue).toBeGreaterThan(0.02);
    expect(won(7).pValue).toBeLessThan(0.03);
  });

  it('no difference anywhere leaves about three images in n', () => {
    const none = judge(Array.from({ length: 6 }, () => Array.from({ length: 400 }, () => 0)));
    expect(none).toMatchObject({ mean: 0, pValue: 1, varianceShares: { seeds: 0, images: 1, residual: 0 } });
    expect(none.high! * 400).toBeGreaterThan(2.5);
    expect(none.high! * 400).toBeLessThan(3.2);
  });

  it('luck of single answers alone is not taken for certainty', () => {
    // Neither seeds nor images differ in their means, and the difference of mean squares is below 0.
    const { low, high, degreesOfFreedom } = judge([
      [1, 0],
      [0, 1],
    ]);
    expect([low, high]).toEqual([-1, 1]);
    expect(degreesOfFreedom).toBeCloseTo(1, 12);
  });

  it('refuses tables that are none', () => {
    expect(() => crossedSums([])).toThrow(RangeError);
    expect(() => crossedSums([[]])).toThrow(RangeError);
    expect(() => crossedSums([[1, 0], [1]])).toThrow(/expected 2 images but received 1/);
    expect(() => crossedSums([[0.5]])).toThrow(/-1, 0 or 1/);
    expect(() => judge([[1], [0]])).toThrow(/at least 2 seeds and 2 images/);
  });
});
