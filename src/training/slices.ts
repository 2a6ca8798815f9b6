/** What one slice's kept activations may take, in bytes: several workers fit beside each other in a 4 GB heap. */
const SLICE_BYTES = 400e6;
/** Larger slices bring nothing on a CPU: their activations leave the cache. */
const MAX_SLICE = 8;

/**
 * Images per slice. A batch is always cut alike, by network, image size and batch size alone, never by
 * cores or free memory: so the sums, and with them every bit of a run, are the same on any machine.
 * @param bytesPerImage activations kept for one image, see {@link file://./shapes.ts}
 */
export function sliceSize(bytesPerImage: number, batchSize: number): number {
  return Math.max(1, Math.min(batchSize, MAX_SLICE, Math.floor(SLICE_BYTES / bytesPerImage)));
}

/** The slices of n images as [from, to) in order. */
export function slicesOf(n: number, size: number): { from: number; to: number }[] {
  return Array.from({ length: Math.ceil(n / size) }, (_, i) => ({
    from: i * size,
    to: Math.min(n, (i + 1) * size),
  }));
}
