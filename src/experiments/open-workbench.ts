import { freemem, totalmem } from 'node:os';
import type { Settings } from '../config/default-settings.js';
import { effectiveViews } from '../config/run-config.js';
import { trainingOrder } from '../data/batches.js';
import { dataFolder } from '../data/data-folder.js';
import type { ImageSet } from '../data/image-set.js';
import { largestSide } from '../data/largest-side.js';
import { beginPreparing } from '../data/prepare-images.js';
import { scanImageFolder } from '../data/scan-image-folder.js';
import { UsageError } from '../errors/errors.js';
import { loadBackbone, type LoadedBackbone } from '../model/load-backbone.js';
import { resolveWeights } from '../model/resolve-weights.js';
import { firstTrainableBlock } from '../model/trainable-blocks.js';
import { FeatureStore } from '../training/feature-store.js';
import { featureShape } from '../training/shapes.js';
import type { Emit } from './events.js';
import type { OpenBench, Workbench } from './workbench.js';

/** A workbench whose images are being decoded. */
export interface DecodingBench {
  /** With all images that are listed, in the hope that each can be decoded. */
  readonly hoped: OpenBench;
  /** Aborted as soon as that hope fails, for whatever reason. */
  readonly dashed: AbortSignal;
  /** With the images that can be used; rejects as {@link openWorkbench} does. */
  readonly settled: Promise<Workbench>;
  /** Stops what is under way and closes all benches. */
  close(): void;
}

/** Whom a bench tells what it does, and who stops it. */
export interface BenchContext {
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

const MEGABYTE = 1e6;
/** Above this many pixels a side, images are photographs and not thumbnails. */
const THUMBNAIL_SIDE = 64;
const THUMBNAIL_INPUT = 96;

/** Reads data and weights and checks them against each other. Throws UsageError for whatever is wrong with them. */
export async function openWorkbench(settings: Settings, context: BenchContext): Promise<Workbench> {
  const { settled, close } = await beginWorkbench(settings, context);
  try {
    return await settled;
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Does the same, but lets the caller begin while the images are being decoded, those first that the first epoch wants first.
 * The caller closes what it gets.
 */
export async function beginWorkbench(
  settings: Settings,
  { emit, signal }: BenchContext,
): Promise<DecodingBench> {
  const weights = await loadBackbone(resolveWeights(settings.weights));
  const firstTrained = firstTrainableBlock(weights.backbone, settings.trainable);
  const folder = await scanImageFolder(await dataFolder(settings.data), {
    valSplit: settings.valSplit,
    seed: settings.splitSeed ?? settings.seed,
    followLinks: settings.followLinks,
  });
  const imageSize = settings.imageSize ?? (await defaultImageSize(folder, weights));
  if (imageSize % 32 !== 0) {
    throw new UsageError(
      `Expected a number divisible by 32 for --image-size but received ${imageSize}. Try ${Math.max(32, Math.round(imageSize / 32) * 32)}.`,
    );
  }
  requireBatch(settings, folder.train.length, folder.root);
  const coming = beginPreparing(folder, {
    imageSize,
    strict: settings.strict,
    order: trainingOrder(folder.train.length, settings.seed, 1),
    cacheBytes: cacheBytes(),
    signal,
    onProgress: (done, total) => emit({ type: 'decode', done, total }),
  });
  const stores: FeatureStore[] = [];
  const close = () => {
    coming.close();
    for (const store of stores) store.close({ remove: true });
  };
  const benchOf = <Images extends ImageSet>(images: Images): Workbench<Images> => {
    const features = firstTrained === 0 ? undefined : openFeatureStores(images);
    stores.push(...Object.values(features ?? {}));
    return { images, weights, imageSize, firstTrained, features, close };
  };
  const bench = benchOf(coming.hoped);
  const settled = coming.done.then((images) => {
    requireBatch(settings, images.train.length, folder.root);
    for (const { path, reason } of images.skipped) emit({ type: 'note', text: `skipped ${path}: ${reason}` });
    for (const text of images.notes) emit({ type: 'note', text });
    return coming.dashed.aborted ? benchOf(images) : { ...bench, images };
  });
  const whole = settled.then((settledBench) => {
    coming.dashed.throwIfAborted();
    return settledBench;
  });
  // Not everybody who begins waits for both.
  for (const promise of [settled, whole]) promise.catch(() => undefined);
  return { hoped: { bench, whole }, dashed: coming.dashed, settled, close };

  function openFeatureStores({ train, valid }: ImageSet) {
    const shape = featureShape(weights.backbone, firstTrained, imageSize);
    return {
      train: FeatureStore.create(shape, train.length * effectiveViews(settings), cacheBytes()),
      valid: FeatureStore.create(shape, valid.length, cacheBytes()),
    };
  }
}

function requireBatch({ batchSize }: Settings, trainImages: number, root: string): void {
  if (batchSize <= trainImages) return;
  throw new UsageError(
    `Expected at most ${trainImages} for --batch-size, the number of training images in ${root}, ` +
      `but received ${batchSize}. Give --batch-size ${trainImages} or less, or add images.`,
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
