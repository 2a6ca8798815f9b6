import type { Schedule } from '../schedule/schedule.js';
import type { Engine } from './engine.js';
import type { NetworkInput } from './network-input.js';
import type { StepRecord } from './records.js';

/** A mini-batch ready for the network. */
export interface TrainingBatch {
  readonly input: NetworkInput;
  readonly labels: Int32Array;
}

/** Where in the run an epoch's steps lie. */
export interface EpochPosition<State> {
  readonly epoch: number;
  /** Number of the first batch's step, from 0 over the whole run. */
  readonly firstStep: number;
  readonly scheduleState: State;
  /** Stops between two steps when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The one training loop: for every mini-batch the schedule says rate and momentum, the engine steps, and
 * the record tells what the optimizer then holds. Ends with the batches, the schedule or the signal.
 *
 * A loss that is no number is yielded like any other: whoever reads the records decides what it means.
 */
export async function* trainSteps<State>(
  engine: Engine,
  batches: AsyncIterable<TrainingBatch>,
  schedule: Schedule<State>,
  { epoch, firstStep, scheduleState, signal }: EpochPosition<State>,
): AsyncGenerator<StepRecord, void, undefined> {
  let step = firstStep;
  for await (const { input, labels } of batches) {
    if (signal?.aborted === true || step >= schedule.totalSteps) return;
    const { loss, rates } = await engine.step(input, labels, schedule.at(scheduleState, step));
    yield { step, epoch, ...rates, loss };
    step++;
  }
}
