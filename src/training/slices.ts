import type { BackendTraits } from '../backend/traits.js';

/**
 * Images per slice. On a backend a batch is always cut alike, by network, image size and batch size alone, never by
 * cores or free memory: so the sums, and with them every bit of a run, are the same on any machine.
 * @param bytesPerImage activations kept for one image, see {@link file://./shapes.ts}
 * @param traits of the backend that computes
 */
export function sliceSize(
  bytesPerImage: number,
  batchSize: number,
  { maxSlice, sliceBytes }: Pick<BackendTraits, 'maxSlice' | 'sliceBytes'>,
): number {
  return Math.max(1, Math.min(batchSize, maxSlice, Math.floor(sliceBytes / bytesPerImage)));
}

/** The slices of n images as [from, to) in order. */
export function slicesOf(n: number, size: number): { from: number; to: number }[] {
  return Array.from({ length: Math.ceil(n / size) }, (_, i) => ({
    from: i * size,
    to: Math.min(n, (i + 1) * size),
  }));
}
