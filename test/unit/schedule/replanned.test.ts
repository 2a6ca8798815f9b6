import { describe, expect, it } from 'vitest';
import { replanned } from '../../../src/config/plan-schedule.js';
import { fixed } from '../../../src/schedule/fixed.js';
import { oneCycle } from '../../../src/schedule/one-cycle.js';

const cycle = (totalSteps: number) => oneCycle({ totalSteps, maxLr: 1 });

describe('replanned', () => {
  const schedule = replanned(cycle(20), [
    { from: 12, schedule: cycle(40) },
    { from: 30, schedule: cycle(60) },
  ]);

  it('has as many steps as the last plan', () => {
    expect(schedule.totalSteps).toBe(60);
    expect(() => schedule.at(null, 60)).toThrow(RangeError);
  });

  it.each([
    [0, 20],
    [11, 20],
    [12, 40],
    [29, 40],
    [30, 60],
    [59, 60],
  ])('takes step %d from the plan of %d steps', (step, total) => {
    expect(schedule.at(null, step)).toEqual(cycle(total).at(null, step));
  });

  it('carries the state of a plateau from plan to plan', () => {
    const plan = (totalSteps: number) =>
      fixed({
        totalSteps,
        learningRate: 1,
        momentum: 0,
        decay: { kind: 'plateau', factor: 0.1, patience: 0 },
      });
    const plateau = replanned(plan(10), [{ from: 10, schedule: plan(20) }]);
    const first = plateau.observe(plateau.initialState, { epoch: 1, validLoss: 1, validAccuracy: 0 });
    const second = plateau.observe(first, { epoch: 2, validLoss: 1, validAccuracy: 0 });
    expect(plateau.at(second, 15).learningRate).toBeCloseTo(0.1, 12);
  });
});
