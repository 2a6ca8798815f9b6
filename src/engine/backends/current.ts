import { UsageError } from '../../errors.js';
import type { BackendName } from './backend-info.js';

let current: BackendName | undefined;

/** The backend that computes in this thread. Throws where none was started. */
export function currentBackend(): BackendName {
  if (current === undefined) throw new Error('no backend was started');
  return current;
}

/** From here on that backend computes. */
export function setCurrentBackend(name: BackendName): void {
  current = name;
}

/** How training is arranged on a backend. */
export interface BackendTraits {
  /** Several threads can share a batch. */
  readonly threads: boolean;
  /** Steps between two looks at the loss: reading makes host and device wait for each other. */
  readonly lossEvery: number;
  /** Most images of a slice, and the most bytes that its activations may take. */
  readonly maxSlice: number;
  readonly sliceBytes: number;
  /** Positions of the smallest trained map after which a slice with more images is no faster. */
  readonly slicePositions: number;
}

/** Small slices stay in the cache, give work to more threads and fit beside each other on a heap of 4 GB. */
const PROCESSOR: BackendTraits = {
  ...{ threads: false, lossEvery: 1 },
  ...{ maxSlice: 8, sliceBytes: 400e6, slicePositions: 64 },
};
/** A device wants as much work as one launch can hold. */
const DEVICE: BackendTraits = {
  ...{ threads: false, lossEvery: 10 },
  ...{ maxSlice: 64, sliceBytes: 2e9, slicePositions: Infinity },
};

/** The traits of a backend by name, or of the current one. They depend on the name alone, never on the machine. */
export function backendTraits(name: string = currentBackend()): BackendTraits {
  if (name === 'tensorflow' || name === 'webgpu') return DEVICE;
  return { ...PROCESSOR, threads: name === 'wasm' };
}

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
