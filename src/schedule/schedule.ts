/** What the optimizer is told before one mini-batch. */
export interface Rates {
  readonly learningRate: number;
  readonly momentum: number;
}

/** What a schedule may react to: the validation results of one epoch (epochs count from 1). */
export interface EpochObservation {
  readonly epoch: number;
  readonly validLoss: number;
  readonly validAccuracy: number;
}

/**
 * A plan of learning rate and momentum over a known number of mini-batch steps.
 *
 * Pure: `at` answers from the state and the step alone, `observe` gives the next state and is the
 * identity for every schedule that does not react to validation results. The state is plain JSON, so
 * that a checkpoint can hold it.
 */
export interface Schedule<State = unknown> {
  readonly totalSteps: number;
  readonly initialState: State;
  /** Throws RangeError for a step outside 0 to totalSteps - 1. */
  at(state: State, step: number): Rates;
  observe(state: State, epoch: EpochObservation): State;
}
