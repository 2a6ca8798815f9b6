import { existsSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { nearest, shellLine } from '../config/options.js';
import { classFlags, effectiveViews, type NetworkConfig } from '../config/run-config.js';
import { FRESH_WEIGHTS, readDefaults, type Settings } from '../config/settings.js';
import { allDataSets, BUNDLED_DATA, findDataSet } from '../data/catalog/catalog.js';
import type { ImageFolder } from '../data/folder/image-folder.js';
import { dataFolder, scanImageFolder } from '../data/folder/scan.js';
import { batchesPerEpoch, type ImageSet, trainingOrder } from '../data/images/batches.js';
import { decodedShortSide } from '../data/images/crop.js';
import { largestSide } from '../data/images/decode.js';
import { decodedConditions } from '../data/images/decoded-cache.js';
import { beginPreparing } from '../data/images/prepare.js';
import { featureShape, fewestNormalizedValues } from '../engine/shapes.js';
import { MissingPathError, UsageError } from '../errors.js';
import { counted } from '../printable.js';
import { calledAs } from '../system.js';
import { freshNetwork, loadBackbone, type LoadedBackbone } from '../model/load/backbone.js';
import { availableWeights } from '../model/load/weights.js';
import { adaptedBackbone, BN_MOMENTUM, firstTrainableBlock } from '../model/network.js';
import { type BenchContext, type OpenBench, wholeBench, type Workbench } from './bench.js';
import { FeatureStore } from './features.js';
import { KeptFeatures } from './kept-features.js';

/** A workbench whose images are being decoded. */
interface DecodingBench {
  /** With all listed images; which of them cannot be used is not known yet. */
  readonly early: OpenBench;
  /** Aborted as soon as one of them cannot be used, or all is over for another reason. */
  readonly failed: AbortSignal;
  /** With the images that can be used; rejects as {@link openWorkbench} does. */
  readonly settled: Promise<Workbench>;
  /** Stops what is under way and closes all benches. */
  close(): void;
}

const MEGABYTE = 1e6;
/** Above this many pixels a side, images are photographs and not thumbnails. */
const THUMBNAIL_SIDE = 64;
export const THUMBNAIL_INPUT = 96;

/** Data and weights that were looked at: the images are listed, and none is decoded yet. */
export interface Survey {
  readonly settings: Settings;
  readonly weights: LoadedBackbone;
  readonly folder: ImageFolder;
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Index of the first trained block. */
  readonly firstTrained: number;
}

/**
 * Reads the weights and lists the images; weights and data that are named are downloaded first. Throws UsageError for whatever is
 * wrong with them, and RunError where they cannot be downloaded.
 */
export async function surveyWorkbench(settings: Settings, context: BenchContext): Promise<Survey> {
  const { emit, signal } = context;
  const { weights, firstTrained } = await startingNetwork(settings, context);
  if (settings.bnMomentum !== undefined && settings.batchNorm === 'fold') {
    emit({
      type: 'warning',
      text: '--bn-momentum has no effect where batch norm is folded: see --batch-norm.',
    });
  }
  const { batchSize, accumulate, classWeights } = settings;
  if (classWeights === 'balanced' && batchSize * accumulate === 1) {
    throw new UsageError(
      '--class-weights balanced has no effect with --batch-size 1: a batch counts the same however much its one image weighs. Give --batch-size 2 or more, or leave the weights out.',
    );
  }
  const folder = await scanImageFolder(await dataAtHand(settings.data, { emit, signal }), {
    valSplit: settings.valSplit,
    seed: settings.splitSeed,
    followLinks: settings.followLinks,
    labels: settings.labels,
    classDepth: settings.classDepth,
  });
  emit({ type: 'data', text: folder.taken });
  const imageSize = settings.imageSize ?? (await defaultImageSize(folder, weights));
  if (imageSize % 32 !== 0) {
    throw new UsageError(
      `Expected a number divisible by 32 for --image-size but received ${imageSize}. Try ${Math.max(32, Math.round(imageSize / 32) * 32)}.`,
    );
  }
  return { settings, weights, folder, imageSize, firstTrained };
}

/**
 * The folder that `--data` means. A data set that is known by this name alone is fetched, where it is not in the cache yet. Throws
 * MissingPathError where the name is nearly that of one.
 */
async function dataAtHand(data: string, { emit, signal }: BenchContext): Promise<string> {
  const folder = await dataFolder(data);
  const set = await findDataSet(data);
  if (existsSync(folder)) {
    if (set !== undefined && folder === data) {
      const text = `--data ${data} is the folder of that name here, not the data set: that is taken where there is no such folder.`;
      emit({ type: 'note', text });
    }
    return folder;
  }
  if (set !== undefined) {
    // Few need what downloads and unpacks.
    const { pullDataSet } = await import('../data/catalog/pull.js');
    const pulled = await pullDataSet(set, {
      signal,
      onProgress: (progress) => emit({ type: 'fetch', name: set.name, ...progress }),
      onNote: (text) => emit({ type: 'note', text }),
    }).catch((error: unknown) => {
      const text = `What has arrived of ${data} is kept: the same command goes on from there.`;
      if (signal.aborted) emit({ type: 'note', text });
      throw error;
    });
    return pulled.folder;
  }
  const names = [BUNDLED_DATA, ...(await allDataSets())].map(({ name }) => name);
  const meant = /[/\\]/u.test(data) ? undefined : nearest(data, names);
  if (meant === undefined) return folder;
  throw new MissingPathError(
    `There is neither a data folder nor a data set named ${data}. Did you mean "${meant}"? Data sets are ${names.join(', ')}.`,
    'data',
  );
}

/**
 * The network that training starts from. Throws UsageError where the settings contradict each other or the weights.
 */
async function startingNetwork(
  settings: Settings,
  context: BenchContext,
): Promise<Pick<Survey, 'weights' | 'firstTrained'>> {
  const { batchNorm, trainable, alpha } = settings;
  const isFresh = settings.weights === FRESH_WEIGHTS;
  requireFreshness(settings, isFresh);
  const kept: Parameters<typeof loadBackbone>[1] = (network) =>
    batchNorm === 'train' ? firstTrainableBlock(network, trainable) : Infinity;
  const loaded = isFresh
    ? freshNetwork(alpha, settings.seed)
    : await loadBackbone(await weightsAtHand(settings.weights, context), kept);
  if (loaded.quantized !== undefined) {
    const text = `The weights in ${settings.weights} are quantized to ${loaded.quantized}: they are less precise than the float32 that they were made from.`;
    context.emit({ type: 'note', text });
  }
  const firstTrained = firstTrainableBlock(loaded.backbone, trainable);
  if (batchNorm === 'train') requireBatchNorm(loaded, firstTrained, settings);
  const { stemStride, bnMomentum = BN_MOMENTUM } = settings;
  const backbone = adaptedBackbone(loaded.backbone, { stemStride, bnMomentum });
  return { weights: { ...loaded, backbone }, firstTrained };
}

/** The file that `--weights` means, downloaded first where it is known by a name and not in the cache yet. */
function weightsAtHand(weights: string, { emit, signal }: BenchContext): Promise<string> {
  return availableWeights(weights, {
    signal,
    onProgress: (progress) => emit({ type: 'fetch', name: weights, ...progress }),
    onNote: (text) => emit({ type: 'note', text }),
  });
}

/** Throws UsageError where a network with random weights is to be half of one, or settings of such a network are given to another. */
function requireFreshness({ trainable, batchNorm, alpha }: Settings, isFresh: boolean): void {
  if (!isFresh) {
    if (alpha === readDefaults().settings.alpha) return;
    throw new UsageError(
      `--alpha ${alpha} is the width of a network that begins with random weights: give --weights none, or leave it out; other weights have their own.`,
    );
  }
  if (trainable !== 'all') {
    throw new UsageError(
      `--weights none begins with random weights, and --trainable ${trainable} would leave some of them as they are. Give --trainable all, or leave it out.`,
    );
  }
  if (batchNorm === 'fold') {
    throw new UsageError(
      '--weights none with --batch-norm fold would be a network without batch norm: with random weights there is nothing to fold yet. Give --batch-norm train, or leave it out.',
    );
  }
}

/** Throws UsageError where not every trained unit has batch norm of its own. */
function requireBatchNorm(
  { backbone: { blocks } }: LoadedBackbone,
  firstTrained: number,
  { trainable, weights }: Settings,
): void {
  if (firstTrained === blocks.length) {
    throw new UsageError(
      `--batch-norm train needs a trained part that has batch norm, but with --trainable ${trainable} the new head is all that is trained. ` +
        'Give --trainable last:N or all, or --batch-norm fold.',
    );
  }
  const without = blocks
    .slice(firstTrained)
    .flatMap(({ units }) => units)
    .find(({ batchNorm }) => batchNorm === undefined);
  if (without === undefined) return;
  throw new UsageError(
    `--batch-norm train needs weights with batch norm, but in ${weights} «${without.name}» has none: it is folded into the convolution already, and cannot be got back. ` +
      'Give weights with BatchNormalization layers, as Keras saves them and the bundled ones have them, or --batch-norm fold.',
  );
}

/** What was made of the network's plan, for the record. */
export function networkConfig(
  { weights: { backbone, fresh } }: Pick<Workbench<ImageSet>, 'weights'>,
  { batchNorm }: Pick<Settings, 'batchNorm'>,
): NetworkConfig {
  const units = backbone.blocks.flatMap((block) => block.units);
  const [momentum = null, ...others] = new Set(units.flatMap((unit) => unit.batchNorm?.momentum ?? []));
  return {
    batchNorm,
    bnMomentum: others.length === 0 ? momentum : null,
    stemStride: units[0]?.stride ?? 2,
    alpha: fresh === true ? backbone.alpha : null,
  };
}

/** Reads data and weights and checks them against each other. Throws UsageError for whatever is wrong with them. */
export async function openWorkbench(settings: Settings, context: BenchContext): Promise<Workbench> {
  return decoded(await surveyWorkbench(settings, context), context);
}

/** Decodes the images of a survey. Throws UsageError where too few can be used. */
export async function decoded(survey: Survey, context: BenchContext): Promise<Workbench> {
  const { settled, close } = beginWorkbench(survey, context);
  try {
    return await settled;
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Does the same, but lets the caller begin while the images are being decoded, those first that are wanted first: by the first epoch,
 * or by the rest of the one in which `from` stands. The caller closes what it gets.
 */
export function beginWorkbench(
  survey: Survey,
  { emit, signal }: BenchContext,
  from = { epoch: 1, step: 0 },
): DecodingBench {
  const { settings, weights, folder, imageSize, firstTrained } = survey;
  requireBatch(settings, folder.train.length, survey);
  const coming = beginPreparing(folder, {
    imageSize,
    strict: settings.strict,
    order: comingOrder(folder.train.length, settings, from),
    cacheBytes: cacheBytes(),
    signal,
    onProgress: (done, total) => emit({ type: 'decode', done, total }),
  });
  const opened: NonNullable<Workbench['features']>[] = [];
  const close = () => {
    coming.close();
    for (const { train, valid, kept } of opened) {
      for (const store of [train, valid]) store.close({ remove: true });
      kept.close();
    }
  };
  const benchOf = <Images extends ImageSet>(images: Images): Workbench<Images> => {
    const features = firstTrained === 0 ? undefined : openFeatureStores(images);
    if (features !== undefined) opened.push(features);
    return { images, weights, imageSize, firstTrained, features, close };
  };
  const bench = benchOf(coming.listed);
  const settled = coming.done.then((images) => {
    requireBatch(settings, images.train.length, survey);
    for (const { path, reason } of images.skipped)
      emit({ type: 'warning', text: `skipped ${path}: ${reason}` });
    for (const text of images.notes) emit({ type: 'warning', text });
    if (images.skipped.length + images.notes.length > 0) {
      const check = shellLine([...calledAs(), 'data', 'check', settings.data, ...classFlags(settings)]);
      emit({ type: 'note', text: `more on these images: ${check}` });
    }
    return coming.failed.aborted ? benchOf(images) : { ...bench, images };
  });
  const whole = settled.then((settledBench) => {
    coming.failed.throwIfAborted();
    return settledBench;
  });
  // Not everybody who begins waits for both.
  for (const promise of [settled, whole]) promise.catch(() => undefined);
  return { early: { bench, whole }, failed: coming.failed, settled, close };

  function openFeatureStores({ train, valid }: ImageSet) {
    const shape = featureShape(weights.backbone, firstTrained, imageSize);
    return {
      train: FeatureStore.create(shape, train.length * effectiveViews(settings), cacheBytes()),
      valid: FeatureStore.create(shape, valid.length, cacheBytes()),
      kept: new KeptFeatures(decodedConditions(decodedShortSide(imageSize))),
    };
  }
}

/** The order in which training images are wanted from a step of an epoch on; those of its steps before come last. */
function comingOrder(
  n: number,
  { seed, batchSize }: Pick<Settings, 'seed' | 'batchSize'>,
  { epoch, step }: { readonly epoch: number; readonly step: number },
): Int32Array {
  const order = trainingOrder(n, seed, epoch);
  const done = (step - (epoch - 1) * batchesPerEpoch(n, batchSize)) * batchSize;
  return Int32Array.from([...order.subarray(done), ...order.subarray(0, done)]);
}

/**
 * Throws UsageError where a batch would need more images than there are to train on, and where one of an epoch's would be too small
 * for batch norm in training mode.
 */
export function requireBatch(
  { batchSize }: Pick<Settings, 'batchSize'>,
  trainImages: number,
  { folder: { root }, weights, imageSize }: Pick<Survey, 'folder' | 'weights' | 'imageSize'>,
): void {
  if (batchSize > trainImages) {
    throw new UsageError(
      `--batch-size is ${batchSize}, more than the ${counted(trainImages, 'training image')} in ${root}. Give --batch-size ${trainImages} or less, or add images.`,
    );
  }
  const smallest = (size: number) => (trainImages % size === 0 ? size : trainImages % size);
  const values = fewestNormalizedValues(weights.backbone, imageSize);
  const fits = (size: number) => smallest(size) * values > 1;
  if (fits(batchSize)) return;
  const sizes = Array.from({ length: trainImages }, (_, i) => i + 1).filter(fits);
  const near = [sizes.findLast((size) => size < batchSize), sizes.find((size) => size > batchSize)];
  const advice = near.flatMap((size) => (size === undefined ? [] : [`--batch-size ${size}`]));
  throw new UsageError(
    `With --batch-norm train a batch of 1 image cannot be normalized where the network's maps are 1 x 1, as they are at ${imageSize} pixels: each channel has a single value there. ` +
      `Of ${trainImages} images in batches of ${batchSize} ${batchSize === 1 ? 'each' : 'the last'} has 1. ` +
      `Give ${[...advice, `--image-size ${2 * imageSize}`].join(' or ')}.`,
  );
}

/** What one cache may keep in memory, in bytes; the rest goes to a temporary file. */
function cacheBytes(): number {
  return Math.min(1000 * MEGABYTE, totalmem() / 8, freemem() / 2);
}

async function defaultImageSize(
  folder: Parameters<typeof largestSide>[0],
  weights: LoadedBackbone,
): Promise<number> {
  return (await largestSide(folder)) <= THUMBNAIL_SIDE ? THUMBNAIL_INPUT : weights.backbone.trainedSize;
}

/**
 * Works on images while they are being decoded, as if each could be used. Where one cannot, that work is stopped and thrown away,
 * and done again from its start on those that can: its result does not depend on when an image was decoded.
 *
 * @param work ends with an error if `whole` does, and leaves nothing behind then; its signal is aborted then too
 */
export async function whileDecoding<Result>(
  { early, failed, settled, close }: DecodingBench,
  { emit, signal }: BenchContext,
  work: (open: OpenBench, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  try {
    try {
      return await work(early, AbortSignal.any([signal, failed]));
    } catch (error) {
      if (!failed.aborted) throw error;
    }
    const bench = await settled;
    emit({ type: 'note', text: 'starting again without the images that cannot be used' });
    return await work(wholeBench(bench), signal);
  } finally {
    close();
  }
}
