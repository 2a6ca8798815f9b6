import { expectStep, type Schedule } from './schedule.js';

/** A plan, and the step from which it holds. */
export interface PlanPiece<State> {
  readonly from: number;
  readonly schedule: Schedule<State>;
}

/**
 * Plans that replaced each other in the middle of a run, as when a run is extended: each step has the rate that the
 * plan of its time gives. All plans share one kind of state; the first begins at step 0, and the last says how many
 * steps there are.
 */
export function replanned<State>(
  first: Schedule<State>,
  later: readonly PlanPiece<State>[],
): Schedule<State> {
  const last = later.at(-1)?.schedule ?? first;
  return {
    totalSteps: last.totalSteps,
    initialState: first.initialState,
    at(state, step) {
      expectStep(step, last.totalSteps);
      const piece = later.findLast(({ from }) => from <= step);
      return (piece?.schedule ?? first).at(state, step);
    },
    observe: (state, epoch) => last.observe(state, epoch),
  };
}
