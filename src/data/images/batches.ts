import { hash32, permutation, randomStream, type RandomStream } from '../../random.js';
import type { StoredSample } from '../folder/image-folder.js';
import { type Augment, trainingBox, validationBox } from './crop.js';
import { type Batch, type DecodedImage, WHOLE } from './image.js';
import type { ImageStore } from './store.js';

/** Images to learn from and to be judged by. */
export interface ImageSet {
  readonly classNames: readonly string[];
  readonly train: readonly StoredSample[];
  readonly valid: readonly StoredSample[];
  readonly store: ImageStore;
  /**
   * While some are still being decoded: resolves once an image is in the store, and rejects where it will not be. Absent where
   * all are there.
   */
  readonly arrival?: ((image: number) => Promise<void>) | undefined;
}

/** What decides an epoch's batches, besides the images. */
export interface EpochOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** Counts from 1. */
  readonly epoch: number;
  readonly augment: Augment;
  /** Number K of fixed augmented views an image has; a fresh augmentation each epoch where undefined. */
  readonly views?: number | undefined;
  /** All are where undefined. */
  readonly needs?: Needs | undefined;
}

/** A batch before its pixels are read. */
type BatchPlan = Omit<Batch, 'images'>;

/**
 * Whether an image's pixels are needed, by its position in the list and its view. The others are neither read nor cropped: in the
 * batch they are images without pixels.
 */
export type Needs = (index: number, view: number) => boolean;

const ALL: Needs = () => true;
const UNSEEN: DecodedImage = { pixels: new Uint8Array(0), height: 0, width: 0, downscaled: false };

/** The order in which an epoch visits n training images. */
export function trainingOrder(n: number, seed: number, epoch: number): Int32Array {
  return permutation(n, randomStream(seed, 'shuffle', epoch));
}

/** Which of its views, 0 to views - 1, an image shows in an epoch: each in turn, from a start of its own. */
export function viewOf(epoch: number, path: string, views: number, seed: number): number {
  return (epoch + (hash32(seed, 'view', path) >>> 0)) % views;
}

/** Batches in an epoch of n images; the last may be smaller. */
export function batchesPerEpoch(n: number, batchSize: number): number {
  if (!(Number.isSafeInteger(batchSize) && batchSize > 0)) throw new RangeError(`batchSize is ${batchSize}`);
  return Math.ceil(n / batchSize);
}

/**
 * The plan of batch `step` (from 0) of an epoch: a function of its arguments alone, so that any batch can
 * be had again. Throws RangeError for a step outside the epoch.
 * @param order the epoch's order, where it is at hand
 */
export function planBatch(
  { train, store }: ImageSet,
  options: EpochOptions,
  step: number,
  order = trainingOrder(train.length, options.seed, options.epoch),
): BatchPlan {
  const { needs = ALL } = options;
  const batches = batchesPerEpoch(train.length, options.batchSize);
  if (!(Number.isInteger(step) && step >= 0 && step < batches))
    throw new RangeError(`no batch ${step} of ${batches}`);
  const indices = batchIndices(order, options.batchSize, step);
  const samples = samplesAt(train, indices);
  const views = Int32Array.from(samples, ({ path }) =>
    options.views === undefined ? -1 : viewOf(options.epoch, path, options.views, options.seed),
  );
  const boxes = samples.map(({ path, image }, i) =>
    needs(indices[i] ?? 0, views[i] ?? -1)
      ? trainingBox(store.size(image), augmentation(path, views[i] ?? -1, options), options.augment)
      : WHOLE,
  );
  return { boxes, labels: labelsOf(samples), indices, views };
}

/**
 * An epoch's batches from `fromStep` (of this epoch, from 0) on, each image exactly once, the last batch
 * smaller where it must be. Where images lie in a file, one batch is read ahead.
 */
export async function* trainingBatches(
  images: ImageSet,
  options: EpochOptions & { readonly fromStep?: number | undefined },
): AsyncGenerator<Batch, void, undefined> {
  const { train } = images;
  const order = trainingOrder(train.length, options.seed, options.epoch);
  const plans = async function* () {
    const end = batchesPerEpoch(train.length, options.batchSize);
    for (let step = options.fromStep ?? 0; step < end; step++) {
      await arrived(images, samplesAt(train, batchIndices(order, options.batchSize, step)));
      yield planBatch(images, options, step, order);
    }
  };
  yield* withPixels(plans(), train, images.store, options.needs);
}

/** All validation images in order, each seen once through the validation crop. */
export async function* validationBatches(
  images: ImageSet,
  batchSize: number,
  needs?: Needs,
): AsyncGenerator<Batch, void, undefined> {
  const { valid, store } = images;
  const plans = async function* (): AsyncGenerator<BatchPlan, void> {
    for (let step = 0; step < batchesPerEpoch(valid.length, batchSize); step++) {
      const begin = step * batchSize;
      const samples = valid.slice(begin, begin + batchSize);
      await arrived(images, samples);
      yield {
        boxes: samples.map(({ image }) => validationBox(store.size(image))),
        labels: labelsOf(samples),
        indices: Int32Array.from(samples, (_, i) => begin + i),
        views: new Int32Array(samples.length).fill(-1),
      };
    }
  };
  yield* withPixels(plans(), valid, store, needs);
}

/** Waits for images that are still being decoded. */
async function arrived({ arrival, store }: ImageSet, samples: readonly StoredSample[]): Promise<void> {
  if (arrival === undefined) return;
  for (const { image } of samples) if (!store.has(image)) await arrival(image);
}

async function* withPixels(
  plans: AsyncIterator<BatchPlan, void>,
  samples: readonly StoredSample[],
  store: ImageStore,
  needs = ALL,
): AsyncGenerator<Batch, void, undefined> {
  const load = async (): Promise<Batch | undefined> => {
    const next = await plans.next();
    if (next.done === true) return undefined;
    const { indices, views } = next.value;
    const images = samplesAt(samples, indices).map(({ image }, i) =>
      needs(indices[i] ?? 0, views[i] ?? -1) ? store.readAhead(image) : UNSEEN,
    );
    return { images: await Promise.all(images), ...next.value };
  };
  let ahead: Promise<Batch | undefined> | undefined;
  try {
    for (let batch = await load(); batch !== undefined; batch = await (ahead ?? load())) {
      ahead = store.spilled ? load() : undefined;
      // Its failure is thrown when its turn comes, not as an unhandled rejection before.
      ahead?.catch(() => undefined);
      yield batch;
    }
  } finally {
    // A reader who leaves early may close the store next: no read may then be under way.
    await ahead?.catch(() => undefined);
  }
}

/**
 * The random numbers of one image's augmentation. Those of a view depend on image and view alone, not on
 * the seed: features computed once for a view then serve every run and arm.
 */
function augmentation(path: string, view: number, { seed, epoch }: EpochOptions): RandomStream {
  return view >= 0 ? randomStream(0, 'augment-view', path, view) : randomStream(seed, 'augment', epoch, path);
}

const batchIndices = (order: Int32Array, batchSize: number, step: number) =>
  order.slice(step * batchSize, (step + 1) * batchSize);

function samplesAt(samples: readonly StoredSample[], indices: Int32Array): StoredSample[] {
  return Array.from(indices, (index) => {
    const sample = samples[index];
    if (sample === undefined) throw new RangeError(`no image ${index} of ${samples.length}`);
    return sample;
  });
}

const labelsOf = (samples: readonly StoredSample[]) => Int32Array.from(samples, ({ label }) => label);
