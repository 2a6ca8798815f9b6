import { UsageError } from '../errors/errors.js';

let largestBuffer = Infinity;

/** The largest buffer in bytes that the device in use binds; more makes zeros of results instead of an error. */
export function setLargestBuffer(bytes: number): void {
  largestBuffer = bytes;
}

/**
 * Checks, before the first step, that the largest activation fits the device.
 * @param bytesPerImage of that activation
 * @param images computed at a time
 * @throws UsageError naming the batch size that would fit
 */
export function requireFits(bytesPerImage: number, images: number): void {
  if (bytesPerImage * images <= largestBuffer) return;
  const fits = Math.floor(largestBuffer / bytesPerImage);
  const advice = fits === 0 ? 'Lower --image-size' : `--batch-size ${fits} fits`;
  throw new UsageError(
    `${images} images at a time make an activation of ${megabytes(bytesPerImage * images)} MB, and the device's buffers end at ${megabytes(largestBuffer)} MB. ${advice}; or use --backend wasm.`,
  );
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
