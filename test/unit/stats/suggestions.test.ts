import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { smooth } from '../../../src/stats/range/curve.js';
import { suggest } from '../../../src/stats/range/suggestions.js';

interface OracleCurve {
  num_it: number;
  lr: number[];
  smoothed_ema98_biascorrected: (number | null)[];
  stopped_after_ema98_x4: number;
  fastai_points_after_trim: number;
  expected: Record<string, number>;
  ill_conditioned_do_not_assert: string[];
}
const oracle = JSON.parse(
  readFileSync(new URL('../../golden/oracles/suggest.json', import.meta.url), 'utf8'),
) as { curves: Record<string, OracleCurve> };

const names = {
  steepest: 'fastai_steep',
  valley: 'fastai_valley',
  slide: 'fastai_slide',
  minimum: 'fastai_minimum',
};

describe('suggest against transcriptions of fastai', () => {
  const curves = Object.entries(oracle.curves);
  it('covers eight curves and all but one of their 32 answers', () => {
    expect(curves.length).toBe(8);
    const skipped = curves.flatMap(([name, c]) =>
      c.ill_conditioned_do_not_assert.filter((m) => m.startsWith('fastai_')).map((m) => `${name} ${m}`),
    );
    // On a straight line every segment is equally steep but for rounding.
    expect(skipped).toEqual(['strictly_decreasing fastai_steep']);
  });

  it.each(curves)('%s', (_name, curve) => {
    const stopped = curve.stopped_after_ema98_x4;
    const answers = suggest({
      learningRates: curve.lr.slice(0, stopped),
      losses: curve.smoothed_ema98_biascorrected.slice(0, stopped).map((l) => l ?? NaN),
      plannedSteps: curve.num_it,
      trim: { start: 0.1, end: 5 },
    });
    for (const [method, name] of Object.entries(names)) {
      if (curve.ill_conditioned_do_not_assert.includes(name)) continue;
      const answer = answers[method as keyof typeof names];
      expect(Math.abs(answer! / curve.expected[name]! - 1), name).toBeLessThan(1e-9);
    }
  });

  it('cuts at the first NaN', () => {
    // The curve that ends in NaN, not stopped: as if it had ended at the NaN of index 90, less no points.
    const { lr, smoothed_ema98_biascorrected: losses } = oracle.curves['nan_tail']!;
    const whole = suggest({ learningRates: lr, losses: losses.map((l) => l ?? NaN) });
    const cut = suggest({
      learningRates: lr.slice(0, 90),
      losses: losses.slice(0, 90).map((l) => l ?? NaN),
      plannedSteps: 100,
      trim: { start: 0.1, end: 0 },
    });
    expect(whole).toEqual(cut);
    expect(whole.minimum).not.toBeNull();
  });
});

describe('suggest on curves that have no answer', () => {
  const none = { steepest: null, valley: null, slide: null, minimum: null };
  const rates = (n: number) => Array.from({ length: n }, (_, i) => 1e-6 * 1.2 ** i);

  it.each([
    ['empty', []],
    ['all NaN', Array<number>(60).fill(NaN)],
    ['flat', Array<number>(60).fill(0.7)],
    ['shorter than the trim', [3, 2, 1]],
    ['diverged before the trim', [1, 2, 3, 4, 5, Infinity]],
  ])('%s: null throughout', (_name, losses) => {
    expect(suggest({ learningRates: rates(losses.length), losses })).toEqual(none);
  });

  it('rising: no descent for steepest and valley', () => {
    const losses = Array.from({ length: 60 }, (_, i) => 1 + i * i);
    const answer = suggest({ learningRates: rates(60), losses });
    expect(answer.steepest).toBeNull();
    expect(answer.valley).toBeNull();
  });

  it('ten points after the trim: too few for slide alone', () => {
    const losses = Array.from({ length: 16 }, (_, i) => 2 - 0.1 * i);
    const answer = suggest({ learningRates: rates(16), losses });
    expect(answer.slide).toBeNull();
    expect(answer.minimum).toBeCloseTo(1e-7 * 1.2 ** 10, 12);
  });

  it('never throws, and answers with swept rates alone', () => {
    const loss = fc.oneof(
      { weight: 8, arbitrary: fc.double({ min: 0, max: 5, noNaN: true }) },
      fc.constantFrom(NaN, Infinity, -Infinity, 1e308),
    );
    fc.assert(
      fc.property(fc.array(loss, { maxLength: 80 }), fc.constantFrom(0, 0.5, 0.98), (losses, beta) => {
        const learningRates = rates(losses.length);
        const answer = suggest({ learningRates, losses: smooth(losses, beta) });
        for (const method of ['steepest', 'valley', 'slide'] as const) {
          expect([null, ...learningRates]).toContain(answer[method]);
        }
        expect([null, ...learningRates.map((lr) => lr / 10)]).toContain(answer.minimum);
      }),
    );
  });
});
