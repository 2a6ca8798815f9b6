import { engine, type NamedAttrMap, type Tensor, type Variable } from '@tensorflow/tfjs-core';

/** What the kernel `CopyToRow` takes: where the values of all inputs go, one after another. */
export interface CopyToRowAttributes {
  readonly row: Float32Array;
}

/** What the kernel `SumRows` takes: rows, each as long as all inputs together. */
export interface SumRowsAttributes {
  readonly rows: readonly Float32Array[];
}

/** Copies tensors into a row of memory, one after another. On wasm alone. */
export function copyToRow(tensors: readonly Tensor[], row: Float32Array): void {
  run('CopyToRow', tensors, { row });
}

/** Sets the variables, which lie in a row one after another, to the sum of the rows in that order. On wasm alone. */
export function sumRows(targets: readonly Variable[], rows: readonly Float32Array[]): void {
  run('SumRows', targets, { rows });
}

function run(
  kernel: string,
  tensors: readonly Tensor[],
  attributes: CopyToRowAttributes | SumRowsAttributes,
) {
  // Keys that are indices keep their order. tfjs types attributes as numbers and strings, and passes them on as they are.
  engine().runKernel(kernel, Object.fromEntries(tensors.entries()), attributes as unknown as NamedAttrMap);
}
