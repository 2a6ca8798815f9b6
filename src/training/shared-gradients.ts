import * as tf from '@tensorflow/tfjs-core';
import { copyToRow, sumRows } from '../backend/gradient-rows.js';

/**
 * Gradients of a batch's slices in memory that threads share: one row of all parameters for each slice.
 *
 * Every replica sums the rows itself, in index order, so that all replicas hold the same bits whoever
 * computed which slice, and no weights need to be sent round.
 */
export class SharedGradients {
  private readonly rows: readonly Float32Array[];
  /** The batch's gradients by parameter name; made once, for a step makes enough garbage without them. */
  private readonly totals: ReadonlyMap<string, tf.Variable>;

  constructor(
    variables: ReadonlyMap<string, tf.Variable>,
    readonly buffer: SharedArrayBuffer,
  ) {
    const length = rowLength(variables);
    const all = new Float32Array(buffer);
    this.rows = Array.from({ length: all.length / length }, (_, i) =>
      all.subarray(i * length, (i + 1) * length),
    );
    this.totals = new Map([...variables].map(([name, { shape }]) => [name, zeros(shape)]));
  }

  static allocate(variables: ReadonlyMap<string, tf.Variable>, slices: number): SharedArrayBuffer {
    return new SharedArrayBuffer(rowLength(variables) * slices * Float32Array.BYTES_PER_ELEMENT);
  }

  /** Keeps one slice's gradients. */
  write(slice: number, gradients: ReadonlyMap<string, tf.Tensor>): void {
    const row = this.rows[slice];
    if (row === undefined) throw new RangeError(`no row for slice ${slice}`);
    const inOrder = [...this.totals.keys()].map((name) => {
      const gradient = gradients.get(name);
      if (gradient === undefined) throw new Error(`no gradient for ${name}`);
      return gradient;
    });
    copyToRow(inOrder, row);
  }

  /** The batch's gradients: rows 0 to slices - 1 added in that order; valid until the next call. */
  sum(slices: number): ReadonlyMap<string, tf.Tensor> {
    sumRows([...this.totals.values()], this.rows.slice(0, slices));
    return this.totals;
  }

  dispose(): void {
    tf.dispose([...this.totals.values()]);
  }
}

function zeros(shape: number[]): tf.Variable {
  return tf.tidy(() => tf.variable(tf.zeros(shape), false));
}

function rowLength(variables: ReadonlyMap<string, tf.Variable>): number {
  return [...variables.values()].reduce((sum, variable) => sum + variable.size, 0);
}
