import type { Engine, LateSteps, NetworkInput } from '../engine/engine.js';
import type { StepRecord } from '../runs/documents.js';
import type { Schedule } from '../schedule/schedule.js';

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
 * the record tells which of them the update used. Ends with the batches, the schedule or the signal.
 *
 * A loss that is not a number is yielded like any other.
 */
export async function* trainSteps<State>(
  engine: Engine,
  batches: AsyncIterable<TrainingBatch>,
  schedule: Schedule<State>,
  position: EpochPosition<State>,
): AsyncGenerator<StepRecord, void, undefined> {
  const promptly = { every: 1, begin: stepOf(engine) };
  for await (const group of stepGroups(promptly, batches, schedule, position)) yield* group;
}

/**
 * The same loop in groups of steps, for callers that need not see each loss before the next step: on a graphics card a group
 * is the steps between two readings of the losses, elsewhere one step. When a group is yielded the engine has made the step of
 * its last record and no further one, so that a checkpoint may be written.
 */
export function trainStepGroups<State>(
  engine: Engine,
  batches: AsyncIterable<TrainingBatch>,
  schedule: Schedule<State>,
  position: EpochPosition<State>,
): AsyncGenerator<readonly StepRecord[], void, undefined> {
  return stepGroups(engine.late ?? { every: 1, begin: stepOf(engine) }, batches, schedule, position);
}

async function* stepGroups<State>(
  { every, begin }: LateSteps,
  batches: AsyncIterable<TrainingBatch>,
  schedule: Schedule<State>,
  { epoch, firstStep, scheduleState, signal }: EpochPosition<State>,
): AsyncGenerator<readonly StepRecord[], void, undefined> {
  let step = firstStep;
  let unread: (() => Promise<StepRecord>)[] = [];
  for await (const { input, labels } of batches) {
    if (signal?.aborted === true || step >= schedule.totalSteps) break;
    const at = step++;
    const { loss, rates } = await begin(input, labels, schedule.at(scheduleState, at));
    unread.push(async () => ({ step: at, epoch, ...rates, loss: await loss() }));
    if (unread.length < every) continue;
    yield await readAll(unread);
    unread = [];
  }
  if (unread.length > 0) yield await readAll(unread);
}

function stepOf(engine: Engine): LateSteps['begin'] {
  return async (input, labels, rates) => {
    const outcome = await engine.step(input, labels, rates);
    return { loss: async () => outcome.loss, rates: outcome.rates };
  };
}

async function readAll(unread: readonly (() => Promise<StepRecord>)[]): Promise<StepRecord[]> {
  const records: StepRecord[] = [];
  for (const read of unread) records.push(await read());
  return records;
}
