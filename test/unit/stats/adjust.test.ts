import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holm } from '../../../src/stats/difference.js';

describe('holm', () => {
  it("agrees with R's p.adjust", () => {
    // p.adjust(c(0.01, 0.04, 0.03, 0.005), 'holm') = 0.03 0.06 0.06 0.02: 4 x 0.005, 3 x 0.01, 2 x 0.03,
    // and 1 x 0.04 raised to the one before it.
    const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
    [0.03, 0.06, 0.06, 0.02].forEach((expected, i) => expect(adjusted[i]).toBeCloseTo(expected, 12));
  });

  it('leaves one comparison as it is, and one that was not tested out of the count', () => {
    expect(holm([0.04])).toEqual([0.04]);
    expect(holm([null, 0.02, null, 0.04])).toEqual([null, 0.04, null, 0.04]);
    expect(holm([])).toEqual([]);
    expect(() => holm([1.2])).toThrow(RangeError);
    expect(() => holm([NaN])).toThrow(RangeError);
  });

  it('never lowers a p, keeps their order, and is no weaker than Bonferroni', () => {
    const ps = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(ps, (raw) => {
        const adjusted = holm(raw).map((p) => p!);
        raw.forEach((p, i) => {
          expect(adjusted[i]!).toBeGreaterThanOrEqual(p);
          expect(adjusted[i]!).toBeLessThanOrEqual(Math.min(1, p * raw.length));
          raw.forEach((q, j) => p < q && expect(adjusted[i]!).toBeLessThanOrEqual(adjusted[j]!));
        });
      }),
    );
  });
});
