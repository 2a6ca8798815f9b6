import type { KernelBackend, Tensor } from '@tensorflow/tfjs-core';

/** Work that a device has recorded: programs, their order and the buffers they go over. */
export interface Recording {
  /**
   * Does it again, with other inputs of the same shapes. The results have the same bits as the work itself would give them.
   * @returns new tensors, as many as the work returned; the caller disposes them
   */
  replay(inputs: readonly Tensor[]): Tensor[];
  /** Gives back its buffers. */
  dispose(): void;
}

/** Records work on a device, for which issuing a program anew costs more than the program. */
export interface Recorder {
  /**
   * Does the work and records it. What is to differ from one time to the next must come in through `inputs`; other tensors may
   * change in place alone, and must be on the device, as they are after the same work was done once unrecorded.
   * @param work gets the inputs in buffers that the recording keeps; disposes all it makes but what it returns
   * @returns what `Recording.replay` returns too
   */
  record(
    inputs: readonly Tensor[],
    work: (inputs: readonly Tensor[]) => readonly Tensor[],
  ): { readonly results: Tensor[]; readonly recording: Recording };
}

const recorders = new WeakMap<KernelBackend, Recorder>();

/** That backend can record. */
export function setRecorder(backend: KernelBackend, recorder: Recorder): void {
  recorders.set(backend, recorder);
}

/** The recorder of a backend that has one. */
export function recorderOf(backend: KernelBackend): Recorder | undefined {
  return recorders.get(backend);
}
