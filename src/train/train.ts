import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { requireKnownArms } from '../config/arms.js';
import { flagName } from '../config/options.js';
import { planSchedule } from '../config/plan-schedule.js';
import { resolveRun, type RunConfig, trainedPart } from '../config/run-config.js';
import { type RateTable, readDefaults, type Settings } from '../config/settings.js';
import { dataFolder } from '../data/folder/scan.js';
import { batchesPerEpoch } from '../data/images/batches.js';
import { RunError, UsageError } from '../errors.js';
import { type Advice, adviseRate, type ExperimentContext } from '../find-lr/find-lr.js';
import { resolveWeights } from '../model/load/weights.js';
import {
  RUN_FILES,
  SCHEMA_VERSION,
  type TrainDocument,
  type TrainDryRun,
  type TrainingCost,
  type TrainPlan,
} from '../runs/documents.js';
import { readSuggestion } from '../runs/range-test-folder.js';
import { readDocument } from '../runs/read-document.js';
import type { StoppableSchedule } from '../schedule/early-stop.js';
import {
  beginWorkbench,
  decoded,
  type OpenBench,
  requireBatch,
  stepsPerEpoch,
  type Survey,
  surveyWorkbench,
  THUMBNAIL_INPUT,
  whileDecoding,
  wholeBench,
  type Workbench,
} from '../workbench/workbench.js';
import { measureCost } from '../workbench/run-engine.js';
import { tellWork, trainRun } from './run.js';
import { eachTextOnce } from '../workbench/events.js';

/** What a command hands over: options, the table of measured rates, and where it runs. */
export interface TrainRequest extends ExperimentContext {
  readonly settings: Settings;
  readonly rates: RateTable;
}

/** `onecycle train`: one run from its first step. */
export async function train(given: TrainRequest): Promise<TrainDocument> {
  const request = { ...given, emit: eachTextOnce(given.emit) };
  const { settings } = request;
  const { arm, survey } = await surveyTraining(request);
  const workers = settings.workers ?? availableParallelism();
  return whileDecoding(beginWorkbench(survey, request), request, async (open, signal) => {
    const config = await resolveConfig(open, { ...request, signal }, arm, workers);
    tellWork([{ bench: open.bench, config }], request.emit);
    const { out, tensorboard } = settings;
    return trainRun(open, config, { ...request, signal, out, tensorboard, workers });
  });
}

/** `onecycle train --dry-run`: resolves a run and walks its schedule without training. */
export async function planTraining(request: TrainRequest): Promise<TrainDryRun> {
  const { arm, survey } = await surveyTraining(request);
  const bench = await decoded(survey, request);
  try {
    const config = await resolveConfig(wholeBench(bench), request, arm, 1);
    return await withCost(planOf(bench, config), bench, request);
  } finally {
    bench.close();
  }
}

/** A plan with what it takes to carry it out. */
export async function withCost(
  plan: TrainPlan,
  bench: Workbench,
  { settings, signal }: TrainRequest,
): Promise<TrainDryRun> {
  const workers = settings.workers ?? availableParallelism();
  const cost = await costOfRuns(bench, plan.config, 1, { workers, signal }, plan.steps.length);
  return { schemaVersion: SCHEMA_VERSION, command: 'train', status: 'completed', ...plan, cost };
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
      text: `--early-stop ${settings.earlyStop} has no effect on 1cycle: --on-stop wait never cuts a cycle, --on-stop anneal does.`,
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

type Recommended = NonNullable<Advice['recommended']>;

/** A run's rate, and the folder of the range test that it was taken from. */
type ResolvedRate = Pick<RunConfig, 'lr' | 'lrFrom'>;

/** Where a rate comes from that the settings do not state. */
interface RateSources {
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Finds or makes the range test of the arm's settings. */
  readonly find: () => Promise<Advice>;
  readonly note: (text: string) => void;
}

/** Settings on which the best rate depends. */
const BEARING = ['data', 'weights', 'trainable', 'headLrMultiplier', 'batchSize', 'epochs'] as const;

/**
 * The learning rate of one arm: as stated, the built-in one of the trained part, as a range test finds it (`auto`), or
 * as an earlier one found it (`from:RUN`).
 *
 * @throws UsageError where the earlier test has no rate to give, RunError where the range test refuses now
 */
export async function resolveRate(
  settings: Settings,
  rates: RateTable,
  arm: string,
  { imageSize, find, note }: RateSources,
): Promise<ResolvedRate> {
  const stated = statedRate(settings, arm);
  if (typeof stated === 'number') return { lr: stated };
  if (stated === undefined) {
    const others = await othersThanMeasured(settings, imageSize);
    if (others.length > 0) note(builtInNote(others));
    return { lr: builtInRate(settings, rates) };
  }
  if (stated === 'auto') {
    const { recommended, reason, run } = await find();
    if (recommended === null) throw new RunError(`--lr auto: the range test gives no rate. ${reason}`);
    return { lr: rateFor(settings.policy, recommended), lrFrom: run };
  }
  const run = stated.slice('from:'.length);
  const recommended = await readRecommended(run);
  const others = await differences(run, settings);
  if (others.length > 0) {
    note(`--lr from:${run}: that range test was made with ${others.join(', ')}; its rate may not fit here.`);
  }
  return { lr: rateFor(settings.policy, recommended), lrFrom: run };
}

function statedRate({ lr, policy }: Settings, arm: string): number | string | undefined {
  if (lr === undefined || typeof lr === 'number' || typeof lr === 'string') return lr;
  return Object.hasOwn(lr, arm) ? lr[arm] : lr[policy];
}

function builtInRate({ trainable, policy }: Settings, rates: RateTable): number {
  const rate = rates[trainedPart(trainable)][policy];
  if (rate === undefined)
    throw new Error(`configs/default.json holds no rate for ${policy} and ${trainable}`);
  return rate;
}

/** What differs from the training that the built-in rates were measured on, as in «--image-size 224». */
async function othersThanMeasured(settings: Settings, imageSize: number): Promise<string[]> {
  const { settings: measured } = readDefaults();
  const data = async (name: string) => resolve(await dataFolder(name));
  return [
    (await data(settings.data)) !== (await data(measured.data)) && `--data ${settings.data}`,
    settings.weights !== measured.weights &&
      resolveWeights(settings.weights) !== resolveWeights(measured.weights) &&
      `--weights ${settings.weights}`,
    imageSize !== THUMBNAIL_INPUT && `--image-size ${imageSize}`,
    settings.batchSize !== measured.batchSize && `--batch-size ${settings.batchSize}`,
  ].filter((other) => other !== false);
}

function builtInNote(others: readonly string[]): string {
  const { weights, batchSize } = readDefaults().settings;
  return (
    `The built-in learning rates were measured on the bundled thumbnails with ${weights} at ${THUMBNAIL_INPUT} pixels and batches of ${batchSize}, ` +
    `not with ${others.join(', ')}: --lr auto measures one that fits.`
  );
}

function rateFor(policy: Settings['policy'], { learningRate, fixedLearningRate }: Recommended): number {
  return policy === '1cycle' ? learningRate : fixedLearningRate;
}

async function readRecommended(run: string): Promise<Recommended> {
  const asked = `--lr from:${run}`;
  const { recommended, reason } = await readSuggestion(run).catch((error: unknown) => {
    throw error instanceof UsageError ? new UsageError(`${asked}: ${error.message}`) : error;
  });
  if (recommended === null) {
    throw new UsageError(`${asked}: that range test gave no rate. ${reason}`.trimEnd());
  }
  return recommended;
}

/** What differs between the settings of an earlier range test and these, as in «trainable head». */
async function differences(run: string, settings: Settings): Promise<string[]> {
  const config = await readDocument(join(run, RUN_FILES.config));
  return BEARING.filter((name) => config[name] !== settings[name]).map(
    (name) => `${flagName(name)} ${String(config[name])}`,
  );
}
