import { performance } from 'node:perf_hooks';
import type { RunConfig } from '../config/run-config.js';
import type { StoredSample } from '../data/folder/image-folder.js';
import { type ImageSet, trainingBatches, validationBatches } from '../data/images/batches.js';
import type { Engine } from '../engine/engine.js';
import { openEngine } from '../engine/open-engine.js';
import type { NetworkSetup } from '../engine/params.js';
import { initHead, initWeights } from '../model/network.js';
import type { TrainingCost } from '../runs/documents.js';
import type { Schedule } from '../schedule/schedule.js';
import { median } from '../stats/describe.js';
import { networkBatches, unstored } from './features.js';
import type { Work, Worked } from './events.js';
import { type TrainingBatch, trainSteps } from './steps.js';
import type { Workbench } from './bench.js';

/** Images evaluated at a time. The engine slices large batches, so the number does not matter much. */
const EVALUATION_BATCH = 64;

/** The settings that shape network, optimizer and data of a run; a range test has them too. */
export type EngineConfig = Pick<
  RunConfig,
  | 'seed'
  | 'trainable'
  | 'batchSize'
  | 'labelSmoothing'
  | 'classWeights'
  | 'weightDecay'
  | 'headLrMultiplier'
  | 'augment'
  | 'views'
>;

/** A fresh network with a new head on the workbench's backbone. */
export function openRunEngine(
  bench: Workbench<ImageSet>,
  config: EngineConfig,
  workers: number,
): Promise<Engine> {
  return openEngine(networkSetup(bench, config), config.batchSize, workers);
}

function networkSetup(
  { weights, firstTrained, imageSize, images }: Workbench<ImageSet>,
  config: EngineConfig,
): NetworkSetup {
  return {
    backbone: weights.backbone,
    parameters: weights.fresh === true ? initWeights(weights.backbone, config.seed) : weights.parameters,
    head: initHead(weights.backbone.features, images.classNames.length, config.seed),
    firstTrained,
    imageSize,
    labelSmoothing: config.labelSmoothing,
    weightDecay: config.weightDecay,
    headLrMultiplier: config.trainable === 'head' ? 1 : config.headLrMultiplier,
    ...(config.classWeights === 'balanced' && { classWeights: balancedWeights(images) }),
  };
}

/**
 * What an image of each class counts in the loss so that all classes count alike: n / (classes n_c) for n_c of n training images,
 * as scikit-learn's compute_class_weight('balanced') has it. Over all training images their mean is 1. Only classes with images
 * count; others weigh 0, and no batch meets them.
 */
export function balancedWeights({ classNames, train }: Pick<ImageSet, 'classNames' | 'train'>): number[] {
  const counts = classNames.map(() => 0);
  for (const { label } of train) counts[label] = (counts[label] ?? 0) + 1;
  const classes = counts.filter((count) => count > 0).length;
  return counts.map((count) => (count === 0 ? 0 : train.length / (classes * count)));
}

/** What the classes weigh, as a note for the user; undefined where all images count alike. */
export function weightsNote(
  images: Pick<ImageSet, 'classNames' | 'train'>,
  { classWeights }: Pick<RunConfig, 'classWeights'>,
): string | undefined {
  if (classWeights !== 'balanced') return undefined;
  const weights = balancedWeights(images).map((weight, label) => ({
    weight,
    name: images.classNames[label] ?? '',
  }));
  const known = weights.filter(({ weight }) => weight > 0).sort((a, b) => a.weight - b.weight);
  const [least, most] = [known[0], known.at(-1)];
  if (least === undefined || most === undefined || least.weight === most.weight) {
    return '--class-weights balanced changes nothing here: all classes have as many training images.';
  }
  const told = ({ name, weight }: typeof least) => `${weight.toPrecision(3)} ("${name}")`;
  return `Class weights: a training image counts from ${told(least)} to ${told(most)} in the loss, so that all classes count alike; the validation loss is not weighted.`;
}

/** The training batches of one epoch from its `fromBatch`-th on. */
export function epochBatches(
  bench: Workbench<ImageSet>,
  engine: Engine,
  config: EngineConfig,
  epoch: number,
  fromBatch: number,
  worked?: Worked,
): AsyncIterable<TrainingBatch> {
  const { batchSize, seed, augment, views } = config;
  const features = bench.features && {
    store: bench.features.train,
    slot: (index: number, view: number) => index * (views ?? 1) + Math.max(0, view),
    ...keptOf(bench.features, bench.images.train, bench.images),
  };
  const batches = trainingBatches(bench.images, {
    batchSize,
    seed,
    epoch,
    augment,
    views: views ?? undefined,
    fromStep: fromBatch,
    needs: features && unstored(features),
  });
  return networkBatches(engine, batches, features, worked);
}

/** Where earlier commands' features of these images are found. */
function keptOf(
  { kept }: NonNullable<Workbench<ImageSet>['features']>,
  samples: readonly StoredSample[],
  { store }: ImageSet,
) {
  return { kept, hash: (index: number) => store.hash(samples[index]?.image ?? -1) };
}

/** Steps are timed for so many seconds, or so many of them, whichever comes first; the first one warms up. */
const TIMED_SECONDS = 4;
const TIMED_STEPS = 12;
/** A forward pass alone costs about a third of a training step. */
const EVALUATION_SHARE = 1 / 3;

/** How many steps of a run there are, and what is evaluated. */
interface Extent {
  readonly stepsPerEpoch: number;
  readonly steps: number;
  /** Evaluations, and the images of one of them over those of a training batch. */
  readonly evaluations: number;
  readonly validBatches: number;
  readonly runs: number;
}

/**
 * Makes some steps of a run that is thrown away, twice over: where a part is frozen, the second time with the features that the
 * first has computed. Throws the signal's reason where it is aborted.
 */
export async function measureCost(
  bench: Workbench,
  config: EngineConfig,
  schedule: Schedule,
  { stepsPerEpoch, steps, evaluations, validBatches, runs }: Extent,
  { workers, signal }: { readonly workers: number; readonly signal: AbortSignal },
): Promise<TrainingCost> {
  const engine = await openRunEngine(bench, config, workers);
  try {
    const count = Math.min(TIMED_STEPS + 1, stepsPerEpoch);
    const first = await timedSteps(bench, engine, config, schedule, { count, signal });
    const later =
      bench.features === undefined
        ? first
        : await timedSteps(bench, engine, config, schedule, { count: first.length, signal });
    signal.throwIfAborted();
    const fresh = median(warm(first));
    // What is cached is not slower; a time or two may say otherwise.
    const cached = Math.min(fresh, median(warm(later)));
    const freshSteps = Math.min(steps, stepsPerEpoch * (config.views ?? Infinity));
    const laterRun = cached * (steps + EVALUATION_SHARE * evaluations * validBatches);
    const firstRun = laterRun + (fresh - cached) * (freshSteps + (evaluations > 0 ? validBatches : 0));
    return {
      secondsPerStep: { first: fresh, later: cached },
      timedSteps: warm(first).length,
      workers: engine.workers,
      runs,
      firstRun,
      seconds: firstRun + (runs - 1) * laterRun,
      memory: 1024 * process.resourceUsage().maxRSS,
    };
  } finally {
    await engine.dispose();
  }
}

/** Times without the very first, which warms up, where there are more. */
function warm(times: readonly number[]): readonly number[] {
  return times.length > 1 ? times.slice(1) : times;
}

/** The seconds of the first steps of an epoch. */
async function timedSteps(
  bench: Workbench,
  engine: Engine,
  config: EngineConfig,
  schedule: Schedule,
  { count, signal }: { readonly count: number; readonly signal: AbortSignal },
): Promise<number[]> {
  const times: number[] = [];
  const started = performance.now();
  let before = started;
  const position = { epoch: 1, firstStep: 0, scheduleState: schedule.initialState, signal };
  for await (const { step } of trainSteps(
    engine,
    epochBatches(bench, engine, config, 1, 0),
    schedule,
    position,
  )) {
    const now = performance.now();
    times.push((now - before) / 1000);
    before = now;
    if (step + 1 >= count || now - started > 1000 * TIMED_SECONDS) break;
  }
  return times;
}

/** All validation images, or about `limit` of them spread evenly over the classes. */
export function evaluationBatches(
  bench: Workbench<ImageSet>,
  engine: Engine,
  { limit = Infinity, worked }: { readonly limit?: number; readonly worked?: Worked } = {},
): AsyncIterable<TrainingBatch> {
  const stride = Math.max(1, Math.ceil(bench.images.valid.length / limit));
  const images = { ...bench.images, valid: bench.images.valid.filter((_, i) => i % stride === 0) };
  const features = bench.features && {
    store: bench.features.valid,
    slot: (index: number) => index * stride,
    ...keptOf(bench.features, images.valid, images),
  };
  const batches = validationBatches(images, EVALUATION_BATCH, features && unstored(features));
  return networkBatches(engine, batches, features, worked);
}

/**
 * The frozen part's work for trainings of several seeds on one bench, in images.
 * @param trained views of images that one seed trains on
 */
export function frozenWork(
  { features, images }: Workbench<ImageSet>,
  { views, trained, seeds, evaluated }: FrozenDemand,
): Work {
  if (features === undefined) return {};
  const slots = images.train.length * (views ?? 1);
  // Each seed meets its own part of all views, at random to the others'.
  const met = 1 - (1 - Math.min(1, trained / slots)) ** seeds;
  return { frozen: Math.round(slots * met) + (evaluated ? images.valid.length : 0) };
}

/** What trainings need of the frozen part. */
interface FrozenDemand extends Pick<RunConfig, 'views'> {
  readonly trained: number;
  readonly seeds: number;
  readonly evaluated: boolean;
}
