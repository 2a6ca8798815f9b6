import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  balancedDifference,
  balancedSums,
  type CrossedDifference,
  crossedDifference,
  crossedSums,
} from '../../../src/stats/crossed.js';
import { balancedMcnemar, mcnemar } from '../../../src/stats/difference.js';
import { bootstrapMeanOverClasses } from '../../../src/stats/intervals.js';
import { simulateUneven, type UnevenWorld } from '../../bench/calibration-runs.js';

const { cases } = JSON.parse(
  readFileSync(new URL('../../golden/oracles/balanced.json', import.meta.url), 'utf8'),
) as {
  readonly cases: readonly (Omit<CrossedDifference, 'method' | 'n' | 'images'> & {
    readonly name: string;
    readonly rows: readonly (readonly number[])[];
    readonly labels: readonly number[];
  })[];
};

const judge = (rows: readonly (readonly number[])[], labels: readonly number[]) =>
  balancedDifference(balancedSums(rows, labels));

const table = fc
  .tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 3, max: 12 }))
  .chain(([seeds, images]) =>
    fc.array(fc.array(fc.constantFrom(-1, 0, 1), { minLength: images, maxLength: images }), {
      minLength: seeds,
      maxLength: seeds,
    }),
  );

describe('the difference of balanced accuracies', () => {
  it('is the mean over classes of the mean over a class', () => {
    // Class 0: images 0 to 3, two of them won by seed 0 and one by seed 1; class 1: image 4, lost by both.
    // (2/4 - 1)/2 = -1/4 and (1/4 - 1)/2 = -3/8, -5/16 on average; of all images it would be 1/5 and 0.
    const rows = [
      [1, 1, 0, 0, -1],
      [1, 0, 0, 0, -1],
    ];
    expect(balancedSums(rows, [0, 0, 0, 0, 1]).scores).toEqual([-1 / 4, -3 / 8]);
    expect(judge(rows, [0, 0, 0, 0, 1]).mean).toBe(-5 / 16);
  });

  it('with one class is the difference of accuracies', () => {
    fc.assert(
      fc.property(table, (rows) => {
        const [own, plain] = [
          judge(
            rows,
            rows[0]!.map(() => 3),
          ),
          crossedDifference(crossedSums(rows)),
        ];
        expect(own.method).toBe(plain.method);
        for (const name of ['mean', 'low', 'high', 'pValue', 'degreesOfFreedom'] as const) {
          if (plain[name] === null) expect(own[name]).toBeNull();
          else expect(own[name]).toBeCloseTo(plain[name], 9);
        }
      }),
    );
  });

  it.each(cases)('agrees with least squares and SciPy: $name', ({ rows, labels, name: _, ...expected }) => {
    const found = judge(rows, labels);
    for (const name of ['mean', 'low', 'high', 'pValue', 'degreesOfFreedom'] as const) {
      expect(found[name], name).toBeCloseTo(expected[name]!, 8);
    }
    for (const part of ['seeds', 'images', 'residual'] as const) {
      expect(found.varianceShares![part]).toBeCloseTo(expected.varianceShares![part], 8);
    }
  });

  it('one image more counts as its class is small', () => {
    const labels = [...Array<number>(90).fill(0), ...Array<number>(10).fill(1)];
    const won = (image: number) => [0, 1, 2].map(() => labels.map((_, i) => Number(i === image)));
    expect(judge(won(0), labels).mean).toBeCloseTo(1 / 180, 12);
    expect(judge(won(95), labels).mean).toBeCloseTo(1 / 20, 12);
  });

  it('has signs alone where few seeds give the same answers, and nothing for one seed', () => {
    const labels = [0, 0, 0, 1, 1];
    const row = [1, 0, 0, 0, 0];
    expect(judge([row, row, row], labels)).toMatchObject({ method: 'sign flip', pValue: 0.25, low: null });
    expect(judge([row], labels)).toMatchObject({ low: null, high: null, pValue: null, n: 1 });
    expect(judge(Array(6).fill(row), labels).low).not.toBeNull();
  });

  it('keeps its variance where seeds trade one class for another', () => {
    // Each seed wins all of one class and loses all of the other: the score is 0 with every seed, and no image's mean is.
    const labels = [0, 0, 0, 1, 1, 1];
    const [there, back] = [
      [1, 1, 1, -1, -1, -1],
      [-1, -1, -1, 1, 1, 1],
    ];
    const { mean, low, high } = judge([there, back, there, back, there, back, there], labels);
    expect(mean).toBe(0);
    expect(low).toBeLessThan(-0.01);
    expect(high).toBeGreaterThan(0.01);
  });

  it('refuses labels that are not those of the images', () => {
    expect(() => balancedSums([[1, 0]], [0])).toThrow('expected 2 labels but received 1');
  });
});

// Of 2,000 comparisons that would each claim with probability 0.06 more than 153 claim in fewer than one case of 1,000.
const MOST = 153;
const WORLD: UnevenWorld = {
  ...{ seeds: 5, sizes: [100, 56, 32, 18, 10], advantage: 0 },
  ...{ seedSpread: 0.2, imageSpread: 1, classSpread: 0.3 },
};

describe('a policy against itself, on classes of 100 to 10 images', () => {
  it.each<readonly [string, UnevenWorld]>([
    ['3 seeds', { ...WORLD, seeds: 3 }],
    ['5 seeds', WORLD],
    ['10 seeds', { ...WORLD, seeds: 10 }],
    ['5 seeds with much luck, on images that suit either', { ...WORLD, seedSpread: 0.7, imageSpread: 6 }],
    ['two classes, 5 seeds', { ...WORLD, sizes: [300, 30] }],
  ])('%s: is claimed better in 1 to 6 of 100 comparisons', (_, world) => {
    const claims = [...simulateUneven(world, 2000)].filter(
      ({ balanced }) => (balancedDifference(balanced).pValue ?? 1) <= 0.05,
    ).length;
    expect(claims).toBeLessThanOrEqual(MOST);
    expect(claims).toBeGreaterThanOrEqual(10);
  });

  it('a better arm is found', () => {
    const world = { ...WORLD, sizes: [400, 224, 128, 72, 40], seeds: 10, advantage: 1, imageSpread: 0 };
    const right = [...simulateUneven(world, 300)].filter(({ balanced }) => {
      const { mean, pValue } = balancedDifference(balanced);
      return mean > 0 && (pValue ?? 1) <= 0.05;
    });
    expect(right.length).toBeGreaterThan(285);
  });
});

describe('balancedMcnemar', () => {
  it('is near the exact test where there is one class', () => {
    for (const [won, lost] of [
      [4, 0],
      [7, 1],
      [12, 5],
      [9, 9],
      [40, 22],
    ] as const) {
      const row = [...Array<number>(won).fill(1), ...Array<number>(lost).fill(-1), 0, 0, 0];
      expect(
        Math.abs(
          balancedMcnemar(
            row,
            row.map(() => 0),
          ) - mcnemar(won, lost),
        ),
      ).toBeLessThan(0.015);
    }
  });

  it('weighs signs by the size of their class', () => {
    // Two images of a class of 2 against two of a class of 8: sums of +-1/2, +-1/2, +-1/8, +-1/8. Seen: 1 - 1/4 = 3/4. Of 16
    // sign patterns those of 1 + {1/4, 0, 0, -1/4} and their opposites are at least as far from 0, 8 of 16.
    const row = [1, 1, -1, -1, 0, 0, 0, 0, 0, 0];
    expect(balancedMcnemar(row, [0, 0, 1, 1, 1, 1, 1, 1, 1, 1])).toBeCloseTo(8 / 16, 1);
    expect(mcnemar(2, 2)).toBe(1);
    expect(balancedMcnemar([0, 0], [0, 1])).toBe(1);
  });

  it('draws the same patterns each time, also of more than 32 signs', () => {
    const row = Array.from({ length: 90 }, (_, i) => (i % 5 === 0 ? -1 : 1));
    const labels = row.map((_, i) => Number(i > 70));
    const p = balancedMcnemar(row, labels);
    expect(balancedMcnemar(row, labels)).toBe(p);
    expect(p).toBeLessThan(0.01);
    expect(p).toBeGreaterThan(0);
  });
});

describe('bootstrapMeanOverClasses', () => {
  it('has the width of a stratified sample', () => {
    // 100 images with half right (variance 1/4) and 25 with a fifth (4/25): the variance of the mean of both means is
    // (1/400 + 4/625) / 4, and that of the joining images 2 (1/100 + 1/25) / 4 / 125, together 0.002425.
    const perImage = Array.from({ length: 125 }, (_, i) => Number(i < 100 ? i % 2 === 0 : i % 5 === 0));
    const labels = perImage.map((_, i) => Number(i >= 100));
    const { mean, low, high, n } = bootstrapMeanOverClasses(perImage, labels);
    expect([mean, n]).toEqual([0.35, 125]);
    expect((high - low) / (2 * 1.96)).toBeCloseTo(Math.sqrt(0.002425), 2);
    expect((low + high) / 2).toBeCloseTo(0.35, 2);
  });

  it('has a width where nothing differs', () => {
    const { low, high } = bootstrapMeanOverClasses([0, 0, 0, 0], [0, 0, 0, 1]);
    expect(low).toBeLessThan(0);
    expect(high).toBeGreaterThan(0);
  });
});
