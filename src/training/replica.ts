import * as tf from '@tensorflow/tfjs-core';
import { readValues } from '../backend/device-failure.js';
import { Classifier } from '../model/classifier.js';
import type { Rates } from '../schedule/schedule.js';
import { softmaxCrossEntropy } from './loss.js';
import { imageTensor } from './image-tensor.js';
import type { NetworkInput } from './network-input.js';
import { matchState, type NetworkSetup, type TrainedState } from './network-setup.js';
import { Sgd } from './sgd.js';

/** One copy of network and optimizer on this thread's tfjs backend. */
export class Replica {
  private readonly classifier: Classifier;
  private readonly sgd: Sgd;

  constructor(private readonly setup: NetworkSetup) {
    this.classifier = new Classifier(setup.backbone, setup.firstTrained, setup.parameters, setup.head);
    this.sgd = new Sgd(this.classifier.trained, setup);
  }

  /** Trained parameters by name, in the order of the network. */
  get trained(): ReadonlyMap<string, tf.Variable> {
    return this.classifier.trained;
  }

  /** Outputs of the frozen part for a slice, n x h x w x c; the caller disposes them. */
  features(input: NetworkInput): tf.Tensor4D {
    return tf.tidy(() => {
      if (input.kind === 'images') {
        return this.classifier.features(imageTensor(input.images, input.boxes, this.setup.imageSize));
      }
      const [h, w, c] = input.shape;
      return tf.tensor4d(input.values, [input.values.length / (h * w * c), h, w, c]);
    });
  }

  /** Logits of a slice, [n, classes]; the caller disposes them. */
  logits(input: NetworkInput): tf.Tensor2D {
    return tf.tidy(() => this.classifier.logits(this.features(input)));
  }

  /**
   * Loss sum of a slice and its share of the gradient of the batch's mean loss; the caller disposes both.
   * @param batchSize images of the whole batch
   */
  gradients(
    input: NetworkInput,
    labels: Int32Array,
    batchSize: number,
  ): { lossSum: tf.Scalar; gradients: Map<string, tf.Tensor> } {
    // The passes free their tensors themselves as they go; the tidy is for a pass that throws half way.
    const { lossSum, named } = tf.tidy(() => {
      const features = this.features(input);
      const { logits, tape } = this.classifier.forward(features);
      const loss = softmaxCrossEntropy(logits, labels, this.setup.labelSmoothing, batchSize);
      const gradients = this.classifier.backward(tape, loss.dLogits);
      return { lossSum: loss.lossSum, named: Object.fromEntries(gradients) };
    });
    return { lossSum, gradients: new Map(Object.entries(named)) };
  }

  /** Updates the weights; returns the rates as the optimizer holds them. */
  update(gradients: ReadonlyMap<string, tf.Tensor>, rates: Rates): Rates {
    this.sgd.rates = rates;
    this.sgd.apply(gradients);
    return this.sgd.rates;
  }

  async snapshot(): Promise<TrainedState> {
    return { weights: await download(this.classifier.trained), velocities: await download(this.sgd.buffers) };
  }

  restore(state: TrainedState): void {
    const parameters = [...this.classifier.trained].map(([name, weight]) => ({
      name,
      weight,
      length: weight.size,
    }));
    for (const { name, weight, weights, velocities } of matchState(parameters, state)) {
      upload(weight, weights);
      upload(this.sgd.velocityOf(name), velocities);
    }
  }

  dispose(): void {
    this.sgd.dispose();
    this.classifier.dispose();
  }
}

async function download(variables: ReadonlyMap<string, tf.Variable>): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, variable] of variables) values.set(name, await readValues(variable));
  return values;
}

function upload(variable: tf.Variable, values: Float32Array): void {
  tf.tidy(() => variable.assign(tf.tensor(values, variable.shape, 'float32')));
}
