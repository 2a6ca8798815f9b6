import type { RunConfig } from '../config/run-config.js';
import type { ImageSet } from '../data/image-set.js';
import { encodeCheckpoint } from '../record/checkpoint-file.js';
import type { RunFolder } from '../record/run-files.js';
import type { Rates } from '../schedule/schedule.js';
import type { StoppableSchedule } from '../schedule/stoppable.js';
import type { Engine } from '../training/engine.js';
import { evaluate } from '../training/evaluate.js';
import type { EpochRecord, Prediction, StepRecord } from '../training/records.js';
import { isBetter, type RunState } from '../training/run-state.js';
import { trainStepGroups } from '../training/train-steps.js';
import { earlyStopEvent } from './early-stop-event.js';
import type { Emit } from './events.js';
import { isSound, packCheckpoint, type RunCheckpoint } from './run-checkpoint.js';
import { startClock } from './run-clock.js';
import { epochBatches, evaluationBatches } from './run-engine.js';
import type { Upcoming } from './upcoming.js';
import { stepsPerEpoch, type Workbench } from './workbench.js';

/** Where a run diverged: the step, and the rates that it was made with. */
export interface Divergence {
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  readonly momentum: number;
  readonly message: string;
}

/** How the loop ended. */
export interface RunEnd {
  readonly status: 'completed' | 'interrupted' | 'failed';
  readonly failure: Divergence | null;
  readonly state: RunState;
  /** Of the last finished epoch. */
  readonly predictions: readonly Prediction[];
  /** As it was after the best epoch; null where no epoch was finished. */
  readonly best: RunCheckpoint | null;
}

/** What the loop works with. */
export interface RunParts {
  readonly bench: Workbench<ImageSet>;
  readonly engine: Engine;
  readonly config: RunConfig;
  readonly schedule: StoppableSchedule;
  /** Made once it is known which images there are. */
  readonly folder: Upcoming<RunFolder>;
  readonly name: string;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** Where the loop begins. */
export interface RunStart {
  readonly from: RunCheckpoint;
  readonly best: RunCheckpoint | null;
  /** Whether the folder's last checkpoint is another than `from`, or missing. */
  readonly unsaved: boolean;
}

/** Trains from where `start` stands to the end of the schedule, recording as it goes. */
export async function runEpochs(parts: RunParts, start: RunStart): Promise<RunEnd> {
  const { bench, engine, config, schedule, folder, name, emit, signal } = parts;
  const epochSteps = stepsPerEpoch(bench, config);
  const clock = startClock(start.from.state);
  let { state, predictions } = start.from;
  let { best, unsaved } = start;
  let failure: Divergence | null = null;
  let encoded: Uint8Array<ArrayBuffer> | undefined;
  const epochsPlanned = () => schedule.end(state.scheduleState) / epochSteps;

  const checkpoint = async (isBest: boolean, known?: RunCheckpoint['replica']): Promise<RunCheckpoint> => {
    const replica = known ?? (await engine.snapshot());
    const saved: RunCheckpoint = { state: { ...state, ...clock.read() }, replica, predictions };
    // A diverged network is not worth keeping: the last good checkpoint stays.
    if (!isSound(replica)) return saved;
    const open = await folder.ready;
    const offsets = await open.sync();
    encoded = encodeCheckpoint(packCheckpoint(saved, offsets), encoded?.buffer);
    await open.writeCheckpoint(encoded, { best: isBest });
    clock.saved();
    unsaved = false;
    return saved;
  };

  await folder.madeIfKnown();
  if (unsaved) await checkpoint(false);
  while (state.epoch <= epochsPlanned() && failure === null && !signal.aborted) {
    const { epoch } = state;
    const firstStep = state.step;
    const batches = epochBatches(bench, engine, config, epoch, firstStep - (epoch - 1) * epochSteps);
    const position = { epoch, firstStep, scheduleState: state.scheduleState, signal };
    clock.begin('step');
    for await (const records of trainStepGroups(engine, batches, schedule, position)) {
      const broken = records.find(({ loss }) => !Number.isFinite(loss));
      for (const record of records.slice(0, broken && records.indexOf(broken))) {
        folder.act((open) => open.appendStep(record));
        emit({ type: 'step', name, record });
        state = afterStep(state, record, batchLength(bench, config, record.step, epochSteps));
        unsaved = true;
      }
      if (broken !== undefined) {
        failure = divergence(broken.step, epoch, broken, `the loss became ${broken.loss}`);
        break;
      }
      clock.end('step');
      await folder.madeIfKnown();
      if (folder.here !== undefined && clock.isDueBefore('step')) await checkpoint(false);
      clock.begin('step');
    }
    if (failure !== null || state.step < epoch * epochSteps || signal.aborted) break;

    if (unsaved && folder.here !== undefined && clock.isDueBefore('evaluation')) await checkpoint(false);
    clock.begin('evaluation');
    const evaluation = await evaluate(engine, untilAborted(evaluationBatches(bench, engine), signal));
    // Half an evaluation says nothing: the epoch stays unfinished, and a resume evaluates anew.
    if (signal.aborted) break;
    clock.end('evaluation');
    const replica = await engine.snapshot();
    if (!Number.isFinite(evaluation.loss) || !isSound(replica)) {
      const rates = schedule.at(state.scheduleState, state.step - 1);
      const what = isSound(replica) ? `the validation loss became ${evaluation.loss}` : 'weights overflowed';
      failure = divergence(state.step - 1, epoch, rates, what);
      break;
    }
    predictions = evaluation.predictions;
    const record = epochRecord(state, evaluation, clock.read().epochSeconds);
    folder.act((open) => open.appendEpoch(record));
    emit({ type: 'epoch', name, record });
    const isBest = isBetter(record, state.best);
    const event = earlyStopEvent(config, schedule, state, record);
    state = afterEpoch(state, record, isBest, schedule);
    clock.nextEpoch();
    if (event !== null) {
      state = { ...state, events: [...state.events, event] };
      await (await folder.ready).writeEvents(state.events);
      emit({ type: 'note', text: `${name}: ${event.text}` });
    }
    const saved = await checkpoint(isBest, replica);
    if (isBest) best = saved;
  }

  if (unsaved && failure === null) await checkpoint(false);
  const finished = state.epoch > epochsPlanned() ? 'completed' : 'interrupted';
  state = { ...state, ...clock.read() };
  return { status: failure === null ? finished : 'failed', failure, state, predictions, best };
}

async function* untilAborted<Batch>(
  batches: AsyncIterable<Batch>,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  for await (const batch of batches) {
    if (signal.aborted) return;
    yield batch;
  }
}

function batchLength(
  { images }: Workbench<ImageSet>,
  { batchSize }: RunConfig,
  step: number,
  epochSteps: number,
): number {
  const inEpoch = step % epochSteps;
  return Math.min(batchSize, images.train.length - inEpoch * batchSize);
}

function afterStep(state: RunState, { step, loss }: StepRecord, images: number): RunState {
  return { ...state, step: step + 1, lossSum: state.lossSum + loss * images, images: state.images + images };
}

function afterEpoch(
  state: RunState,
  record: EpochRecord,
  isBest: boolean,
  schedule: StoppableSchedule,
): RunState {
  const { epoch, validAccuracy, correct, total, validLoss } = record;
  return {
    ...state,
    epoch: epoch + 1,
    scheduleState: schedule.observe(state.scheduleState, record),
    lossSum: 0,
    images: 0,
    epochs: [...state.epochs, record],
    best: isBest ? { epoch, validAccuracy, correct, total, validLoss } : state.best,
  };
}

function epochRecord(
  { epoch, lossSum, images }: RunState,
  { loss, accuracy, correct, total }: { loss: number; accuracy: number; correct: number; total: number },
  seconds: number,
): EpochRecord {
  return {
    epoch,
    trainLoss: lossSum / images,
    validLoss: loss,
    validAccuracy: accuracy,
    correct,
    total,
    seconds,
  };
}

function divergence(
  step: number,
  epoch: number,
  { learningRate, momentum }: Rates,
  what: string,
): Divergence {
  const message = `The run diverged: ${what} at step ${step} (epoch ${epoch}), at a rate of ${learningRate} and a momentum of ${momentum}. Lower --lr, or let find-lr choose it.`;
  return { step, epoch, learningRate, momentum, message };
}
