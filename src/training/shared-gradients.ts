import * as tf from '@tensorflow/tfjs-core';

/**
 * Gradients of a batch's slices in memory that threads share: one row of all parameters for each slice.
 *
 * Every replica sums the rows itself, in index order, so that all replicas hold the same bits whoever
 * computed which slice, and no weights need to be sent round.
 */
export class SharedGradients {
  private readonly rows: Float32Array;
  private readonly length: number;

  constructor(
    private readonly variables: ReadonlyMap<string, tf.Variable>,
    readonly buffer: SharedArrayBuffer,
  ) {
    this.rows = new Float32Array(buffer);
    this.length = rowLength(variables);
  }

  static allocate(variables: ReadonlyMap<string, tf.Variable>, slices: number): SharedArrayBuffer {
    return new SharedArrayBuffer(rowLength(variables) * slices * Float32Array.BYTES_PER_ELEMENT);
  }

  /** Keeps one slice's gradients. */
  async write(slice: number, gradients: ReadonlyMap<string, tf.Tensor>): Promise<void> {
    let at = slice * this.length;
    for (const [name, variable] of this.variables) {
      const values = await gradients.get(name)?.data<'float32'>();
      if (values === undefined) throw new Error(`no gradient for ${name}`);
      this.rows.set(values, at);
      at += variable.size;
    }
  }

  /** The batch's gradients: rows 0 to slices - 1 added in that order; the caller disposes the tensors. */
  sum(slices: number): Map<string, tf.Tensor> {
    const total = this.rows.slice(0, this.length);
    for (let slice = 1; slice < slices; slice++) {
      const row = this.rows.subarray(slice * this.length, (slice + 1) * this.length);
      // Stored back as float32 at every addition: the same rounding as on a backend.
      for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (row[i] ?? 0);
    }
    let at = 0;
    return new Map(
      [...this.variables].map(([name, variable]) => {
        const values = total.subarray(at, at + variable.size);
        at += variable.size;
        return [name, tf.tensor(values, variable.shape, 'float32')];
      }),
    );
  }
}

function rowLength(variables: ReadonlyMap<string, tf.Variable>): number {
  return [...variables.values()].reduce((sum, variable) => sum + variable.size, 0);
}
