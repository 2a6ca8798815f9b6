import type { StoredSample } from './image-folder.js';
import type { ImageStore } from './image-store.js';

/** Images to learn from and to be judged by. */
export interface ImageSet {
  readonly classNames: readonly string[];
  readonly train: readonly StoredSample[];
  readonly valid: readonly StoredSample[];
  readonly store: ImageStore;
  /**
   * While some may still be on their way: resolves once an image is in the store, and rejects where it will not come. Absent where
   * all are there.
   */
  readonly arrival?: ((image: number) => Promise<void>) | undefined;
}
