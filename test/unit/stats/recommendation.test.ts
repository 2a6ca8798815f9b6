import { describe, expect, it } from 'vitest';
import type { RangeCurve } from '../../../src/stats/range/curve.js';
import { descentBegins, type RangeFinding, recommend } from '../../../src/stats/range/recommend.js';
import { suggestOverSeeds } from '../../../src/stats/range/suggestions.js';
import { asCurve, collapsing, measured, noisy, recorded, type Sweep } from './range-tests.js';

// Range tests of folded MobileNets: where the loss falls fastest, is lowest, and collapses.
const mobileNets: [string, number, { steepest: number; lowest: number; collapse: number }][] = [
  ['V1, all, head x1', 2, { steepest: 3.5e-4, lowest: 1.4e-3, collapse: 2.2e-3 }],
  ['V1, all, head x10', 2, { steepest: 5e-5, lowest: 7e-4, collapse: 1.1e-3 }],
  ['V1, last 2 blocks, head x1', 2, { steepest: 1.1e-3, lowest: 7.6e-3, collapse: 1.7e-2 }],
  ['V1, last 2 blocks, head x10', 2, { steepest: 1.5e-4, lowest: 1.2e-3, collapse: 5e-3 }],
  ['V1, head', 2, { steepest: 1.1e-3, lowest: 0.19, collapse: 0.57 }],
  ['V2, all, head x1', 2, { steepest: 1.2e-3, lowest: 1.9e-3, collapse: 4.3e-3 }],
  ['V2, all, head x10', 2, { steepest: 1.5e-4, lowest: 9e-4, collapse: 2.2e-3 }],
  ['V2, all, ten classes', 10, { steepest: 2.3e-4, lowest: 5e-4, collapse: 1.1e-3 }],
  ['V2, from block 6, ten classes', 10, { steepest: 2.7e-4, lowest: 6e-4, collapse: 2e-3 }],
];
const synthetic = mobileNets.flatMap(([name, classes, rates]): [string, Sweep][] =>
  [60, 100].map((steps) => [`${name}, ${steps} steps`, collapsing(steps, classes, rates)]),
);
const withMinimum = [
  'recorded_mlp_seed0',
  'recorded_mlp_seed1',
  'recorded_mlp_seed2',
  'smooth_U',
  'nan_tail',
];
const sound: [string, Sweep][] = [
  ...withMinimum.map((name): [string, Sweep] => [name, recorded[name]!]),
  ...synthetic,
];

// Five epochs of 1000 images in batches of 32.
const training = { steps: 160, part: 'folded' } as const;
const rateOf = (...curves: RangeCurve[]) => recommend(curves, training).recommended?.learningRate;

describe('recommend', () => {
  it.each(mobileNets)(
    'is a multiple of the halfway rate, not far beyond the lowest loss: %s',
    (_, classes, rates) => {
      const sweep = collapsing(100, classes, rates);
      const { recommended, finding } = recommend([asCurve(sweep)], training);
      const { learningRate, fixedLearningRate } = recommended!;
      // Half of the descent is done where it is steepest. (100 / 160) ^ 0.7 = 0.720.
      const { halfway, lowest } = finding as { halfway: number; lowest: number };
      expect(halfway / rates.steepest).toBeGreaterThan(0.8);
      expect(halfway / rates.steepest).toBeLessThan(1.2);
      expect(learningRate / 0.72 / Math.min(5.8 * halfway, 1.25 * lowest)).toBeCloseTo(1, 2);
      expect(learningRate / (0.72 * rates.lowest)).toBeLessThan(1.5);
      expect(fixedLearningRate / learningRate).toBeCloseTo(2 / 3, 12);
      // Of a head alone a fixed rate is as high as 1cycle's.
      const head = recommend([asCurve(sweep)], { ...training, part: 'head' });
      expect(head.recommended).toEqual({ learningRate, fixedLearningRate: learningRate });
      // Batch norm in training mode is trained best well below what it bears.
      const normalized = recommend([asCurve(sweep)], { ...training, part: 'normalized' }).recommended!;
      expect(normalized.learningRate / learningRate).toBeCloseTo(0.45, 12);
      expect(normalized.fixedLearningRate / normalized.learningRate).toBeCloseTo(2 / 3, 12);
      expect(learningRate).toBeLessThan(rates.collapse / 1.5);
    },
  );

  it('asks less for a longer training and more for a shorter one, down to 45 steps', () => {
    const sweep = collapsing(60, 10, { steepest: 2e-4, lowest: 1e-3, collapse: 4e-3 });
    const answer = (steps: number) => recommend([asCurve(sweep)], { ...training, steps });
    const rate = (steps: number) => answer(steps).recommended!.learningRate;
    // As long as the sweep: 5.8 times the halfway rate.
    expect(rate(60)).toBeGreaterThan(5.8 * 1.6e-4);
    expect(rate(60)).toBeLessThan(5.8 * 2.4e-4);
    // Four times as long: 4 ^ -0.7 = 0.379.
    expect(rate(240) / rate(60)).toBeCloseTo(0.379, 3);
    expect(rate(45) / rate(60)).toBeCloseTo((60 / 45) ** 0.7, 9);
    expect(rate(1)).toBe(rate(45));
    expect(answer(240).finding).toMatchObject({ kind: 'rate', trainingSteps: 240, seeds: 1 });
  });

  it('takes the same curve for a higher rate where it was swept more slowly, over whatever range', () => {
    // One step more between any two: a sweep of 119 steps, or of its 89 over the upper six decades.
    const rates = { steepest: 2e-4, lowest: 1e-3, collapse: 4e-3 };
    const coarse = collapsing(60, 10, rates);
    const fine = collapsing(119, 10, rates);
    const upper: Sweep = {
      ...fine,
      learningRates: fine.learningRates.slice(30),
      losses: fine.losses.slice(30),
    };
    const rate = rateOf(asCurve(coarse))!;
    // (119 / 60) ^ 0.7 = 1.615
    expect(rateOf(asCurve(fine))! / rate / 1.615).toBeCloseTo(1, 1);
    expect(rateOf(asCurve(upper))! / rate / 1.615).toBeCloseTo(1, 1);
  });

  it.each(measured)('is within a point of the best of a grid: $name, $steps steps', (test) => {
    const { learningRate } = recommend(test.curves, { ...training, steps: test.steps }).recommended!;
    expect(learningRate).toBeGreaterThan(test.low);
    expect(learningRate).toBeLessThan(test.high);
  });

  it.each(sound)('moves by less than a factor of 2.5 under noise of 0.05: %s', (name, sweep) => {
    const clean = rateOf(asCurve(sweep))!;
    const moved: number[] = [];
    let refused = 0;
    const draws = 50;
    for (let draw = 0; draw < draws; draw++) {
      const rate = rateOf(asCurve(noisy(sweep, 0.05, name, draw)));
      if (rate === undefined) refused++;
      else moved.push(Math.max(rate / clean, clean / rate));
    }
    expect(Math.max(...moved)).toBeLessThan(2.5);
    expect(refused).toBeLessThanOrEqual(0.06 * draws);

    // Three seeds: closer as a rule, and no refusal.
    for (let draw = 0; draw < 15; draw++) {
      const seeds = [0, 1, 2].map((seed) => asCurve(noisy(sweep, 0.05, name, 'seeds', draw, seed), seed));
      const rate = rateOf(...seeds)!;
      expect(Math.max(rate / clean, clean / rate)).toBeLessThan(2.4);
    }
  });

  it.each(sound)('does not depend on the unit of the loss: %s', (name, sweep) => {
    const curve = asCurve(noisy(sweep, 0.05, name, 0));
    const scaled = (factor: number): RangeCurve => ({
      ...curve,
      points: curve.points.map((p) => ({
        ...p,
        loss: factor * p.loss,
        smoothedLoss: factor * p.smoothedLoss,
      })),
    });
    const rate = rateOf(curve);
    if (rate === undefined) return;
    for (const factor of [1e-3, 7, 1024]) {
      expect(rateOf(scaled(factor))! / rate).toBeCloseTo(1, 9);
    }
  });

  it.each(sound)('stays inside the range: %s', (_name, sweep) => {
    const { recommended } = recommend([asCurve(sweep)], training);
    for (const rate of [recommended!.learningRate, recommended!.fixedLearningRate]) {
      expect(rate).toBeGreaterThanOrEqual(Math.min(...sweep.learningRates));
      expect(rate).toBeLessThanOrEqual(Math.max(...sweep.learningRates));
    }
  });

  it('survives a seed that diverged at once, and spikes in another', () => {
    const [, sweep] = synthetic[1]!;
    const [a, b] = [0, 1].map((seed) => asCurve(noisy(sweep, 0.05, 'pair', seed), seed));
    const clean = rateOf(asCurve(sweep))!;
    const dead = asCurve({ ...sweep, losses: [NaN] }, 2);
    const spiked: RangeCurve = {
      ...b!,
      points: b!.points.map((p) => (p.step % 17 === 5 ? { ...p, loss: 40 } : p)),
    };
    for (const curves of [[a!, b!, dead], [a!, spiked], [spiked]]) {
      const rate = rateOf(...curves)!;
      expect(Math.max(rate / clean, clean / rate)).toBeLessThan(2);
    }
  });

  it('says how far the seeds agree', () => {
    const base = { steepest: 2e-4, lowest: 1e-3, collapse: 3e-3 };
    const times = (factor: number, seed: number) =>
      asCurve(
        collapsing(100, 2, {
          steepest: base.steepest * factor,
          lowest: base.lowest * factor,
          collapse: base.collapse * factor,
        }),
        seed,
      );
    const verdict = (...factors: number[]) => recommend(factors.map(times), training);
    expect(verdict(1).agreement).toEqual({ verdict: 'unknown', factor: null });
    expect(verdict(1, 1.3, 1.1).agreement.verdict).toBe('good');
    expect(verdict(1, 1, 3).agreement.verdict).toBe('fair');
    expect(verdict(1, 1, 3).agreement.factor).toBeCloseTo(3, 0);
    expect(verdict(1, 3, 10).agreement.verdict).toBe('poor');
  });
});

describe('recommend refuses', () => {
  const rates = (n: number, low = 1e-7) =>
    Array.from({ length: n }, (_, i) => low * (10 / low) ** (i / (n - 1)));
  const sweep = (losses: number[], low?: number): Sweep => ({
    classes: 2,
    learningRates: rates(losses.length, low),
    losses,
  });
  const chance = Math.log(2);

  it.each<[string, Sweep, RangeFinding['kind']]>([
    ['a flat curve', sweep(rates(100).map(() => chance)), 'flat'],
    ['a loss still falling at the end', recorded['strictly_decreasing']!, 'never-rose'],
    ['a fall to zero at the end', recorded['lightning_21141_clean']!, 'never-rose'],
    ['the same with noise', recorded['lightning_21141_noisy']!, 'never-rose'],
    ['divergence at once', sweep([0.7, 0.9, 30, 1000]), 'diverged-at-once'],
    ['NaN from the first step', sweep([NaN, NaN]), 'not-finite'],
    ['a loss that only rises', sweep(rates(100).map((r) => chance * (1 + r * 100))), 'never-fell'],
    ['too few steps', sweep([0.7, 0.6, 0.5, 0.4, 0.5]), 'too-few-steps'],
  ])('%s', (_name, given, kind) => {
    for (const seeds of [1, 2, 3]) {
      const curves = Array.from({ length: seeds }, (_, seed) => asCurve(given, seed));
      const answer = recommend(curves, training);
      expect(answer.recommended).toBeNull();
      expect(answer.finding.kind).toBe(kind);
    }
  });

  it('a range that begins above the rate', () => {
    const late = sweep(
      rates(60, 1e-3).map((r, i) => (i < 4 || i > 8 || r > 1 ? chance : 0.4 * chance)),
      1e-3,
    );
    // Fit for a short training, and out of reach for one of 50 epochs.
    expect(recommend([asCurve(late)], { ...training, steps: 60 }).recommended).not.toBeNull();
    const { recommended, finding } = recommend([asCurve(late)], { ...training, steps: 1600 });
    expect(recommended).toBeNull();
    expect(finding).toMatchObject({ kind: 'below-range', lowestRate: 1e-3 });
  });

  it('no curves at all', () => {
    expect(recommend([], training)).toMatchObject({ recommended: null, finding: { kind: 'no-test' } });
  });

  it('pure noise around a flat curve, but for a few draws in a hundred', () => {
    for (const [noise, seeds] of [
      [0.02, 1],
      [0.1, 1],
      [0.1, 3],
    ] as const) {
      let accepted = 0;
      for (let draw = 0; draw < 200; draw++) {
        const flat = sweep(rates(60).map(() => chance));
        const curves = Array.from({ length: seeds }, (_, s) =>
          asCurve(noisy(flat, noise, noise, draw, s), s),
        );
        if (recommend(curves, training).recommended !== null) accepted++;
      }
      expect(accepted).toBeLessThanOrEqual(4);
    }
  });

  it('a descent that noise may explain, and says so', () => {
    // 10% down under 5% noise.
    const shallow = sweep(rates(60).map((r, i) => chance * (i > 30 && i < 40 ? 0.9 : 1) * (1 + r / 2)));
    const { recommended, finding } = recommend([asCurve(noisy(shallow, 0.05, 'shallow'))], training);
    expect(recommended).toBeNull();
    expect(finding.kind).toBe('noise');
  });
});

describe('suggestOverSeeds', () => {
  it('gives the median and the extremes of each method', () => {
    // The three recorded seeds: the oracle's answers are 0.363, 0.209, 0.832 for steep, and so on.
    const curves = withMinimum.slice(0, 3).map((name, seed) => asCurve(recorded[name]!, seed));
    const { steepest, minimum } = suggestOverSeeds(curves, { plannedSteps: 100 });
    expect(steepest.median).toBeCloseTo(0.3630780547701014, 9);
    expect(steepest.low).toBeCloseTo(0.2089296130854039, 9);
    expect(steepest.high).toBeCloseTo(0.8317637711026705, 9);
    expect(minimum.median).toBeCloseTo(0.08317637711026706, 9);
  });

  it('looks for the steepest descent in the descent, not in the noise of the first smoothed losses', () => {
    // A head swept in 200 steps: one of three seeds fell most steeply by chance at 2.5e-7, 2,500 times too early.
    const { curves } = measured.find(({ name }) => name === 'bundled, head, sweep of 200')!;
    const { steepest } = suggestOverSeeds(curves, { plannedSteps: 200 });
    const { finding } = recommend(curves, { ...training, part: 'head' });
    const halfway = finding.kind === 'rate' ? finding.halfway : NaN;
    for (const rate of [steepest.low!, steepest.median!, steepest.high!]) {
      expect(rate).toBeGreaterThan(halfway / 3);
      expect(rate).toBeLessThan(halfway * 30);
    }

    // 10% of noise: without the bound nearly half of the answers lie more than ten times below the steepest rate.
    const rates = { steepest: 3.5e-4, lowest: 1.4e-3, collapse: 2.2e-3 };
    for (let draw = 0; draw < 50; draw++) {
      const noise = [0, 1, 2].map((seed) =>
        asCurve(noisy(collapsing(100, 2, rates), 0.1, 'steepest', draw, seed), seed),
      );
      const { low, high } = suggestOverSeeds(noise, { plannedSteps: 100 }).steepest;
      expect(low).toBeGreaterThan(rates.steepest / 10);
      expect(high).toBeLessThan(rates.steepest * 20);
    }
  });

  it('has no steepest descent where there is no clear one', () => {
    const flat: Sweep = {
      ...collapsing(60, 2, { steepest: 1e-4, lowest: 1e-3, collapse: 1e-2 }),
      classes: 2,
    };
    const noise = asCurve(noisy({ ...flat, losses: flat.losses.map(() => 0.69) }, 0.05, 'no descent'));
    expect(descentBegins([noise])).toBeNull();
    expect(suggestOverSeeds([noise]).steepest).toEqual({ median: null, low: null, high: null, seeds: 0 });
    expect(suggestOverSeeds([noise]).minimum.median).not.toBeNull();
  });

  it('leaves out seeds without an answer, and is null where none has one', () => {
    const good = asCurve(recorded['smooth_U']!);
    const dead = asCurve({ ...recorded['smooth_U']!, losses: [NaN] }, 1);
    const alone = suggestOverSeeds([good], { plannedSteps: 100 });
    expect(suggestOverSeeds([good, dead], { plannedSteps: 100 })).toEqual(alone);
    const none = { median: null, low: null, high: null, seeds: 0 };
    expect(suggestOverSeeds([dead])).toEqual({ steepest: none, valley: none, slide: none, minimum: none });
  });
});
