import { performance } from 'node:perf_hooks';
import type { RunConfig } from '../config/run-config.js';
import { encodeCheckpoint } from '../record/checkpoint-file.js';
import type { RunFolder } from '../record/run-files.js';
import type { Schedule } from '../schedule/schedule.js';
import type { Engine } from '../training/engine.js';
import { evaluate } from '../training/evaluate.js';
import type { EpochRecord, Prediction, StepRecord } from '../training/records.js';
import { isBetter, type RunState } from '../training/run-state.js';
import { trainSteps } from '../training/train-steps.js';
import type { Emit } from './events.js';
import { packCheckpoint, type RunCheckpoint } from './run-checkpoint.js';
import { epochBatches, evaluationBatches } from './run-engine.js';
import type { Workbench } from './workbench.js';

/** At most this much work is at risk when the power goes. */
const CHECKPOINT_SECONDS = 30;

/** The step at which the loss stopped being a number. */
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
  readonly bench: Workbench;
  readonly engine: Engine;
  readonly config: RunConfig;
  readonly schedule: Schedule;
  readonly folder: RunFolder;
  readonly name: string;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** Trains from where `from` stands to the end of the schedule, recording as it goes. */
export async function runEpochs(
  parts: RunParts,
  from: RunCheckpoint,
  bestBefore: RunCheckpoint | null,
): Promise<RunEnd> {
  const { bench, engine, config, schedule, folder, name, emit, signal } = parts;
  const stepsPerEpoch = Math.ceil(bench.images.train.length / config.batchSize);
  const clock = startClock(from.state);
  let { state, predictions } = from;
  let best = bestBefore;
  let failure: Divergence | null = null;
  /** Whether anything happened since the last checkpoint; a fresh run has none yet. */
  let unsaved = from.state.step === 0;

  const checkpoint = async (isBest: boolean): Promise<RunCheckpoint> => {
    const saved: RunCheckpoint = {
      state: { ...state, ...clock.read() },
      replica: await engine.snapshot(),
      predictions,
    };
    const offsets = await folder.sync();
    await folder.writeCheckpoint(encodeCheckpoint(packCheckpoint(saved, offsets)), { best: isBest });
    clock.saved();
    unsaved = false;
    return saved;
  };

  if (unsaved) await checkpoint(false);
  while (state.epoch <= config.epochs && failure === null && !signal.aborted) {
    const { epoch } = state;
    const firstStep = state.step;
    const batches = epochBatches(bench, engine, config, epoch, firstStep - (epoch - 1) * stepsPerEpoch);
    const position = { epoch, firstStep, scheduleState: state.scheduleState, signal };
    for await (const record of trainSteps(engine, batches, schedule, position)) {
      if (!Number.isFinite(record.loss)) {
        failure = divergence(record);
        break;
      }
      folder.appendStep(record);
      emit({ type: 'step', name, record });
      state = afterStep(state, record, batchLength(bench, config, record.step, stepsPerEpoch));
      unsaved = true;
      if (clock.checkpointDue()) await checkpoint(false);
    }
    if (failure !== null || state.step < epoch * stepsPerEpoch) break;

    const evaluation = await evaluate(engine, evaluationBatches(bench, engine));
    predictions = evaluation.predictions;
    const record = epochRecord(state, evaluation, clock.read().epochSeconds);
    folder.appendEpoch(record);
    emit({ type: 'epoch', name, record });
    const isBest = isBetter(record, state.best);
    state = afterEpoch(state, record, isBest, schedule);
    clock.nextEpoch();
    const saved = await checkpoint(isBest);
    if (isBest) best = saved;
  }

  // A diverged network is not worth keeping: the last good checkpoint stays.
  if (unsaved && failure === null) await checkpoint(false);
  const finished = state.epoch > config.epochs ? 'completed' : 'interrupted';
  state = { ...state, ...clock.read() };
  return { status: failure === null ? finished : 'failed', failure, state, predictions, best };
}

function batchLength(
  { images }: Workbench,
  { batchSize }: RunConfig,
  step: number,
  stepsPerEpoch: number,
): number {
  const inEpoch = step % stepsPerEpoch;
  return Math.min(batchSize, images.train.length - inEpoch * batchSize);
}

function afterStep(state: RunState, { step, loss }: StepRecord, images: number): RunState {
  return { ...state, step: step + 1, lossSum: state.lossSum + loss * images, images: state.images + images };
}

function afterEpoch(state: RunState, record: EpochRecord, isBest: boolean, schedule: Schedule): RunState {
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

function divergence({ step, epoch, learningRate, momentum, loss }: StepRecord): Divergence {
  const message = `The loss became ${loss} at step ${step} (epoch ${epoch}), at a rate of ${learningRate} and a momentum of ${momentum}. Lower --lr, or let find-lr choose it.`;
  return { step, epoch, learningRate, momentum, message };
}

/** Wall-clock time of the epoch and of the run, across resumes, and when the next checkpoint is due. */
function startClock(state: Pick<RunState, 'epochSeconds' | 'seconds'>) {
  const started = performance.now();
  let epochStarted = started;
  let epochBefore = state.epochSeconds;
  let lastSaved = started;
  return {
    read: () => ({
      epochSeconds: epochBefore + (performance.now() - epochStarted) / 1000,
      seconds: state.seconds + (performance.now() - started) / 1000,
    }),
    nextEpoch() {
      epochStarted = performance.now();
      epochBefore = 0;
    },
    saved: () => (lastSaved = performance.now()),
    checkpointDue: () => performance.now() - lastSaved >= CHECKPOINT_SECONDS * 1000,
  };
}
