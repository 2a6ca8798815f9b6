import { availableParallelism } from 'node:os';
import { requireKnownArms } from '../config/arms.js';
import { planSchedule } from '../config/plan-schedule.js';
import { resolveRun, type RunConfig } from '../config/run-config.js';
import type { RateTable, Settings } from '../config/settings.js';
import type { ImageSet } from '../data/images/batches.js';
import { adviseRate, type ExperimentContext } from '../find-lr/find-lr.js';
import type { TrainDocument, TrainPlan } from '../runs/documents.js';
import type { StoppableSchedule } from '../schedule/early-stop.js';
import {
  beginWorkbench,
  openWorkbench,
  stepsPerEpoch,
  whileDecoding,
  type Workbench,
} from '../workbench/workbench.js';
import { resolveRate } from './learning-rate.js';
import { trainRun } from './run.js';

/** What a command hands over: options, the table of measured rates, and where it runs. */
export interface TrainRequest extends ExperimentContext {
  readonly settings: Settings;
  readonly rates: RateTable;
}

/** `onecycle train`: one run from its first step. */
export async function train(request: TrainRequest): Promise<TrainDocument> {
  const arm = armOf(request);
  const { settings } = request;
  const workers = settings.workers ?? availableParallelism();
  return whileDecoding(await beginWorkbench(settings, request), request, async (open, signal) => {
    const config = await resolveConfig(open.bench, { ...request, signal }, arm, workers);
    return trainRun(open, config, { ...request, signal, out: settings.out, workers });
  });
}

/** The name under which a comparison knows the run. Throws UsageError where --lr names another arm. */
function armOf({ settings: { arm, policy, lr } }: TrainRequest): string {
  requireKnownArms(lr, [arm ?? policy]);
  return arm ?? policy;
}

/** Resolves a run and walks its schedule without training. */
export async function planTraining(request: TrainRequest): Promise<TrainPlan> {
  const arm = armOf(request);
  const bench = await openWorkbench(request.settings, request);
  try {
    const config = await resolveConfig(bench, request, arm, 1);
    const epochSteps = stepsPerEpoch(bench, config);
    const schedule = planSchedule(config, epochSteps);
    return planFrom(config, schedule, epochSteps, { trained: 0, state: schedule.initialState });
  } finally {
    bench.close();
  }
}

/** Fixes what had to wait for data and weights: the image size, the views and the rate. */
export async function resolveConfig(
  bench: Workbench<ImageSet>,
  { settings, rates, emit, signal }: TrainRequest,
  arm: string,
  workers: number,
): Promise<RunConfig> {
  const lr = await resolveRate(settings, rates, arm, {
    find: () => adviseRate(bench, settings, { workers, emit, signal }),
    note: (text) => emit({ type: 'note', text }),
  });
  return resolveRun(settings, { imageSize: bench.imageSize, lr, arm, frozen: bench.features !== undefined });
}

/** Walks a schedule from step `trained` to its end without training; what validation may change stays as it is. */
export function planFrom(
  config: RunConfig,
  schedule: StoppableSchedule,
  stepsPerEpoch: number,
  { trained, state }: { readonly trained: number; readonly state: unknown },
): TrainPlan {
  const steps = Array.from({ length: Math.max(0, schedule.end(state) - trained) }, (_, i) => {
    const step = trained + i;
    return { step, epoch: 1 + Math.floor(step / stepsPerEpoch), ...schedule.at(state, step) };
  });
  return { config, stepsPerEpoch, trained, steps };
}
