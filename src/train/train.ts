import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { requireKnownArms } from '../config/arms.js';
import { flagName } from '../config/options.js';
import { planSchedule } from '../config/plan-schedule.js';
import {
  effectiveViews,
  type NetworkConfig,
  type RateSource,
  resolveRun,
  type RunConfig,
  trainedPart,
  runName,
} from '../config/run-config.js';
import { FRESH_WEIGHTS, type RateTable, readDefaults, type Settings } from '../config/settings.js';
import { dataFolder } from '../data/folder/scan.js';
import { batchesPerEpoch } from '../data/images/batches.js';
import { InUseError, MissingPathError, RunError, UsageError } from '../errors.js';
import { type Advice, adviseRate } from '../find-lr/find-lr.js';
import { resolveWeights } from '../model/load/weights.js';
import { type RunRecord, type TrainDocument, type TrainDryRun, WITHOUT_RECORD } from '../runs/documents.js';
import { asJson, isJsonObject, type JsonObject, type JsonValue } from '../runs/json.js';
import { readRangeTest } from '../runs/range-test-folder.js';
import { readRun } from '../runs/read-run.js';
import { datasetDocument, type OpenBench, stepsPerEpoch, wholeBench } from '../workbench/bench.js';
import {
  beginWorkbench,
  decoded,
  networkConfig,
  requireBatch,
  type Survey,
  surveyWorkbench,
  THUMBNAIL_INPUT,
  whileDecoding,
} from '../workbench/workbench.js';
import { eachTextOnce } from '../workbench/events.js';
import { weightsNote } from '../workbench/run-engine.js';
import { findAgain, type FoundRun } from './recorded.js';
import { planOf, withCost } from './plan.js';
import { type RunContext, tellWork, type TrainRequest, trainRun } from './run.js';

/**
 * `onecycle train`: one run. Where --out holds the very same one it is taken where it has ended, and gone on with where it was
 * interrupted; with --again it is trained anew, beside it. Throws InUseError where another process is training it.
 */
export async function train(given: TrainRequest): Promise<TrainDocument> {
  const request = { ...given, emit: eachTextOnce(given.emit) };
  const { settings } = request;
  const { arm, survey } = await surveyTraining(request);
  const workers = settings.workers ?? availableParallelism();
  return whileDecoding(beginWorkbench(survey, request), request, async (open, signal) => {
    const config = await resolveConfig(open, { ...request, signal }, arm, { workers });
    const { out, again, tensorboard } = settings;
    const context = { ...request, signal, out, again, tensorboard, workers };
    const found = again ? undefined : await findAgain(open, config, context);
    if (found?.state !== 'ended') tellWork([{ bench: open.bench, config }], request.emit);
    return found === undefined ? trainRun(open, config, context) : takeAgain(found, open, config, context);
  });
}

/** Takes a run that has ended as it is, and goes on with one that was interrupted. */
async function takeAgain(
  { dir, state }: FoundRun,
  open: OpenBench,
  config: RunConfig,
  context: RunContext,
): Promise<TrainDocument> {
  const { emit } = context;
  const name = runName(config);
  if (state === 'ended') {
    emit({
      type: 'note',
      text: `${name} was trained already, and is taken from ${dir}. --again trains it anew.`,
    });
    return recordedDocument(await readRun(dir));
  }
  emit({ type: 'note', text: `${name} was interrupted, and goes on in ${dir}. --again trains it anew.` });
  const bench = await open.whole;
  // Reading a configuration takes a library that no other run needs.
  const { resumeShared } = await import('./resume.js');
  return resumeShared(dir, bench, context).catch((error: unknown) => {
    if (!(error instanceof UsageError) || error instanceof InUseError) throw error;
    throw new UsageError(`${error.message} With --again it is trained anew.`, { cause: error });
  });
}

/** What a finished run's result.json says, with the place where it lies now. */
function recordedDocument({ dir, result, epochs, events }: RunRecord): TrainDocument {
  if (result === null) throw new Error(`${dir} has no result any more`);
  // Its epochs were held against the other files; versions that left out what follows had nothing to say there.
  const document = { failure: null, stoppedEarly: null, ...result, run: dir, epochs, events };
  return document as unknown as TrainDocument;
}

/** `onecycle train --dry-run`: resolves a run and walks its schedule without training. */
export async function planTraining(request: TrainRequest): Promise<TrainDryRun> {
  const { arm, survey } = await surveyTraining(request);
  const bench = await decoded(survey, request);
  try {
    const config = await resolveConfig(wholeBench(bench), request, arm, { workers: 1 });
    return await withCost(planOf(bench, config), bench, request);
  } finally {
    bench.close();
  }
}

/** Looks at options, data and weights. Throws UsageError for what can be refused before an image is decoded. */
async function surveyTraining(request: TrainRequest): Promise<{ arm: string; survey: Survey }> {
  const { settings, emit } = request;
  const arm = settings.arm ?? settings.policy;
  if (arm.includes('@') && settings.pair === undefined) {
    throw new UsageError(
      `Expected a name without @ for --arm but received "${arm}": in --policies NAME@N shifts the seeds. ` +
        'Name the arm otherwise, or say with --pair N which runs of the other arms it is compared with.',
    );
  }
  requireKnownArms(settings.lr, [arm]);
  const survey = await surveyWorkbench(settings, request);
  refuseImpossible(survey, settings, arm);
  if (settings.lr !== undefined && statedRate(settings, arm) === undefined) {
    const others = Object.keys(settings.lr).join(', ');
    emit({
      type: 'warning',
      text: `--lr states a rate for ${others} and none for ${arm}, which takes the built-in one: --lr ${arm}=X states it.`,
    });
  }
  if (ignoresEarlyStop(settings)) {
    emit({
      type: 'warning',
      text: `--early-stop ${settings.earlyStop} has no effect on 1cycle: --on-stop wait never cuts a cycle, --on-stop anneal does.`,
    });
  }
  return { arm, survey };
}

/** Throws UsageError where a batch or the schedule needs more than the listed images give. */
export function refuseImpossible(survey: Survey, settings: Settings, arm: string): void {
  const { folder, imageSize, firstTrained } = survey;
  requireBatch(settings, folder.train.length, survey);
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

/**
 * Fixes what had to wait for data and weights: the image size, the views and the rate.
 * @param how `measure`: whether a range test finds a rate that is not stated, unless the built-in rates were measured on data like this
 */
export async function resolveConfig(
  open: OpenBench,
  { settings, rates, ...context }: TrainRequest,
  arm: string,
  { workers, measure = 'never' }: { readonly workers: number; readonly measure?: Measure },
): Promise<RunConfig> {
  const { imageSize, features } = open.bench;
  const network = networkConfig(open.bench, settings);
  const weighted = weightsNote(open.bench.images, settings);
  if (weighted !== undefined) context.emit({ type: 'note', text: weighted });
  const late = lateStatistics(network, settings.epochs * stepsPerEpoch(open.bench, settings));
  if (late !== undefined) context.emit({ type: 'warning', text: late });
  const { lr, ...origin } = await resolveRate(settings, rates, arm, {
    measure,
    imageSize,
    network,
    frozen: features !== undefined,
    dataset: async () => asJson(datasetDocument(await open.whole)),
    find: () => adviseRate(open, settings, { ...context, workers }),
    note: (text) => context.emit({ type: 'note', text }),
    warn: (text) => context.emit({ type: 'warning', text }),
  });
  const { lrFactor } = settings;
  const neighbour = lrFactor === undefined || lrFactor === 1 ? {} : { lrFactor };
  const rate = { lr: lr * (lrFactor ?? 1), ...origin, ...neighbour };
  return resolveRun(settings, { imageSize, network, ...rate, arm, frozen: features !== undefined });
}

/** Share of the first running statistics that a run may end with before that is told, and that the advice leaves. */
const [TELLING, NEGLIGIBLE] = [0.1, 0.01];

/** Tells that a run is too short for its running statistics to become its own; undefined where it is not. */
function lateStatistics({ bnMomentum }: NetworkConfig, steps: number): string | undefined {
  const left = (bnMomentum ?? 0) ** steps;
  if (left <= TELLING) return undefined;
  const enough = Math.floor(100 * NEGLIGIBLE ** (1 / steps)) / 100;
  return (
    `Batch norm keeps ${bnMomentum} of its running statistics at each step: after ${steps} steps they are still ` +
    `${Math.round(100 * left)}% the initial ones, and evaluation goes by them. --bn-momentum ${enough} leaves less than ${100 * NEGLIGIBLE}%.`
  );
}

type Recommended = NonNullable<Advice['recommended']>;

/** A run's rate, where it is from, and the folder of the range test that it was taken from. */
type ResolvedRate = Pick<RunConfig, 'lr' | 'lrFrom'> & { readonly lrSource: RateSource };

/** Where a rate comes from that the settings do not state, and what it is for. */
interface RateSources {
  /** Whether a range test stands in for built-in rates that were measured on other data. */
  readonly measure: Measure;
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  readonly network: NetworkConfig;
  /** Whether a part is frozen, so that views are kept. */
  readonly frozen: boolean;
  /** The images and weights of the training, as dataset.json has them. */
  readonly dataset: () => Promise<JsonObject>;
  /** Finds or makes the range test of the arm's settings. */
  readonly find: () => Promise<Advice>;
  /** Says what is good to know, and what speaks against the rate. */
  readonly note: (text: string) => void;
  readonly warn: (text: string) => void;
}

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
  { measure, imageSize, network, frozen, dataset, find, note, warn }: RateSources,
): Promise<ResolvedRate> {
  const stated = statedRate(settings, arm);
  const lrSource = 'range-test';
  if (typeof stated === 'number') return { lr: stated, lrSource: 'stated' };
  if (stated === undefined) {
    const lr = builtInRate(settings, rates);
    const others = await othersThanMeasured(settings, imageSize);
    if (others.length === 0) return { lr, lrSource: 'built-in' };
    note(builtInNote(others, measure));
    const found = measure === 'now' ? await find() : undefined;
    if (found?.recommended)
      return { lr: rateFor(settings.policy, found.recommended), lrFrom: found.run, lrSource };
    if (found !== undefined)
      warn(`The range test gives no rate, and the built-in ones are used. ${found.reason}`);
    return { lr, lrSource: 'built-in-elsewhere' };
  }
  if (stated === 'auto') {
    const { recommended, reason, run } = await find();
    if (recommended === null)
      throw new RunError(
        `--lr auto: the range test gives no rate. ${reason} That is for onecycle find-lr, whose rate --lr from:${run} then takes.`,
      );
    return { lr: rateFor(settings.policy, recommended), lrFrom: run, lrSource };
  }
  const run = stated.slice('from:'.length);
  const { recommended, config, dataset: tested } = await readFound(run);
  const images = { tested, now: await dataset() };
  const others = differences(config, settings, { imageSize, network, frozen, ...images });
  if (others.length > 0) {
    warn(`--lr from:${run}: that range test was made with ${others.join(', ')}; its rate may not fit here.`);
  }
  const fits = others.length === 0 ? lrSource : 'stated';
  return { lr: rateFor(settings.policy, recommended), lrFrom: run, lrSource: fits };
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
    settings.labels !== undefined && `--labels ${settings.labels}`,
    settings.classDepth !== measured.classDepth && `--class-depth ${settings.classDepth}`,
    settings.weights !== measured.weights &&
      (settings.weights === FRESH_WEIGHTS ||
        resolveWeights(settings.weights) !== resolveWeights(measured.weights)) &&
      `--weights ${settings.weights}`,
    settings.batchNorm !== measured.batchNorm && `--batch-norm ${settings.batchNorm}`,
    (settings.stemStride ?? 2) !== 2 && `--stem-stride ${settings.stemStride}`,
    imageSize !== THUMBNAIL_INPUT && `--image-size ${imageSize}`,
    trainedPart(settings.trainable) === 'last' &&
      settings.trainable !== measured.trainable &&
      `--trainable ${settings.trainable}`,
    settings.batchSize !== measured.batchSize && `--batch-size ${settings.batchSize}`,
  ].filter((other) => other !== false);
}

function builtInNote(others: readonly string[], measure: Measure): string {
  const { weights, batchSize } = readDefaults().settings;
  return (
    `The built-in learning rates were measured on the bundled thumbnails with ${weights} at ${THUMBNAIL_INPUT} pixels and batches of ${batchSize}, ` +
    `not with ${others.join(', ')}: ${BETTER_RATES[measure]}`
  );
}

/** Whether a command makes a range test itself where it needs one: now, or when it trains; else the user asks for one. */
export type Measure = 'now' | 'later' | 'never';

const BETTER_RATES: Readonly<Record<Measure, string>> = {
  now: 'a range test finds rates that fit.',
  later: 'the comparison itself will find rates that fit by a range test.',
  never: '--lr auto measures one that fits.',
};

function rateFor(policy: Settings['policy'], { learningRate, fixedLearningRate }: Recommended): number {
  return policy === '1cycle' ? learningRate : fixedLearningRate;
}

/** Reads the range test that `from:RUN` names. Throws UsageError where it has no rates to give. */
async function readFound(run: string) {
  const asked = `--lr from:${run}`;
  const { suggestion, ...test } = await readRangeTest(run).catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
    const message = `${asked}: ${error.message}`;
    throw error instanceof MissingPathError ? new MissingPathError(message, 'lr') : new UsageError(message);
  });
  const { recommended, reason } = suggestion;
  if (recommended === null) {
    throw new UsageError(`${asked}: that range test gave no rate. ${reason}`.trimEnd());
  }
  return { ...test, recommended };
}

/** Settings on which the best rate depends, and that mean the same in a range test and in a training. */
const BEARING = [
  'trainable',
  'headLrMultiplier',
  'epochs',
  'weightDecay',
  'labelSmoothing',
  'classWeights',
  'augment',
  'momentum',
  'imageSize',
  'batchNorm',
  'bnMomentum',
  'stemStride',
] as const;

/** What of an earlier range test is not as in this training, as in «--trainable head»: there its rate may not fit. */
function differences(
  config: JsonObject,
  settings: Settings,
  {
    imageSize,
    network,
    frozen,
    tested,
    now,
  }: Pick<RateSources, 'imageSize' | 'network' | 'frozen'> & {
    readonly tested: JsonObject;
    readonly now: JsonObject;
  },
): string[] {
  const found: JsonObject = { ...WITHOUT_RECORD, ...config };
  const { batchSize, accumulate, views } = found;
  const step = Number(batchSize) * Number(accumulate ?? 1);
  const wanted: Readonly<Record<string, unknown>> = { ...settings, imageSize, ...network };
  return [
    // By what they hold: where they lie and how that is spelled says nothing.
    trainedOn(tested) !== trainedOn(now) && `other training images (--data ${String(config['data'])})`,
    tested['weightsSha256'] !== now['weightsSha256'] &&
      `other weights (--weights ${String(config['weights'])})`,
    ...BEARING.map((name) => found[name] !== wanted[name] && `${flagName(name)} ${String(found[name])}`),
    step !== settings.batchSize &&
      `${step} images a step (--batch-size ${String(batchSize)} --accumulate ${String(accumulate)})`,
    views !== (frozen ? effectiveViews(settings) : null) && `--views ${String(views)}`,
  ].filter((other) => other !== false);
}

/** The training images of a recorded data set by their hashes and classes, in no order. */
function trainedOn({ classes, files }: JsonObject): string {
  const { train } = isJsonObject(files) ? files : {};
  const images = (Array.isArray(train) ? train : []).map((file: JsonValue) => {
    const { label, sha256 } = isJsonObject(file) ? file : {};
    return JSON.stringify([label, sha256]);
  });
  return JSON.stringify([classes, images.sort()]);
}
