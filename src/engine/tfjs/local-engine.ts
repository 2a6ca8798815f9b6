import * as tf from '@tensorflow/tfjs-core';
import type { Rates } from '../../schedule/schedule.js';
import { backendTraits } from '../backends/current.js';
import { onDevice, readValues } from '../backends/device-failure.js';
import {
  type BegunStep,
  type Engine,
  type FeatureShape,
  type ImageInput,
  inputLength,
  joined,
  type LateSteps,
  type NetworkInput,
  sliceInput,
  type StepOutcome,
} from '../engine.js';
import type { NetworkSetup, TrainedState } from '../params.js';
import { featureShape, slicesOf } from '../shapes.js';
import { Replica } from './replica.js';

/** The engine of a tfjs backend: slice after slice; a batch for batch norm in training mode is a single slice. */
export class LocalEngine implements Engine {
  readonly workers = 1;
  readonly featureShape: FeatureShape;
  readonly late: LateSteps | undefined;
  private readonly replica: Replica;
  /** Loss sums of slices that nobody has read yet. */
  private readonly unread = new Set<tf.Scalar>();

  constructor(
    setup: NetworkSetup,
    readonly sliceSize: number,
  ) {
    this.featureShape = featureShape(setup.backbone, setup.firstTrained, setup.imageSize);
    this.replica = new Replica(setup);
    const { lossEvery } = backendTraits(tf.getBackend());
    if (lossEvery > 1) {
      this.late = { every: lossEvery, begin: (input, labels, rates) => this.begin(input, labels, rates) };
    }
  }

  async features(input: ImageInput): Promise<Float32Array> {
    return this.bySlice(input, (slice) => this.replica.features(slice));
  }

  async logits(input: NetworkInput): Promise<Float32Array> {
    return this.bySlice(input, (slice) => this.replica.logits(slice));
  }

  async step(input: NetworkInput, labels: Int32Array, rates: Rates): Promise<StepOutcome> {
    const begun = await this.begin(input, labels, rates);
    return { loss: await begun.loss(), rates: begun.rates };
  }

  snapshot(): Promise<TrainedState> {
    return onDevice(() => this.replica.snapshot());
  }

  async restore(state: TrainedState): Promise<void> {
    this.replica.restore(state);
  }

  async dispose(): Promise<void> {
    this.forget([...this.unread]);
    this.replica.dispose();
  }

  private begin(input: NetworkInput, labels: Int32Array, rates: Rates): Promise<BegunStep> {
    return onDevice(async () => {
      const total = new Map<string, tf.Variable>();
      const losses: tf.Scalar[] = [];
      try {
        const weight = this.replica.weightOf(labels);
        const size = this.replica.normalizes ? labels.length : this.sliceSize;
        for (const { from, to } of slicesOf(labels.length, size)) {
          const slice = this.replica.gradients(
            sliceInput(input, from, to),
            labels.subarray(from, to),
            weight,
          );
          losses.push(slice.lossSum);
          this.unread.add(slice.lossSum);
          addGradients(total, slice.gradients);
        }
        const used = this.replica.update(total, rates);
        return { loss: () => this.meanLoss(losses, weight), rates: used };
      } catch (error) {
        this.forget(losses);
        throw error;
      } finally {
        tf.dispose([...total.values()]);
      }
    });
  }

  private meanLoss(losses: readonly tf.Scalar[], weight: number): Promise<number> {
    return onDevice(async () => {
      let sum = 0;
      try {
        for (const loss of losses) sum += (await readValues(loss))[0] ?? NaN;
      } finally {
        this.forget(losses);
      }
      return sum / weight;
    });
  }

  private forget(losses: readonly tf.Scalar[]): void {
    for (const loss of losses) if (this.unread.delete(loss)) loss.dispose();
  }

  private bySlice(input: NetworkInput, compute: (slice: NetworkInput) => tf.Tensor): Promise<Float32Array> {
    return onDevice(async () => {
      const parts: Float32Array[] = [];
      for (const { from, to } of slicesOf(inputLength(input), this.sliceSize)) {
        const result = compute(sliceInput(input, from, to));
        try {
          parts.push(await readValues(result));
        } finally {
          result.dispose();
        }
      }
      return joined(parts);
    });
  }
}

/** Adds one slice's gradients to the batch's and frees them. */
function addGradients(total: Map<string, tf.Variable>, gradients: ReadonlyMap<string, tf.Tensor>): void {
  for (const [name, gradient] of gradients) {
    const sum = total.get(name);
    if (sum === undefined) total.set(name, tf.variable(gradient, false));
    else addInPlace(sum, gradient);
  }
  tf.dispose([...gradients.values()]);
}

/** target += source, of equal shapes. */
export function addInPlace(target: tf.Variable, source: tf.Tensor): void {
  if (tf.getKernel('AddInPlace', tf.getBackend())) {
    tf.engine().runKernel('AddInPlace', { target, source });
    return;
  }
  tf.tidy(() => target.assign(tf.add(target, source)));
}
