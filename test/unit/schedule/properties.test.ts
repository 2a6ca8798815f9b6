import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Decay, fixed } from '../../../src/schedule/fixed.js';
import { lrRange } from '../../../src/schedule/lr-range.js';
import { oneCycle, type OneCycleOptions } from '../../../src/schedule/one-cycle.js';
import type { Rates, Schedule } from '../../../src/schedule/schedule.js';

const rate = fc.double({ min: 1e-6, max: 10, noNaN: true });
const momentum = fc.double({ min: 0, max: 0.99, noNaN: true });

/** Sound 1cycle options: a warm-up of more than a step, and for three phases a descent. */
const cycles: fc.Arbitrary<Required<OneCycleOptions>> = fc
  .record({
    totalSteps: fc.integer({ min: 8, max: 120 }),
    maxLr: rate,
    pctStart: fc.double({ min: 0.2, max: 0.49, noNaN: true }),
    divFactor: fc.double({ min: 1.5, max: 100, noNaN: true }),
    finalDivFactor: fc.double({ min: 1, max: 1e6, noNaN: true }),
    momenta: fc.tuple(momentum, momentum),
    anneal: fc.constantFrom('cos' as const, 'linear' as const),
    threePhase: fc.boolean(),
    convention: fc.constantFrom('torch' as const, 'fastai' as const),
  })
  .map(({ momenta: [a, b], ...rest }) => ({
    ...rest,
    baseMomentum: Math.min(a, b),
    maxMomentum: Math.max(a, b),
  }));

const decays: fc.Arbitrary<Decay> = fc.oneof(
  fc.constant({ kind: 'none' } as const),
  fc.record({
    kind: fc.constant('step' as const),
    at: fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 4 }).map((at) => at.sort((a, b) => a - b)),
    factor: fc.double({ min: 0.01, max: 1, noNaN: true }),
  }),
  fc.record({
    kind: fc.constant('exponential' as const),
    factor: fc.double({ min: 0.5, max: 1, noNaN: true }),
    stepsPerEpoch: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({ kind: fc.constant('cosine' as const), stepsPerEpoch: fc.integer({ min: 1, max: 20 }) }),
  fc.record({
    kind: fc.constant('plateau' as const),
    factor: fc.double({ min: 0.01, max: 1, noNaN: true }),
    patience: fc.integer({ min: 0, max: 4 }),
  }),
);

const validLosses = fc.array(fc.oneof(fc.double({ min: 0, max: 3, noNaN: true }), fc.constant(NaN)), {
  maxLength: 12,
});

const all = <S>(schedule: Schedule<S>): Rates[] =>
  Array.from({ length: schedule.totalSteps }, (_, k) => schedule.at(schedule.initialState, k));

describe('oneCycle', () => {
  it('keeps rate and momentum within their bounds', () => {
    fc.assert(
      fc.property(cycles, (o) => {
        const low = o.maxLr / o.divFactor / o.finalDivFactor;
        for (const r of all(oneCycle(o))) {
          expect(r.learningRate).toBeGreaterThanOrEqual(low * (1 - 1e-12));
          expect(r.learningRate).toBeLessThanOrEqual(o.maxLr * (1 + 1e-12));
          expect(r.momentum).toBeGreaterThanOrEqual(o.baseMomentum - 1e-12);
          expect(r.momentum).toBeLessThanOrEqual(o.maxMomentum + 1e-12);
        }
      }),
    );
  });

  it('has its highest rate where momentum is lowest', () => {
    const where = (o: OneCycleOptions) => {
      const rates = all(oneCycle(o));
      const highest = Math.max(...rates.map((r) => r.learningRate));
      const lowest = Math.min(...rates.map((r) => r.momentum));
      return { highest, lowest, at: rates.findIndex((r) => r.learningRate === highest), rates };
    };
    // The peak on a step: torch's warm-up ends at pctStart x totalSteps - 1, fastai's one later.
    fc.assert(
      fc.property(cycles, (o) => {
        fc.pre(o.maxMomentum - o.baseMomentum > 1e-3);
        const onStep = { ...o, pctStart: Math.max(2, Math.floor(o.pctStart * o.totalSteps)) / o.totalSteps };
        const { at, highest, lowest, rates } = where(onStep);
        expect(highest).toBeCloseTo(o.maxLr, 9);
        expect(rates[at]!.momentum).toBeCloseTo(o.baseMomentum, 9);
        expect(lowest).toBeCloseTo(o.baseMomentum, 9);
      }),
    );
    // The peak between two steps: the descent ends lower than the warm-up began, so of two steps equally
    // far from the peak the earlier has the higher rate. No further than that may the two lie apart.
    fc.assert(
      fc.property(cycles, (o) => {
        fc.pre(o.maxMomentum - o.baseMomentum > 1e-3);
        const { at, lowest, rates } = where(o);
        const near = rates.slice(Math.max(0, at - 1), at + 2).map((r) => r.momentum);
        expect(Math.min(...near)).toBeCloseTo(lowest, 9);
      }),
    );
  });

  it('rises to one peak and never rises again', () => {
    fc.assert(
      fc.property(cycles, (o) => {
        const rates = all(oneCycle(o)).map((r) => r.learningRate);
        const peak = rates.indexOf(Math.max(...rates));
        rates.forEach((r, k) => {
          if (k === 0) return;
          if (k <= peak) expect(r).toBeGreaterThanOrEqual(rates[k - 1]!);
          else expect(r).toBeLessThanOrEqual(rates[k - 1]!);
        });
      }),
    );
  });

  it('scales with maxLr', () => {
    fc.assert(
      fc.property(cycles, fc.double({ min: 0.01, max: 100, noNaN: true }), (o, scale) => {
        const scaled = all(oneCycle({ ...o, maxLr: o.maxLr * scale }));
        all(oneCycle(o)).forEach((r, k) => {
          expect(scaled[k]!.learningRate / (r.learningRate * scale)).toBeCloseTo(1, 9);
          expect(scaled[k]!.momentum).toBe(r.momentum);
        });
      }),
    );
  });

  it('begins at the initial rate and, by torch’s convention, ends at the final one', () => {
    fc.assert(
      fc.property(cycles, (o) => {
        const rates = all(oneCycle({ ...o, convention: 'torch' }));
        const initial = o.maxLr / o.divFactor;
        expect(rates[0]).toEqual({ learningRate: initial, momentum: o.maxMomentum });
        expect(rates.at(-1)).toEqual({ learningRate: initial / o.finalDivFactor, momentum: o.maxMomentum });
      }),
    );
  });
});

describe('lrRange', () => {
  it('rises from minLr to maxLr exactly, and scales', () => {
    const sweeps = fc.record({
      totalSteps: fc.integer({ min: 2, max: 200 }),
      minLr: fc.double({ min: 1e-8, max: 1e-3, noNaN: true }),
      maxLr: fc.double({ min: 1e-2, max: 10, noNaN: true }),
      momentum,
      sweep: fc.constantFrom('exponential' as const, 'linear' as const),
    });
    fc.assert(
      fc.property(sweeps, (o) => {
        const rates = all(lrRange(o)).map((r) => r.learningRate);
        expect(rates[0]).toBe(o.minLr);
        expect(rates.at(-1)).toBe(o.maxLr);
        const tenfold = all(lrRange({ ...o, minLr: o.minLr * 10, maxLr: o.maxLr * 10 }));
        rates.forEach((r, k) => {
          if (k > 0) expect(r).toBeGreaterThan(rates[k - 1]!);
          expect(tenfold[k]!.learningRate / (r * 10)).toBeCloseTo(1, 9);
        });
      }),
    );
  });
});

describe('fixed', () => {
  it('never rises, stays positive, scales, and keeps its momentum', () => {
    fc.assert(
      fc.property(decays, rate, momentum, (decay, learningRate, m) => {
        const make = (lr: number) => all(fixed({ totalSteps: 60, learningRate: lr, momentum: m, decay }));
        const rates = make(learningRate);
        const doubled = make(2 * learningRate);
        rates.forEach((r, k) => {
          expect(r.momentum).toBe(m);
          expect(r.learningRate).toBeGreaterThan(0);
          expect(r.learningRate).toBeLessThanOrEqual(k === 0 ? learningRate : rates[k - 1]!.learningRate);
          expect(doubled[k]!.learningRate).toBe(2 * r.learningRate);
        });
      }),
    );
  });
});

describe('every schedule', () => {
  const schedules: fc.Arbitrary<{ schedule: Schedule<unknown>; plateau: boolean }> = fc.oneof(
    cycles.map((o) => ({ schedule: oneCycle(o) as Schedule<unknown>, plateau: false })),
    rate.map((minLr) => ({
      schedule: lrRange({ totalSteps: 9, minLr, maxLr: 2 * minLr, momentum: 0.9 }) as Schedule<unknown>,
      plateau: false,
    })),
    decays.map((decay) => ({
      schedule: fixed({ totalSteps: 60, learningRate: 1, momentum: 0.9, decay }) as Schedule<unknown>,
      plateau: decay.kind === 'plateau',
    })),
  );

  it('ignores validation results unless it is plateau decay, and its state survives JSON', () => {
    fc.assert(
      fc.property(schedules, validLosses, ({ schedule, plateau }, losses) => {
        let state = schedule.initialState;
        losses.forEach((validLoss, i) => {
          state = schedule.observe(state, { epoch: i + 1, validLoss, validAccuracy: 0.5 });
          if (!plateau) expect(state).toBe(schedule.initialState);
          const restored: unknown = JSON.parse(JSON.stringify(state));
          expect(restored).toEqual(state);
          expect(schedule.at(restored, 3)).toEqual(schedule.at(state, 3));
        });
      }),
    );
  });

  it('does not change a state it is given', () => {
    fc.assert(
      fc.property(decays, validLosses, (decay, losses) => {
        const schedule = fixed({ totalSteps: 60, learningRate: 1, momentum: 0.9, decay });
        let state = schedule.initialState;
        losses.forEach((validLoss, i) => {
          const before = JSON.stringify(state);
          const next = schedule.observe(state, { epoch: i + 1, validLoss, validAccuracy: 0.5 });
          expect(JSON.stringify(state)).toBe(before);
          state = next;
        });
      }),
    );
  });
});
