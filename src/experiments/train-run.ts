import { planSchedule } from '../config/plan-schedule.js';
import type { RunConfig } from '../config/run-config.js';
import { encodeCheckpoint } from '../record/checkpoint-file.js';
import { readCheckpoint } from '../record/read-checkpoint.js';
import { readEnvironment } from '../record/read-run.js';
import { createRun, openRun, type RunFolder } from '../record/run-folder.js';
import type { RunEvent } from '../record/run-layout.js';
import type { StoppableSchedule } from '../schedule/stoppable.js';
import type { Engine } from '../training/engine.js';
import { initialRunState, type RunState } from '../training/run-state.js';
import { concludeRun } from './conclude-run.js';
import { datasetDocument } from './dataset-document.js';
import type { Environment, RunEnvironment } from './environment.js';
import type { Emit } from './events.js';
import { applyReplans } from './replan-run.js';
import { resumedEnvironment } from './resume-environment.js';
import { packCheckpoint, unpackCheckpoint } from './run-checkpoint.js';
import { openRunEngine } from './run-engine.js';
import { trainDocument, type TrainDocument } from './train-document.js';
import { runEpochs, type RunStart } from './training-run.js';
import { Upcoming } from './upcoming.js';
import { stepsPerEpoch, type OpenBench } from './workbench.js';

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
  open: OpenBench,
  config: RunConfig,
  context: RunContext,
  resume?: string,
): Promise<TrainDocument> {
  const { bench } = open;
  const name = runName(config);
  const schedule = planSchedule(config, stepsPerEpoch(bench, config));
  const engine = await openRunEngine(bench, config, context.workers);
  try {
    const here = { ...context.environment, workers: engine.workers, sliceSize: engine.sliceSize };
    const start =
      resume === undefined
        ? await startRun(open, config, here, context, engine, schedule)
        : await resumeRun(resume, config, here, engine, schedule, context.emit);
    const { folder, environment } = start;
    try {
      const { emit, signal } = context;
      emit({
        type: 'run',
        name,
        fromStep: start.from.state.step,
        totalSteps: schedule.end(start.from.state.scheduleState),
        epochs: config.epochs,
      });
      const end = await runEpochs({ bench, engine, config, schedule, folder, name, emit, signal }, start);
      const [whole, recorded] = [await open.whole, await folder.ready];
      const document = trainDocument(recorded.dir, whole, config, environment, schedule, end);
      await concludeRun(recorded, whole, document, end);
      emit({ type: 'run-end', name, status: end.status });
      return document;
    } finally {
      await folder.ready.catch(() => undefined);
      await folder.here?.close();
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
  readonly folder: Upcoming<RunFolder>;
  readonly environment: RunEnvironment;
}

async function startRun(
  { whole }: OpenBench,
  config: RunConfig,
  environment: RunEnvironment,
  { out, emit }: RunContext,
  engine: Engine,
  { initialState }: StoppableSchedule,
): Promise<OpenRun> {
  const from = { state: initialRunState(initialState), replica: await engine.snapshot(), predictions: [] };
  const folder = new Upcoming(whole, async () => {
    const documents = {
      config,
      environment,
      dataset: datasetDocument(await whole),
      // With the folder, so that there is no moment at which a run could not be resumed.
      checkpoint: encodeCheckpoint(packCheckpoint(from, { steps: 0, epochs: 0 })),
    };
    const made = await createRun(out, runName(config), documents);
    emit({ type: 'recorded', name: runName(config), folder: made.dir });
    return made;
  });
  return { folder, environment, from, best: null, unsaved: false };
}

async function resumeRun(
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
      folder: Upcoming.of(folder),
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
