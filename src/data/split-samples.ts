import { permutation, randomStream } from '../random/streams.js';

/** The two sides of a split, each in the order given. */
export interface SplitPaths {
  readonly train: string[];
  readonly valid: string[];
}

/**
 * Holds out a share of one class's images for validation, at least one on each side, by seed and class
 * name alone: other classes, and the folder's place on disk, change nothing.
 * Throws RangeError for a class with fewer than two images.
 */
export function splitClass(
  className: string,
  paths: readonly string[],
  share: number,
  seed: number,
): SplitPaths {
  if (paths.length < 2)
    throw new RangeError(`class ${className} has ${paths.length} images, too few to split`);
  const heldOut = Math.min(Math.max(Math.round(paths.length * share), 1), paths.length - 1);
  const order = permutation(paths.length, randomStream(seed, 'split', className));
  const chosen = new Set(order.subarray(0, heldOut));
  return {
    train: paths.filter((_, i) => !chosen.has(i)),
    valid: paths.filter((_, i) => chosen.has(i)),
  };
}
