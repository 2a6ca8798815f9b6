import { currentBackend } from './current.js';

/** How training is arranged on a backend. */
export interface BackendTraits {
  /** Several threads can share a batch. */
  readonly threads: boolean;
  /** Steps between two looks at the loss: reading makes host and device wait for each other. */
  readonly lossEvery: number;
  /** Most images of a slice, and the most bytes that its activations may take. */
  readonly maxSlice: number;
  readonly sliceBytes: number;
}

/** Small slices stay in the cache, and those of several threads fit beside each other on a heap of 4 GB. */
const PROCESSOR: BackendTraits = { threads: false, lossEvery: 1, maxSlice: 8, sliceBytes: 400e6 };
/** A device wants as much work as one launch can hold. */
const DEVICE: BackendTraits = { threads: false, lossEvery: 10, maxSlice: 64, sliceBytes: 2e9 };

/** The traits of a backend by name, or of the current one. They depend on the name alone, never on the machine. */
export function backendTraits(name: string = currentBackend()): BackendTraits {
  if (name === 'tensorflow' || name === 'webgpu') return DEVICE;
  return { ...PROCESSOR, threads: name === 'wasm' };
}
