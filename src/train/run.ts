import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { planSchedule } from '../config/plan-schedule.js';
import { type RunConfig, runName } from '../config/run-config.js';
import type { RateTable, Settings } from '../config/settings.js';
import type { ImageSet } from '../data/images/batches.js';
import type { Engine } from '../engine/engine.js';
import { LIBRARY, modelFiles } from '../export/model-files.js';
import type { ExperimentContext } from '../find-lr/find-lr.js';
import { type TrainedClassifier, withTrained } from '../model/save.js';
import { bestAndFinal, checkpointRecord } from '../runs/check-run.js';
import { encodeCheckpoint } from '../runs/checkpoint.js';
import {
  type Environment,
  type Prediction,
  type RecordedEnvironment,
  type RunEnvironment,
  SCHEMA_VERSION,
  type StepRecord,
  type TrainDocument,
} from '../runs/documents.js';
import { asJson } from '../runs/json.js';
import { readRun } from '../runs/read-run.js';
import { createRun, type RunFolder } from '../runs/run-folder.js';
import {
  appendEvents,
  createEventFile,
  epochEvent,
  hasEventFile,
  recordedEvents,
  type ScalarEvent,
  stepEvents,
} from '../runs/tensorboard.js';
import type { StoppableSchedule } from '../schedule/early-stop.js';
import type { Emit } from '../workbench/events.js';
import { type ClassScore, classScores, confusionOf } from '../stats/classes.js';
import { frozenWork, openRunEngine } from '../workbench/run-engine.js';
import { DeferredFolder } from '../workbench/deferred-folder.js';
import {
  datasetDocument,
  datasetSummary,
  type OpenBench,
  stepsPerEpoch,
  type Workbench,
} from '../workbench/bench.js';
import { type RunEnd, runEpochs, type RunStart } from './fit.js';
import { requireFirst } from './recorded.js';
import { initialRunState, packCheckpoint, type RunCheckpoint, type RunState } from './run-state.js';

/** What a command hands over: options, the table of measured rates, and where it runs. */
export interface TrainRequest extends ExperimentContext {
  readonly settings: Settings;
  readonly rates: RateTable;
}

/** What a run needs beside workbench and configuration. */
export interface RunContext {
  readonly environment: Environment;
  /** Holds the run folders. */
  readonly out: string;
  readonly workers: number;
  /** Whether another copy of a run that is trained at this moment is wanted. */
  readonly again?: boolean;
  /** Whether an event file for TensorBoard is written beside the record; a run that has one goes on with it. */
  readonly tensorboard: boolean;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** Trains one run from its first step and records it in a folder of its own. */
export function trainRun(open: OpenBench, config: RunConfig, context: RunContext): Promise<TrainDocument> {
  return carryOut(open, config, context, (parts) => startRun(open, config, context, parts));
}

/** A run that is about to begin. */
interface ComingRun {
  readonly bench: Workbench<ImageSet>;
  readonly config: RunConfig;
}

/** Says, before they begin, how much work runs are. */
export function tellWork(runs: readonly ComingRun[], emit: Emit): void {
  const shared = [...new Set(runs.map(({ bench }) => bench))].map((bench) => {
    const configs = runs.filter((run) => run.bench === bench).map(({ config }) => config);
    const { views = null, epochs = 0 } = configs[0] ?? {};
    const trained = bench.images.train.length * Math.min(views ?? 1, epochs);
    const seeds = new Set(configs.map(({ seed }) => seed)).size;
    return frozenWork(bench, { views, trained, seeds, evaluated: true });
  });
  emit({ type: 'plan', name: '', work: { frozen: shared.reduce((sum, { frozen = 0 }) => sum + frozen, 0) } });
  for (const { bench, config } of runs) {
    const { train, valid } = bench.images;
    const work = { train: train.length * config.epochs, evaluate: valid.length * config.epochs };
    emit({ type: 'plan', name: runName(config), work });
  }
}

/** What is open before a run begins: `here` is where it will be computed. */
export interface RunParts {
  readonly engine: Engine;
  readonly here: RunEnvironment;
  readonly schedule: StoppableSchedule;
}

/** A run's folder with the point from which it is trained. */
export interface OpenRun extends RunStart {
  readonly folder: DeferredFolder<RunFolder>;
  readonly environment: RecordedEnvironment;
}

/**
 * One run from where `begin` puts it to its end: engine, schedule, the loop, and last its result.
 * @param config of the run, whose data and weights `open` holds
 */
export async function carryOut(
  open: OpenBench,
  config: RunConfig,
  context: RunContext,
  begin: (parts: RunParts) => Promise<OpenRun>,
): Promise<TrainDocument> {
  const { bench } = open;
  const { signal } = context;
  const name = runName(config);
  const schedule = planSchedule(config, stepsPerEpoch(bench, config));
  const engine = await openRunEngine(bench, config, context.workers);
  try {
    const here = { ...context.environment, workers: engine.workers, sliceSize: engine.sliceSize };
    const start = await begin({ engine, here, schedule });
    const { folder, environment, from } = start;
    const curves = new EventCurves(folder, from.state, context);
    const { emit } = curves;
    try {
      const totalSteps = schedule.end(from.state.scheduleState);
      emit({ type: 'run', name, fromStep: from.state.step, totalSteps, epochs: config.epochs });
      const end = await runEpochs({ bench, engine, config, schedule, folder, name, emit, signal }, start);
      const [whole, recorded] = [await open.whole, await folder.ready];
      const modelSha256 = await recordModel(recorded, whole, end);
      const told = trainDocument(recorded.dir, whole, config, environment, schedule, end);
      const document = { ...told, modelSha256 };
      await recorded.finish(document);
      await curves.close();
      emit({ type: 'run-end', name, status: end.status });
      return document;
    } finally {
      await folder.ready.catch(() => undefined);
      await folder.created?.close();
    }
  } finally {
    await engine.dispose();
  }
}

/**
 * A run's events, passed on and, with --tensorboard, written to an event file: those of an epoch once the next one begins, as then
 * a checkpoint counts on them and no resume takes its steps again.
 */
class EventCurves {
  private steps: StepRecord[] = [];
  private waiting: ScalarEvent[] = [];
  private lastStep: number;
  /** Of the last event, in seconds since 1970: times never go back. */
  private time = Date.now() / 1000;
  /** The file's path, once all that was given to it is written; null where none is wanted. */
  private file: Promise<string | null>;

  constructor(
    folder: DeferredFolder<RunFolder>,
    from: RunState,
    private readonly context: RunContext,
  ) {
    this.lastStep = from.step - 1;
    const begun = this.time;
    this.file = folder.ready.then(async ({ dir }) => {
      const wanted = context.tensorboard || (await hasEventFile(dir));
      return wanted ? createEventFile(dir, await pastEvents(dir, from, begun), begun) : null;
    });
    // Who waits for the end of the run gets the error.
    this.file.catch(() => undefined);
  }

  readonly emit: Emit = (event) => {
    if (event.type === 'step') {
      this.write();
      this.steps.push(event.record);
      this.lastStep = event.record.step;
    }
    if (event.type === 'epoch') {
      const now = Date.now() / 1000;
      // An epoch that was interrupted has seconds of its own before this start.
      const seconds = Math.min(event.record.seconds, now - this.time);
      this.waiting.push(...stepEvents(this.steps, seconds, now));
      this.waiting.push(epochEvent(event.record, this.lastStep, now));
      this.steps = [];
      this.time = now;
    }
    this.context.emit(event);
  };

  private write(): void {
    const events = this.waiting;
    if (events.length === 0) return;
    this.waiting = [];
    this.file = this.file.then(async (path) => {
      if (path !== null) await appendEvents(path, events);
      return path;
    });
    this.file.catch(() => undefined);
  }

  /** Writes what is left. Throws RunError where the disk refused. */
  async close(): Promise<void> {
    this.waiting.push(...stepEvents(this.steps, 0, Date.now() / 1000));
    this.write();
    await this.file;
  }
}

/** What a run had recorded by the time `end`, where it goes on. */
async function pastEvents(dir: string, { step, epochs }: RunState, end: number): Promise<ScalarEvent[]> {
  if (step === 0) return [];
  const { steps } = await readRun(dir);
  return recordedEvents(
    steps.filter((record) => record.step < step),
    epochs,
    end,
  );
}

/** A run before its first step. Its folder is made as soon as it is known which images there are. */
async function startRun(
  { whole }: OpenBench,
  config: RunConfig,
  { out, again = false, emit }: RunContext,
  { engine, here, schedule }: RunParts,
): Promise<OpenRun> {
  const state = initialRunState(schedule.initialState);
  const from = { state, replica: await engine.snapshot(), predictions: [] };
  const plain = { config: asJson(config), environment: asJson(here) };
  const record = whole.then((bench) =>
    checkpointRecord({ ...plain, dataset: asJson(datasetDocument(bench)) }),
  );
  // The folder waits for the same images, and tells why they do not come.
  record.catch(() => undefined);
  const folder = new DeferredFolder(whole, async () => {
    const documents = {
      config,
      environment: here,
      dataset: datasetDocument(await whole),
      // With the folder, so that there is no moment at which a run could not be resumed.
      checkpoint: encodeCheckpoint(packCheckpoint(from, { steps: 0, epochs: 0 }, await record)),
    };
    const made = await createRun(out, runName(config), documents);
    try {
      if (!again) await requireFirst(made.dir, await whole, config, { out, environment: here });
    } catch (error) {
      await made.close();
      await rm(made.dir, { recursive: true, force: true });
      throw error;
    }
    emit({ type: 'recorded', name: runName(config), folder: made.dir });
    return made;
  });
  return { folder, environment: here, from, best: null, unsaved: false, record };
}

/** Writes what a run leaves beside its result: predictions, and the model of the best epoch, whose SHA-256 it returns. */
async function recordModel(
  folder: RunFolder,
  bench: Workbench,
  { best, predictions }: RunEnd,
): Promise<string | null> {
  if (best === null) return null;
  await folder.writePredictions(predictionLines(bench, predictions, best.predictions));
  const files = modelFiles(bestModel(bench, best));
  await folder.writeModel(files, LIBRARY);
  return createHash('sha256').update(files['weights.bin']).digest('hex');
}

function predictionLines(bench: Workbench, final: readonly Prediction[], best: readonly Prediction[]) {
  return bench.images.valid.flatMap(({ path, label }, i) => {
    const [atEnd, atBest] = [final[i], best[i]];
    return atEnd === undefined || atBest === undefined
      ? []
      : [{ image: path, label, final: atEnd, best: atBest }];
  });
}

function bestModel(
  { weights, images: { classNames }, imageSize }: Workbench,
  { replica }: RunCheckpoint,
): TrainedClassifier {
  return { ...withTrained(weights, replica), classNames, imageSize };
}

/** Says how a run ended. */
function trainDocument(
  dir: string,
  bench: Workbench,
  config: RunConfig,
  environment: RecordedEnvironment,
  schedule: StoppableSchedule,
  { status, state, failure, predictions }: RunEnd,
): TrainDocument {
  const cut = status === 'completed' && schedule.end(state.scheduleState) < schedule.totalSteps;
  const reason = state.events.findLast(({ type }) => type === 'early-stop')?.text ?? '';
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'train',
    status,
    run: dir,
    policy: config.policy,
    config,
    environment,
    dataset: datasetSummary(bench),
    seconds: state.seconds,
    epochs: state.epochs,
    best: state.best,
    final: bestAndFinal(state.epochs).final,
    perClass: scoresByClass(bench, predictions),
    failure,
    stoppedEarly: cut ? { epoch: state.epochs.length, reason } : null,
    events: state.events,
  };
}

/** Class by class after the last finished epoch; null where there was none. */
function scoresByClass({ images }: Workbench, predictions: readonly Prediction[]): ClassScore[] | null {
  if (predictions.length === 0) return null;
  const judged = predictions.flatMap(({ predicted }, i) => {
    const sample = images.valid[i];
    return sample === undefined ? [] : [{ label: sample.label, predicted }];
  });
  return classScores(confusionOf(judged, images.classNames.length), images.classNames);
}
