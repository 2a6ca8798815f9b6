import {
  expectMomentum,
  expectRate,
  expectStep,
  expectWhole,
  linear,
  refuse,
  type Schedule,
} from './schedule.js';

/** The sweep of a learning-rate range test. */
export interface LrRangeOptions {
  /** Mini-batches of the sweep, at least 2. */
  readonly totalSteps: number;
  /** The rate of the first step. */
  readonly minLr: number;
  /** The rate of the last step. */
  readonly maxLr: number;
  readonly momentum: number;
  /** `exponential`: each step multiplies the rate; `linear`: each step adds to it [exponential]. */
  readonly sweep?: 'exponential' | 'linear';
}

/**
 * The rates of a range test: from minLr at step 0 to maxLr at the last step, momentum constant (Smith,
 * arXiv 1506.01186, section 3.3). Throws ScheduleError for options out of range. Its state is null.
 */
export function lrRange(options: LrRangeOptions): Schedule<null> {
  const { totalSteps, minLr, maxLr, momentum, sweep = 'exponential' } = options;
  expectWhole('totalSteps', totalSteps, 2);
  expectRate('minLr', minLr);
  expectRate('maxLr', maxLr);
  if (minLr >= maxLr) refuse('minLr', minLr, (nameOf) => `less than ${nameOf('maxLr')} (${maxLr})`);
  expectMomentum('momentum', momentum);

  const rateAt = (fraction: number) =>
    // A product of powers is exactly minLr at 0 and maxLr at 1, which exp of a sum of logarithms is not.
    sweep === 'linear' ? linear(minLr, maxLr, fraction) : minLr ** (1 - fraction) * maxLr ** fraction;
  return {
    totalSteps,
    initialState: null,
    at(_state, step) {
      expectStep(step, totalSteps);
      return { learningRate: rateAt(step / (totalSteps - 1)), momentum };
    },
    observe: (state) => state,
  };
}
