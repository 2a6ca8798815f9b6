import type { RunConfig } from '../config/run-config.js';
import { type ImageSet, trainingBatches, validationBatches } from '../data/images/batches.js';
import type { Engine } from '../engine/engine.js';
import { openEngine } from '../engine/open-engine.js';
import type { NetworkSetup } from '../engine/params.js';
import { initHead } from '../model/network.js';
import { networkBatches, unstored } from './features.js';
import type { Work, Worked } from './events.js';
import type { TrainingBatch } from './steps.js';
import type { Workbench } from './workbench.js';

/** Images evaluated at a time. The engine slices large batches, so the number does not matter much. */
const EVALUATION_BATCH = 64;

/** The settings that shape network, optimizer and data of a run; a range test has them too. */
export type EngineConfig = Pick<
  RunConfig,
  | 'seed'
  | 'trainable'
  | 'batchSize'
  | 'labelSmoothing'
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
    parameters: weights.parameters,
    head: initHead(weights.backbone.features, images.classNames.length, config.seed),
    firstTrained,
    imageSize,
    labelSmoothing: config.labelSmoothing,
    weightDecay: config.weightDecay,
    headLrMultiplier: config.trainable === 'head' ? 1 : config.headLrMultiplier,
  };
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
