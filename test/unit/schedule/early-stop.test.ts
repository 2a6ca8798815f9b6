import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CycleRule,
  earlyStopping,
  type EarlyStopState,
  neverStopping,
  type StoppableSchedule,
} from '../../../src/schedule/early-stop.js';
import { fixed } from '../../../src/schedule/fixed.js';
import { oneCycle } from '../../../src/schedule/one-cycle.js';
import type { Rates } from '../../../src/schedule/schedule.js';

const STEPS_PER_EPOCH = 4;

/** The state after epochs with these validation losses. */
function after<State>(schedule: StoppableSchedule<State>, losses: readonly number[]): State {
  return losses.reduce(
    (state, validLoss, i) => schedule.observe(state, { epoch: i + 1, validLoss, validAccuracy: 0 }),
    schedule.initialState,
  );
}

describe('without a cycle', () => {
  const schedule = earlyStopping(fixed({ totalSteps: 40, learningRate: 0.1, momentum: 0.9 }), {
    patience: 2,
    stepsPerEpoch: STEPS_PER_EPOCH,
    cycle: null,
  });

  it.each([
    // losses by epoch -> steps of the run, epoch of the decision
    [[3, 2, 1], 40, null],
    [[3, 2, 2], 40, null],
    [[3, 2, 2, 2], 16, 4],
    [[3, 2, 2.5, 1.9, 2, 2], 24, 6],
    // The count starts anew with every better loss, however little better.
    [[3, 3, 2.9999999, 3], 40, null],
    [[1, NaN, NaN], 12, 3],
  ])('losses %j end the run after %d steps', (losses, end, epoch) => {
    const state = after(schedule, losses);
    expect(schedule.end(state)).toBe(end);
    expect(schedule.decision(state)?.epoch ?? null).toBe(epoch);
  });

  it('says why', () => {
    expect(schedule.decision(after(schedule, [3, 2, 2, 4]))).toEqual({
      epoch: 4,
      badEpochs: 2,
      best: 2,
      action: 'stop',
    });
  });

  it('forgets the decision where the run goes on over more epochs, but not the best loss', () => {
    const state = schedule.reopen(after(schedule, [3, 2, 2, 4]));
    expect(schedule.end(state)).toBe(40);
    const next = schedule.observe(state, { epoch: 5, validLoss: 2.1, validAccuracy: 0 });
    expect(next).toMatchObject({ best: 2, badEpochs: 1, decision: null });
  });

  it('leaves the rates alone', () => {
    expect(schedule.at(after(schedule, [1, 2, 3]), 7)).toEqual({ learningRate: 0.1, momentum: 0.9 });
  });
});

describe('in a cycle', () => {
  // 40 steps, warm-up to step 0.3 x 40 - 1 = 11, the end of epoch 3.
  const cycle = oneCycle({ totalSteps: 40, maxLr: 1, divFactor: 10, finalDivFactor: 100 });
  const rule: CycleRule = {
    onStop: 'anneal',
    peak: 11,
    final: { learningRate: 0.001, momentum: 0.95 },
    anneal: 'linear',
  };
  const with_ = (change: Partial<CycleRule>, patience = 2) =>
    earlyStopping(cycle, { patience, stepsPerEpoch: STEPS_PER_EPOCH, cycle: { ...rule, ...change } });

  it('counts nothing before the maximum', () => {
    const schedule = with_({});
    // Epochs 2 (to step 7) and 1 lie before step 11; epoch 3 ends on it.
    expect(after(schedule, [1, 5])).toMatchObject({ badEpochs: 0, decision: null });
    expect(after(schedule, [1, 5, 5])).toMatchObject({ badEpochs: 1, decision: null });
    expect(after(schedule, [1, 5, 5, 5]).decision).toMatchObject({
      epoch: 4,
      badEpochs: 2,
      action: 'anneal',
    });
  });

  it('anneals at once, linearly from the last rate to the final one over one epoch', () => {
    const schedule = with_({});
    const state = after(schedule, [1, 5, 5, 5]);
    expect(schedule.end(state)).toBe(20);
    const from = cycle.at(null, 15);
    // A quarter of the way at the first of 4 steps, at the end with the fourth.
    expect(schedule.at(state, 16).learningRate).toBeCloseTo(0.75 * from.learningRate + 0.25 * 0.001, 12);
    expect(schedule.at(state, 17).momentum).toBeCloseTo((from.momentum + 0.95) / 2, 12);
    expect(schedule.at(state, 19)).toEqual(rule.final);
    // What was trained is what was planned then.
    expect(schedule.at(state, 15)).toEqual(from);
  });

  it('anneals by half a cosine where asked to', () => {
    const schedule = with_({ anneal: 'cos' });
    const state = after(schedule, [1, 5, 5, 5]);
    const { learningRate } = cycle.at(null, 15);
    // (1 - cos(pi / 4)) / 2 = 0.146447 of the way after one step of four.
    expect(schedule.at(state, 16).learningRate).toBeCloseTo(
      learningRate - 0.1464466 * (learningRate - 0.001),
      6,
    );
  });

  it('waits: the cycle is never cut', () => {
    const schedule = with_({ onStop: 'wait' });
    const state = after(schedule, [1, 5, 5, 5, 5, 5]);
    expect(schedule.end(state)).toBe(40);
    expect(schedule.decision(state)).toMatchObject({ epoch: 4, action: 'none' });
    for (let step = 0; step < 40; step++) expect(schedule.at(state, step)).toEqual(cycle.at(null, step));
  });

  it('leaves a cycle alone that ends within an epoch anyway', () => {
    const schedule = with_({});
    const state = after(schedule, [9, 8, 7, 6, 5, 4, 3, 3, 3]);
    expect(schedule.end(state)).toBe(40);
    expect(schedule.decision(state)).toMatchObject({ epoch: 9, action: 'none' });
    // One epoch earlier there are 8 steps left: more than the 4 of a descent.
    expect(schedule.end(after(schedule, [9, 8, 7, 6, 5, 4, 4, 4]))).toBe(36);
  });

  it('never raises the rate nor lowers momentum once it anneals, whatever the losses', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.1, max: 9, noNaN: true }), { maxLength: 10 }), (losses) => {
        const schedule = with_({}, 1);
        let state: EarlyStopState<null> = schedule.initialState;
        const rates: Rates[] = [];
        for (let epoch = 1; epoch * STEPS_PER_EPOCH <= schedule.end(state); epoch++) {
          for (let i = 0; i < STEPS_PER_EPOCH; i++) {
            rates.push(schedule.at(state, (epoch - 1) * STEPS_PER_EPOCH + i));
          }
          // JSON and back, as a checkpoint does it.
          state = JSON.parse(JSON.stringify(state)) as EarlyStopState<null>;
          state = schedule.observe(state, { epoch, validLoss: losses[epoch - 1] ?? 1, validAccuracy: 0 });
        }
        expect(rates.length).toBe(schedule.end(state));
        rates.forEach(({ learningRate, momentum }, step) => {
          if (step <= 11) return;
          expect(learningRate).toBeLessThanOrEqual(rates[step - 1]!.learningRate);
          expect(momentum).toBeGreaterThanOrEqual(rates[step - 1]!.momentum);
        });
        expect(rates.at(-1)!.learningRate).toBeCloseTo(0.001, 12);
      }),
    );
  });
});

describe('neverStopping', () => {
  it('runs to the last step', () => {
    const schedule = neverStopping(fixed({ totalSteps: 7, learningRate: 1, momentum: 0 }));
    expect(schedule.end(schedule.initialState)).toBe(7);
    expect(schedule.decision(schedule.initialState)).toBeNull();
  });
});
