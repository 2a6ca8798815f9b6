import { planSchedule } from '../config/plan-schedule.js';
import type { RunConfig } from '../config/run-config.js';
import { HEAD } from '../model/head.js';
import { saveLayersModel } from '../model/save-layers-model.js';
import { encodeCheckpoint } from '../record/checkpoint-file.js';
import { readCheckpoint } from '../record/read-checkpoint.js';
import { readEnvironment } from '../record/read-run.js';
import { createRun, openRun, type RunFolder } from '../record/run-folder.js';
import type { RunEvent } from '../record/run-layout.js';
import { SCHEMA_VERSION } from '../record/schema-version.js';
import type { StoppableSchedule } from '../schedule/stoppable.js';
import type { Engine } from '../training/engine.js';
import type { EpochRecord, Prediction } from '../training/records.js';
import { initialRunState, type BestEpoch, type RunState } from '../training/run-state.js';
import { datasetDocument, datasetSummary, type DatasetSummary } from './dataset-document.js';
import type { Environment, RunEnvironment } from './environment.js';
import type { Emit } from './events.js';
import { applyReplans } from './replan-run.js';
import { resumedEnvironment } from './resume-environment.js';
import { packCheckpoint, unpackCheckpoint, type RunCheckpoint } from './run-checkpoint.js';
import { openRunEngine } from './run-engine.js';
import { runEpochs, type Divergence, type RunEnd, type RunStart } from './training-run.js';
import type { Workbench } from './workbench.js';

/** `train`'s JSON document, which is also the run's result.json. */
export interface TrainDocument {
  readonly schemaVersion: number;
  readonly command: 'train';
  readonly status: RunEnd['status'];
  readonly run: string;
  readonly policy: RunConfig['policy'];
  readonly config: RunConfig;
  readonly environment: RunEnvironment;
  readonly dataset: DatasetSummary;
  readonly seconds: number;
  readonly epochs: readonly EpochRecord[];
  /** Null where no epoch was finished. */
  readonly best: BestEpoch | null;
  readonly final: BestEpoch | null;
  readonly failure: Divergence | null;
  /** Null where the run took all its planned steps, or has not ended. */
  readonly stoppedEarly: { readonly epoch: number; readonly reason: string } | null;
  /** What changed the run's course, as in events.jsonl. */
  readonly events: readonly RunEvent[];
}

/** What a run needs beside workbench and configuration. */
export interface RunContext {
  readonly environment: Environment;
  /** Holds the run folders. */
  readonly out: string;
  readonly workers: number;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/**
 * Trains one run and records it in a folder of its own, from its first step or, with `resume`, from where
 * an interrupted run stands; the caller has made sure that configuration and data are that run's.
 */
export async function trainRun(
  bench: Workbench,
  config: RunConfig,
  context: RunContext,
  resume?: string,
): Promise<TrainDocument> {
  const name = runName(config);
  const schedule = planSchedule(config, Math.ceil(bench.images.train.length / config.batchSize));
  const engine = await openRunEngine(bench, config, context.workers);
  try {
    const here = { ...context.environment, workers: engine.workers, sliceSize: engine.sliceSize };
    const start =
      resume === undefined
        ? await begin(bench, config, here, context.out, engine, schedule)
        : await goOn(resume, config, here, engine, schedule, context.emit);
    const { folder, environment } = start;
    try {
      const { emit, signal } = context;
      emit({
        type: 'run',
        name,
        folder: folder.dir,
        fromStep: start.from.state.step,
        totalSteps: schedule.end(start.from.state.scheduleState),
        epochs: config.epochs,
      });
      const end = await runEpochs({ bench, engine, config, schedule, folder, name, emit, signal }, start);
      const document = trainDocument(folder, bench, config, environment, schedule, end);
      await conclude(folder, bench, document, end);
      emit({ type: 'run-end', name, status: end.status });
      return document;
    } finally {
      await folder.close();
    }
  } finally {
    await engine.dispose();
  }
}

/** How a run and its folder are called: the arm and the seed. */
export function runName({ arm, seed }: RunConfig): string {
  // A leading dot would hide the folder: the arm of ./mine.json is mine.json.
  const plain = arm.replace(/[^\w@.-]+/g, '-').replace(/^[.-]+/, '');
  return `${plain === '' ? 'run' : plain}-seed${seed}`;
}

/** A run's folder with the point to go on from. */
interface OpenRun extends RunStart {
  readonly folder: RunFolder;
  readonly environment: RunEnvironment;
}

async function begin(
  bench: Workbench,
  config: RunConfig,
  environment: RunEnvironment,
  out: string,
  engine: Engine,
  { initialState }: StoppableSchedule,
): Promise<OpenRun> {
  const from = { state: initialRunState(initialState), replica: await engine.snapshot(), predictions: [] };
  const folder = await createRun(out, runName(config), {
    config,
    environment,
    dataset: datasetDocument(bench),
    // With the folder, so that there is no moment at which a run could not be resumed.
    checkpoint: encodeCheckpoint(packCheckpoint(from, { steps: 0, epochs: 0 })),
  });
  return { folder, environment, from, best: null, unsaved: false };
}

async function goOn(
  dir: string,
  config: RunConfig,
  here: RunEnvironment,
  engine: Engine,
  schedule: StoppableSchedule,
  emit: Emit,
): Promise<OpenRun> {
  const { run: folder, checkpoint, notes } = await openRun(dir);
  try {
    const saved = unpackCheckpoint(checkpoint);
    await engine.restore(saved.replica);
    const best = saved.state.best === null ? null : unpackCheckpoint(await readCheckpoint(dir, 'best'));

    const resumed = resumedEnvironment(await readEnvironment(dir), here, saved.state);
    for (const text of [...notes, ...resumed.notes]) emit({ type: 'note', text });
    if (resumed.event !== null) await folder.replace('environment', resumed.environment);
    const moved = resumed.event === null ? saved.state : withEvent(saved.state, resumed.event);
    const state = applyReplans(dir, moved, config, schedule);
    if (state.replans > saved.state.replans) await folder.replace('config', config);
    // Also where nothing is new: the program may have ended between an event and its checkpoint.
    await folder.writeEvents(state.events);
    return {
      folder,
      environment: resumed.environment,
      from: { ...saved, state },
      best,
      unsaved: state !== saved.state,
    };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

function withEvent(state: RunState, event: RunEvent): RunState {
  return { ...state, events: [...state.events, event] };
}

function trainDocument(
  folder: RunFolder,
  bench: Workbench,
  config: RunConfig,
  environment: RunEnvironment,
  schedule: StoppableSchedule,
  { status, state, failure }: RunEnd,
): TrainDocument {
  const cut = status === 'completed' && schedule.end(state.scheduleState) < schedule.totalSteps;
  const reason = state.events.findLast(({ type }) => type === 'early-stop')?.text ?? '';
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'train',
    status,
    run: folder.dir,
    policy: config.policy,
    config,
    environment,
    dataset: datasetSummary(bench),
    seconds: state.seconds,
    epochs: state.epochs,
    best: state.best,
    final: lastEpoch(state.epochs),
    failure,
    stoppedEarly: cut ? { epoch: state.epochs.length, reason } : null,
    events: state.events,
  };
}

function lastEpoch(epochs: readonly EpochRecord[]): BestEpoch | null {
  const last = epochs.at(-1);
  if (last === undefined) return null;
  const { epoch, validAccuracy, correct, total, validLoss } = last;
  return { epoch, validAccuracy, correct, total, validLoss };
}

/** Predictions, model and last of all the result. */
async function conclude(
  folder: RunFolder,
  bench: Workbench,
  document: TrainDocument,
  end: RunEnd,
): Promise<void> {
  const { best } = end;
  if (best !== null) {
    await folder.writePredictions(predictionLines(bench, end.predictions, best.predictions));
    await folder.writeModel(modelFiles(bench, best));
  }
  await folder.finish(document);
}

function predictionLines(bench: Workbench, final: readonly Prediction[], best: readonly Prediction[]) {
  return bench.images.valid.flatMap(({ path, label }, i) => {
    const [atEnd, atBest] = [final[i], best[i]];
    return atEnd === undefined || atBest === undefined
      ? []
      : [{ image: path, label, final: atEnd, best: atBest }];
  });
}

function modelFiles({ weights, images: { classNames }, imageSize }: Workbench, { replica }: RunCheckpoint) {
  const { backbone } = weights;
  const parameters = new Map(
    [...weights.parameters].map(([name, { shape, values }]) => [
      name,
      { shape, values: replica.weights.get(name) ?? values },
    ]),
  );
  const trained = (name: string): Float32Array => {
    const values = replica.weights.get(name);
    if (values === undefined) throw new Error(`the checkpoint of the best epoch holds no ${name}`);
    return values;
  };
  const head = { kernel: trained(`${HEAD}/kernel`), bias: trained(`${HEAD}/bias`) };
  return { ...saveLayersModel({ backbone, parameters, head, classNames, imageSize }) };
}
