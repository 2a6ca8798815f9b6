import type { Schedule } from './schedule.js';

/** What early stopping has decided, in numbers; steps count from 0, epochs from 1. */
export interface EarlyStopDecision {
  /** The epoch after which it was decided. */
  readonly epoch: number;
  /** Epochs without a better validation loss by then. */
  readonly badEpochs: number;
  /** The lowest validation loss until then. */
  readonly best: number;
  /** `stop`: no further step; `anneal`: one last descent, then stop; `none`: the cycle is left alone. */
  readonly action: 'stop' | 'anneal' | 'none';
}

/** A schedule whose run may end before its last planned step. */
export interface StoppableSchedule<State = unknown> extends Schedule<State> {
  /** Steps of the whole run as this state has it; at most totalSteps, and the end of an epoch. */
  end(state: State): number;
  /** Null until early stopping has decided something. */
  decision(state: State): EarlyStopDecision | null;
  /** The state with which a run goes on over more epochs: what was decided for the old plan is forgotten. */
  reopen(state: State): State;
}

/** A schedule that always runs to its last step. */
export function neverStopping<State>(schedule: Schedule<State>): StoppableSchedule<State> {
  return { ...schedule, end: () => schedule.totalSteps, decision: () => null, reopen: (state) => state };
}
