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
import { Replica, type SliceTensors } from './replica.js';
import { Replays } from './replays.js';
import { rateTensor } from './sgd.js';

/** The engine of a tfjs backend: slice after slice; a batch for batch norm in training mode is a single slice. */
export class LocalEngine implements Engine {
  readonly workers = 1;
  readonly featureShape: FeatureShape;
  readonly late: LateSteps | undefined;
  private readonly replica: Replica;
  private readonly replays = new Replays();
  /** Loss sums of slices that nobody has taken yet, and their reading once that has begun. */
  private readonly unread = new Map<tf.Tensor, (() => Promise<Float32Array>) | undefined>();

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
    this.replays.clear();
  }

  async dispose(): Promise<void> {
    this.forget([...this.unread.keys()]);
    this.replays.clear();
    this.replica.dispose();
  }

  /** A step whose loss is read later. */
  begin(input: NetworkInput, labels: Int32Array, rates: Rates): Promise<BegunStep> {
    return onDevice(async () => {
      const weight = this.replica.weightOf(labels);
      const size = this.replica.normalizes ? labels.length : this.sliceSize;
      let used = rates;
      const losses = tf.tidy(() => {
        const slices = slicesOf(labels.length, size).map(({ from, to }) =>
          this.replica.prepared(sliceInput(input, from, to), labels.subarray(from, to), weight),
        );
        const each = slices[0]?.length ?? 0;
        return this.replays.run([rateTensor(rates), ...slices.flat()], ([onDevice, ...tensors]) => {
          const own = slices.map((_, i) => tensors.slice(i * each, (i + 1) * each));
          const done = this.compute(own as unknown as SliceTensors[], weight, rates, onDevice as tf.Tensor1D);
          used = done.rates;
          return done.losses;
        });
      });
      for (const loss of losses) this.unread.set(loss, undefined);
      return { loss: () => this.meanLoss(losses, weight), rates: used };
    });
  }

  /** Gradients slice by slice, summed in order, and one update; the losses' sums of the slices. */
  private compute(slices: readonly SliceTensors[], weight: number, rates: Rates, onDevice: tf.Tensor1D) {
    const total = new Map<string, tf.Variable>();
    try {
      const losses = slices.map((slice) => {
        const { lossSum, gradients } = this.replica.gradients(slice, weight);
        addGradients(total, gradients);
        return lossSum;
      });
      return { losses, rates: this.replica.update(total, rates, onDevice) };
    } finally {
      tf.dispose([...total.values()]);
    }
  }

  private meanLoss(losses: readonly tf.Tensor[], weight: number): Promise<number> {
    return onDevice(async () => {
      // Device and host wait for each other once, whatever the number of losses.
      for (const [loss, reading] of this.unread)
        if (!reading) this.unread.set(loss, settled(readValues(loss)));
      let sum = 0;
      try {
        for (const loss of losses) sum += (await this.unread.get(loss)?.())?.[0] ?? NaN;
      } finally {
        this.forget(losses);
      }
      return sum / weight;
    });
  }

  private forget(losses: readonly tf.Tensor[]): void {
    for (const loss of losses) if (this.unread.delete(loss)) loss.dispose();
  }

  /** Reads one slice's results while the device computes the next. */
  private bySlice(input: NetworkInput, compute: (slice: NetworkInput) => tf.Tensor): Promise<Float32Array> {
    return onDevice(async () => {
      const parts: Float32Array[] = [];
      let before = async (): Promise<Float32Array> => new Float32Array();
      try {
        for (const { from, to } of slicesOf(inputLength(input), this.sliceSize)) {
          const result = compute(sliceInput(input, from, to));
          const reading = settled(readValues(result).finally(() => result.dispose()));
          parts.push(await before());
          before = reading;
        }
        parts.push(await before());
      } finally {
        // After a failure too, so that its tensor is given back.
        await before().catch(() => undefined);
      }
      return joined(parts);
    });
  }
}

/** A promise that may fail before anybody waits for it. */
function settled<T>(promise: Promise<T>): () => Promise<T> {
  promise.catch(() => undefined);
  return () => promise;
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
