import type { PreparedImages } from '../data/images/prepare.js';
import { type ImageStoreHandle, openImageStore } from '../data/images/store.js';
import type { Conditions } from '../fetch/value-cache.js';
import { FeatureStore, type FeatureStoreHandle } from './features.js';
import { KeptFeatures } from './kept-features.js';
import type { Workbench } from './bench.js';

/** A workbench as plain data, for other threads of the process: they share its memory. */
export interface WorkbenchHandle extends Omit<Workbench, 'images' | 'features' | 'close'> {
  readonly images: Omit<PreparedImages, 'store'>;
  readonly store: ImageStoreHandle;
  readonly features:
    | { readonly train: FeatureStoreHandle; readonly valid: FeatureStoreHandle; readonly kept: Conditions }
    | undefined;
}

/** The handle of a bench, for another thread. */
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
    features: features && {
      train: features.train.handle,
      valid: features.valid.handle,
      kept: features.kept.images,
    },
  };
}

/** The bench of a handle, in another thread. Its `close` leaves the owner's memory and files alone. */
export function attachWorkbench({ store, features, ...handle }: WorkbenchHandle): Workbench {
  const stores = features && {
    train: new FeatureStore(features.train),
    valid: new FeatureStore(features.valid),
    kept: new KeptFeatures(features.kept),
  };
  return {
    ...handle,
    images: { ...handle.images, store: openImageStore(store) },
    features: stores,
    close() {
      stores?.train.close({ remove: false });
      stores?.valid.close({ remove: false });
      stores?.kept.close();
    },
  };
}
