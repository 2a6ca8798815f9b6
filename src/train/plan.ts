import { availableParallelism } from 'node:os';
import { planSchedule } from '../config/plan-schedule.js';
import type { RunConfig } from '../config/run-config.js';
import { SCHEMA_VERSION, type TrainDryRun, type TrainingCost, type TrainPlan } from '../runs/documents.js';
import type { StoppableSchedule } from '../schedule/early-stop.js';
import { measureCost } from '../workbench/run-engine.js';
import { datasetSummary, stepsPerEpoch, type Workbench } from '../workbench/bench.js';
import type { TrainRequest } from './run.js';

/** A plan with what it takes to carry it out. */
export async function withCost(
  plan: TrainPlan,
  bench: Workbench,
  { settings, environment, signal }: TrainRequest,
): Promise<TrainDryRun> {
  const workers = settings.workers ?? availableParallelism();
  const cost = await costOfRuns(bench, plan.config, 1, { workers, signal }, plan.steps.length);
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'train',
    status: 'completed',
    environment,
    dataset: datasetSummary(bench),
    seconds: performance.now() / 1000,
    ...plan,
    cost,
  };
}

/** What runs like this one take, one after the other, as some steps of it show; the one run has `steps` left. */
export function costOfRuns(
  bench: Workbench,
  config: RunConfig,
  runs: number,
  context: { readonly workers: number; readonly signal: AbortSignal },
  steps = config.epochs * stepsPerEpoch(bench, config),
): Promise<TrainingCost> {
  const epochSteps = stepsPerEpoch(bench, config);
  const validBatches = bench.images.valid.length / config.batchSize;
  const extent = { stepsPerEpoch: epochSteps, steps, evaluations: steps / epochSteps, validBatches, runs };
  return measureCost(bench, config, planSchedule(config, epochSteps), extent, context);
}

/** The plan of a run from its first step. */
export function planOf(bench: Workbench, config: RunConfig): TrainPlan {
  const epochSteps = stepsPerEpoch(bench, config);
  const schedule = planSchedule(config, epochSteps);
  return planFrom(config, schedule, epochSteps, { trained: 0, state: schedule.initialState });
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
