import { freemem, totalmem } from 'node:os';
import type { Settings } from '../config/default-settings.js';
import { UsageError } from '../errors/errors.js';
import { effectiveViews, type RunConfig } from '../config/run-config.js';
import { batchesPerEpoch } from '../data/batches.js';
import { dataFolder } from '../data/data-folder.js';
import { prepareImages, type PreparedImages } from '../data/prepare-images.js';
import { openImageStore, type ImageStoreHandle } from '../data/image-store.js';
import { largestSide } from '../data/largest-side.js';
import { scanImageFolder } from '../data/scan-image-folder.js';
import { loadBackbone, type LoadedBackbone } from '../model/load-backbone.js';
import { resolveWeights } from '../model/resolve-weights.js';
import { firstTrainableBlock } from '../model/trainable-blocks.js';
import { FeatureStore, type FeatureStoreHandle } from '../training/feature-store.js';
import { featureShape } from '../training/shapes.js';
import type { Emit } from './events.js';

/** What the runs of one experiment share: decoded images, weights, and the frozen part's features. */
export interface Workbench {
  readonly images: PreparedImages;
  readonly weights: LoadedBackbone;
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Index of the first trained block. */
  readonly firstTrained: number;
  /** Features of (image, view) and of the validation images; absent where nothing is frozen. */
  readonly features: { readonly train: FeatureStore; readonly valid: FeatureStore } | undefined;
  /** Frees caches and removes temporary files. */
  close(): void;
}

/** A workbench as plain data: other threads of the process work on the same memory. */
export interface WorkbenchHandle extends Omit<Workbench, 'images' | 'features' | 'close'> {
  readonly images: Omit<PreparedImages, 'store'>;
  readonly store: ImageStoreHandle;
  readonly features: { readonly train: FeatureStoreHandle; readonly valid: FeatureStoreHandle } | undefined;
}

const MEGABYTE = 1e6;
/** Above this many pixels a side, images are photographs and not thumbnails. */
const THUMBNAIL_SIDE = 64;
const THUMBNAIL_INPUT = 96;

/** Reads data and weights and checks them against each other. Throws UsageError for whatever is wrong with them. */
export async function openWorkbench(
  settings: Settings,
  { emit, signal }: { readonly emit: Emit; readonly signal: AbortSignal },
): Promise<Workbench> {
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
  const images = await prepareImages(folder, {
    imageSize,
    strict: settings.strict,
    cacheBytes: cacheBytes(),
    signal,
    onProgress: (done, total) => emit({ type: 'decode', done, total }),
  });
  if (settings.batchSize > images.train.length) {
    images.store.close();
    throw new UsageError(
      `Expected at most ${images.train.length} for --batch-size, the number of training images in ${folder.root}, ` +
        `but received ${settings.batchSize}. Give --batch-size ${images.train.length} or less, or add images.`,
    );
  }
  for (const { path, reason } of images.skipped) emit({ type: 'note', text: `skipped ${path}: ${reason}` });
  for (const text of images.notes) emit({ type: 'note', text });
  const features = firstTrained === 0 ? undefined : openFeatureStores();
  return {
    images,
    weights,
    imageSize,
    firstTrained,
    features,
    close() {
      features?.train.close({ remove: true });
      features?.valid.close({ remove: true });
      images.store.close();
    },
  };

  function openFeatureStores() {
    const shape = featureShape(weights.backbone, firstTrained, imageSize);
    return {
      train: FeatureStore.create(shape, images.train.length * effectiveViews(settings), cacheBytes()),
      valid: FeatureStore.create(shape, images.valid.length, cacheBytes()),
    };
  }
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

/** What another thread needs to work on the same bench. */
export function workbenchHandle({
  images: { store, ...images },
  features,
  weights,
  imageSize,
  firstTrained,
}: Workbench): WorkbenchHandle {
  return {
    images,
    store: store.handle,
    weights,
    imageSize,
    firstTrained,
    features: features && { train: features.train.handle, valid: features.valid.handle },
  };
}

/** The bench of a handle, in a thread that does not own it. */
export function attachWorkbench({ store, features, ...handle }: WorkbenchHandle): Workbench {
  const stores = features && {
    train: new FeatureStore(features.train),
    valid: new FeatureStore(features.valid),
  };
  return {
    ...handle,
    images: { ...handle.images, store: openImageStore(store) },
    features: stores,
    close() {
      stores?.train.close({ remove: false });
      stores?.valid.close({ remove: false });
    },
  };
}

/** Mini-batches of an epoch, the last and smaller one included. */
export function stepsPerEpoch(
  { images }: Pick<Workbench, 'images'>,
  { batchSize }: Pick<RunConfig, 'batchSize'>,
): number {
  return batchesPerEpoch(images.train.length, batchSize);
}
