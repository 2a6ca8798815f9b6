import { batchesPerEpoch } from '../data/batches.js';
import type { RunConfig } from '../config/run-config.js';
import type { ImageSet } from '../data/image-set.js';
import type { PreparedImages } from '../data/prepare-images.js';
import type { LoadedBackbone } from '../model/load-backbone.js';
import type { FeatureStore } from '../training/feature-store.js';

/** What the runs of one experiment share: decoded images, weights, and the frozen part's features. */
export interface Workbench<Images extends ImageSet = PreparedImages> {
  readonly images: Images;
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

/** A workbench to begin on, some of whose images may still be on their way. */
export interface OpenBench {
  readonly bench: Workbench<ImageSet>;
  /** The same with all its images, once they are there; rejects where some will not come. */
  readonly whole: Promise<Workbench>;
}

/** A bench all of whose images are there. */
export function wholeBench(bench: Workbench): OpenBench {
  return { bench, whole: Promise.resolve(bench) };
}

/** Mini-batches of an epoch, the last and smaller one included. */
export function stepsPerEpoch(
  { images }: Pick<Workbench<ImageSet>, 'images'>,
  { batchSize }: Pick<RunConfig, 'batchSize'>,
): number {
  return batchesPerEpoch(images.train.length, batchSize);
}
