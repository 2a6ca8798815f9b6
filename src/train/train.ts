import { availableParallelism } from 'node:os';
import { requireKnownArms } from '../config/arms.js';
import { planSchedule } from '../config/plan-schedule.js';
import { resolveRun, type RunConfig } from '../config/run-config.js';
import type { RateTable, Settings } from '../config/settings.js';
import { batchesPerEpoch } from '../data/images/batches.js';
import { UsageError } from '../errors.js';
import { adviseRate, type ExperimentContext } from '../find-lr/find-lr.js';
import type { TrainDocument, TrainPlan } from '../runs/documents.js';
import type { StoppableSchedule } from '../schedule/early-stop.js';
import {
  beginWorkbench,
  decoded,
  type OpenBench,
  requireBatch,
  stepsPerEpoch,
  type Survey,
  surveyWorkbench,
  whileDecoding,
  wholeBench,
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
  const { settings } = request;
  const { arm, survey } = await surveyTraining(request);
  const workers = settings.workers ?? availableParallelism();
  return whileDecoding(beginWorkbench(survey, request), request, async (open, signal) => {
    const config = await resolveConfig(open, { ...request, signal }, arm, workers);
    return trainRun(open, config, { ...request, signal, out: settings.out, workers });
  });
}

/** `onecycle train --dry-run`: resolves a run and walks its schedule without training. */
export async function planTraining(request: TrainRequest): Promise<TrainPlan> {
  const { arm, survey } = await surveyTraining(request);
  const bench = await decoded(survey, request);
  try {
    const config = await resolveConfig(wholeBench(bench), request, arm, 1);
    const epochSteps = stepsPerEpoch(bench, config);
    const schedule = planSchedule(config, epochSteps);
    return planFrom(config, schedule, epochSteps, { trained: 0, state: schedule.initialState });
  } finally {
    bench.close();
  }
}

/** Looks at options, data and weights. Throws UsageError for what can be refused before an image is decoded. */
async function surveyTraining({ settings, emit }: TrainRequest): Promise<{ arm: string; survey: Survey }> {
  const arm = settings.arm ?? settings.policy;
  if (arm.includes('@') && settings.pair === undefined) {
    throw new UsageError(
      `Expected a name without @ for --arm but received "${arm}": in --policies NAME@N shifts the seeds. ` +
        'Name the arm otherwise, or say with --pair N which runs of the other arms it is compared with.',
    );
  }
  requireKnownArms(settings.lr, [arm]);
  const survey = await surveyWorkbench(settings, { emit });
  refuseImpossible(survey, settings, arm);
  if (ignoresEarlyStop(settings)) {
    emit({
      type: 'note',
      text: `--early-stop ${settings.earlyStop} has no effect on 1cycle: --on-stop wait never cuts a cycle. With --on-stop anneal it does.`,
    });
  }
  return { arm, survey };
}

/** Throws UsageError where a batch or the schedule needs more than the listed images give. */
export function refuseImpossible(
  { folder, imageSize, firstTrained }: Survey,
  settings: Settings,
  arm: string,
): void {
  requireBatch(settings, folder.train.length, folder.root);
  // The rate may not be known yet; whether there is such a schedule does not depend on it.
  const config = resolveRun(settings, { imageSize, lr: 1, arm, frozen: firstTrained > 0 });
  planSchedule(config, batchesPerEpoch(folder.train.length, settings.batchSize));
}

/** Whether early stopping is asked for that can never shorten the run. */
export function ignoresEarlyStop({
  earlyStop,
  policy,
  onStop,
}: Pick<Settings, 'earlyStop' | 'policy' | 'onStop'>): boolean {
  return earlyStop !== undefined && policy === '1cycle' && onStop === 'wait';
}

/** Fixes what had to wait for data and weights: the image size, the views and the rate. */
export async function resolveConfig(
  open: OpenBench,
  { settings, rates, ...context }: TrainRequest,
  arm: string,
  workers: number,
): Promise<RunConfig> {
  const { imageSize, features } = open.bench;
  const rate = await resolveRate(settings, rates, arm, {
    imageSize,
    find: () => adviseRate(open, settings, { ...context, workers }),
    note: (text) => context.emit({ type: 'note', text }),
  });
  return resolveRun(settings, { imageSize, ...rate, arm, frozen: features !== undefined });
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
