import { performance } from 'node:perf_hooks';
import type { RunConfig } from '../config/run-config.js';
import type { ImageSet } from '../data/images/batches.js';
import type { Engine } from '../engine/engine.js';
import { formatRate } from '../report/text/numbers.js';
import { epochSummary, isBetter } from '../runs/check-run.js';
import { encodeCheckpoint } from '../runs/checkpoint.js';
import type { Divergence, EpochRecord, Prediction, RunEvent, StepRecord } from '../runs/documents.js';
import type { JsonObject } from '../runs/json.js';
import type { RunFolder } from '../runs/run-folder.js';
import type { EarlyStopDecision, StoppableSchedule } from '../schedule/early-stop.js';
import type { Rates } from '../schedule/schedule.js';
import { evaluate, type Evaluation } from '../workbench/evaluate.js';
import type { Emit, Worked } from '../workbench/events.js';
import { epochBatches, evaluationBatches } from '../workbench/run-engine.js';
import { trainStepGroups } from '../workbench/steps.js';
import type { DeferredFolder } from '../workbench/deferred-folder.js';
import { stepsPerEpoch, type Workbench } from '../workbench/bench.js';
import { isSound, packCheckpoint, type RunCheckpoint, type RunState } from './run-state.js';

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
interface LoopParts {
  readonly bench: Workbench<ImageSet>;
  readonly engine: Engine;
  readonly config: RunConfig;
  readonly schedule: StoppableSchedule;
  /** Created once all images are known to be usable. */
  readonly folder: DeferredFolder<RunFolder>;
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
  /** What the run is, for its checkpoints; known once all images are. */
  readonly record: Promise<JsonObject>;
}

/** Trains from where `start` stands to the end of the schedule, recording as it goes. */
export async function runEpochs(parts: LoopParts, start: RunStart): Promise<RunEnd> {
  const { bench, engine, config, schedule, folder, name, emit, signal } = parts;
  const epochSteps = stepsPerEpoch(bench, config);
  const clock = startClock(start.from.state);
  let { state, predictions } = start.from;
  let { best, unsaved } = start;
  let failure: Divergence | null = null;
  let encoded: Uint8Array<ArrayBuffer> | undefined;
  const worked: Worked = (kind, images) => emit({ type: 'work', name, kind, images });
  const epochsPlanned = () => schedule.end(state.scheduleState) / epochSteps;

  const checkpoint = async (isBest: boolean, known?: RunCheckpoint['replica']): Promise<RunCheckpoint> => {
    const replica = known ?? (await engine.snapshot());
    const saved: RunCheckpoint = { state: { ...state, ...clock.read() }, replica, predictions };
    // A diverged network is not worth keeping: the last good checkpoint stays.
    if (!isSound(replica)) return saved;
    const open = await folder.ready;
    const offsets = await open.sync();
    encoded = encodeCheckpoint(packCheckpoint(saved, offsets, await start.record), encoded?.buffer);
    await open.writeCheckpoint(encoded, { best: isBest });
    clock.saved();
    unsaved = false;
    return saved;
  };

  await folder.finishCreating();
  if (unsaved) await checkpoint(false);
  while (state.epoch <= epochsPlanned() && failure === null && !signal.aborted) {
    const { epoch } = state;
    const firstStep = state.step;
    const fromBatch = firstStep - (epoch - 1) * epochSteps;
    const batches = epochBatches(bench, engine, config, epoch, fromBatch, worked);
    const position = { epoch, firstStep, scheduleState: state.scheduleState, signal };
    clock.begin('step');
    for await (const records of trainStepGroups(engine, batches, schedule, position)) {
      const broken = records.find(({ loss }) => !Number.isFinite(loss));
      for (const record of records.slice(0, broken && records.indexOf(broken))) {
        folder.write((open) => open.appendStep(record));
        const images = batchLength(bench, config, record.step, epochSteps);
        emit({ type: 'step', name, record });
        worked('train', images);
        state = afterStep(state, record, images);
        unsaved = true;
      }
      if (broken !== undefined) {
        failure = divergence(broken.step, epoch, broken, `the loss became ${broken.loss}`);
        break;
      }
      clock.end('step');
      await folder.finishCreating();
      if (folder.created !== undefined && clock.isDueBefore('step')) await checkpoint(false);
      clock.begin('step');
    }
    if (failure !== null || state.step < epoch * epochSteps || signal.aborted) break;

    if (unsaved && folder.created !== undefined && clock.isDueBefore('evaluation')) await checkpoint(false);
    clock.begin('evaluation');
    const judged = untilAborted(evaluationBatches(bench, engine, { worked }), signal);
    const evaluation = await evaluate(engine, judged, worked);
    // A partial evaluation is discarded: the epoch stays unfinished, and a resume evaluates it anew.
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
    folder.write((open) => open.appendEpoch(record));
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
  return {
    ...state,
    epoch: record.epoch + 1,
    scheduleState: schedule.observe(state.scheduleState, record),
    lossSum: 0,
    images: 0,
    epochs: [...state.epochs, record],
    best: isBest ? epochSummary(record) : state.best,
  };
}

function epochRecord(
  { epoch, lossSum, images }: RunState,
  { loss, accuracy, correct, total, balancedAccuracy, macroF1 }: Omit<Evaluation, 'predictions'>,
  seconds: number,
): EpochRecord {
  return {
    epoch,
    trainLoss: lossSum / images,
    validLoss: loss,
    validAccuracy: accuracy,
    correct,
    total,
    balancedAccuracy,
    macroF1,
    seconds,
  };
}

function divergence(
  step: number,
  epoch: number,
  { learningRate, momentum }: Rates,
  what: string,
): Divergence {
  const message = `The run diverged: ${what} at step ${step} (epoch ${epoch}), at a rate of ${formatRate(learningRate)} and a momentum of ${formatRate(momentum)}. Lower --lr, or let find-lr choose it.`;
  return { step, epoch, learningRate, momentum, message };
}

/** The event of an epoch after which early stopping decided something; null after all others. */
function earlyStopEvent(
  config: RunConfig,
  schedule: StoppableSchedule,
  { scheduleState, step }: RunState,
  record: EpochRecord,
): RunEvent | null {
  const decision = schedule.decision(schedule.observe(scheduleState, record));
  if (decision === null || schedule.decision(scheduleState) !== null) return null;
  return { type: 'early-stop', step, epoch: record.epoch, text: explain(decision, config) };
}

function explain({ epoch, badEpochs, best, action }: EarlyStopDecision, config: RunConfig): string {
  const why = `no better validation loss than ${best.toPrecision(4)} in ${badEpochs} ${badEpochs === 1 ? 'epoch' : 'epochs'}`;
  switch (action) {
    case 'stop':
      return `${why}: stopped after epoch ${epoch} of ${config.epochs}.`;
    case 'anneal':
      return `${why}: after epoch ${epoch} of ${config.epochs} the rate anneals to its final value within one epoch, and that is the last.`;
    case 'none':
      return config.onStop === 'wait'
        ? `${why} after epoch ${epoch}: --early-stop has no effect, for --on-stop wait never cuts a cycle.`
        : `${why} after epoch ${epoch}: the cycle ends within one epoch anyway, and goes on as planned.`;
  }
}

/** About this much work is lost at most when the process is killed. */
const SECONDS_AT_RISK = 30;

/** Overrides the seconds at risk, so that tests of kills meet many checkpoints: 0 writes one after every step. */
const OVERRIDE = 'ONECYCLE_CHECKPOINT_SECONDS';

/** Work that cannot be saved in its middle. */
type Work = 'step' | 'evaluation';

/** Wall-clock time of the epoch and of the run, across resumes, and when the next checkpoint is due. */
interface RunClock {
  read(): Pick<RunState, 'epochSeconds' | 'seconds'>;
  nextEpoch(): void;
  begin(work: Work): void;
  end(work: Work): void;
  /** Whether too much would be at risk if `work` took as long as the last time and nothing were saved before. */
  isDueBefore(work: Work): boolean;
  /** Says that everything up to now is on the disk. */
  saved(): void;
}

/** Starts the clock of a run that has spent some time already. */
function startClock(state: Pick<RunState, 'epochSeconds' | 'seconds'>): RunClock {
  const atRisk = 1000 * Number(process.env[OVERRIDE] ?? SECONDS_AT_RISK);
  const started = performance.now();
  const begun: Record<Work, number> = { step: started, evaluation: started };
  const lasted: Record<Work, number> = { step: 0, evaluation: 0 };
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
    begin: (work) => void (begun[work] = performance.now()),
    end: (work) => void (lasted[work] = performance.now() - begun[work]),
    isDueBefore: (work) => performance.now() - lastSaved + lasted[work] >= atRisk,
    saved: () => void (lastSaved = performance.now()),
  };
}
