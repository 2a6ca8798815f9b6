import * as tf from '@tensorflow/tfjs-core';
import { addInPlace } from '../backend/conv.js';
import type { Rates } from '../schedule/schedule.js';
import type { Engine, StepOutcome } from './engine.js';
import { joined } from './join.js';
import { inputLength, sliceInput, type FeatureShape, type NetworkInput } from './network-input.js';
import { Replica, type ReplicaSetup, type ReplicaState } from './replica.js';
import { featureShape } from './shapes.js';
import { slicesOf } from './slices.js';

/** The engine of one thread: slice after slice on this thread's backend. */
export class LocalEngine implements Engine {
  readonly workers = 1;
  readonly featureShape: FeatureShape;
  private readonly replica: Replica;

  constructor(
    setup: ReplicaSetup,
    readonly sliceSize: number,
  ) {
    this.featureShape = featureShape(setup.backbone, setup.firstTrained, setup.imageSize);
    this.replica = new Replica(setup);
  }

  async features(input: NetworkInput): Promise<Float32Array> {
    return this.bySlice(input, (slice) => this.replica.features(slice));
  }

  async logits(input: NetworkInput): Promise<Float32Array> {
    return this.bySlice(input, (slice) => this.replica.logits(slice));
  }

  async step(input: NetworkInput, labels: Int32Array, rates: Rates): Promise<StepOutcome> {
    const total = new Map<string, tf.Variable>();
    const losses: tf.Scalar[] = [];
    try {
      for (const { from, to } of slicesOf(labels.length, this.sliceSize)) {
        const slice = this.replica.gradients(
          sliceInput(input, from, to),
          labels.subarray(from, to),
          labels.length,
        );
        losses.push(slice.lossSum);
        addGradients(total, slice.gradients);
      }
      const held = this.replica.update(total, rates);
      return { loss: (await sumInOrder(losses)) / labels.length, rates: held };
    } finally {
      tf.dispose([...total.values(), ...losses]);
    }
  }

  snapshot(): Promise<ReplicaState> {
    return this.replica.snapshot();
  }

  async restore(state: ReplicaState): Promise<void> {
    this.replica.restore(state);
  }

  async dispose(): Promise<void> {
    this.replica.dispose();
  }

  private async bySlice(
    input: NetworkInput,
    compute: (slice: NetworkInput) => tf.Tensor,
  ): Promise<Float32Array> {
    const parts: Float32Array[] = [];
    for (const { from, to } of slicesOf(inputLength(input), this.sliceSize)) {
      const result = compute(sliceInput(input, from, to));
      parts.push(Float32Array.from(await result.data()));
      result.dispose();
    }
    return joined(parts);
  }
}

/** Adds one slice's gradients to the batch's and frees them. */
function addGradients(total: Map<string, tf.Variable>, gradients: ReadonlyMap<string, tf.Tensor>): void {
  for (const [name, gradient] of gradients) {
    const sum = total.get(name);
    if (sum === undefined) total.set(name, tf.variable(gradient, false));
    else addInPlace(sum, gradient);
    gradient.dispose();
  }
}

async function sumInOrder(losses: readonly tf.Scalar[]): Promise<number> {
  let sum = 0;
  for (const loss of losses) sum += (await loss.data())[0] ?? NaN;
  return sum;
}
