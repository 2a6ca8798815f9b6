import * as tf from '@tensorflow/tfjs-core';
import type { Rates } from '../schedule/schedule.js';
import type { NetworkInput } from './network-input.js';
import type { SliceTask } from './replica-protocol.js';
import type { Replica } from './replica.js';
import type { SharedGradients } from './shared-gradients.js';

/** A replica's part in a team: what every member does alike, in this thread or in another. */
export class ReplicaMember {
  constructor(
    private readonly replica: Replica,
    private readonly shared: SharedGradients,
  ) {}

  /** Computes the slices given to this member; returns their loss sums in the order of the tasks. */
  async gradients(tasks: readonly SliceTask[], batchSize: number): Promise<Float64Array> {
    const losses = new Float64Array(tasks.length);
    for (const [i, { slice, input, labels }] of tasks.entries()) {
      const { lossSum, gradients } = this.replica.gradients(input, labels, batchSize);
      losses[i] = (await lossSum.data())[0] ?? NaN;
      this.shared.write(slice, gradients);
      tf.dispose([lossSum, ...gradients.values()]);
    }
    return losses;
  }

  /** The same update as every other member's; returns the rates as the optimizer holds them. */
  update(slices: number, rates: Rates): Rates {
    return this.replica.update(this.shared.sum(slices), rates);
  }

  async forward(op: 'features' | 'logits', input: NetworkInput): Promise<Float32Array> {
    const result: tf.Tensor = this.replica[op](input);
    const values = Float32Array.from(await result.data());
    result.dispose();
    return values;
  }

  dispose(): void {
    this.shared.dispose();
    this.replica.dispose();
  }
}
