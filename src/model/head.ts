/** Name of the new classification layer; its parameters are head/kernel and head/bias. */
export const HEAD = 'head';

/** Weights of the classification layer: kernel [features, classes] row by row, bias [classes]. */
export interface Head {
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
}
