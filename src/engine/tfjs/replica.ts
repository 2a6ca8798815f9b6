import * as tf from '@tensorflow/tfjs-core';
import type { CropBox, DecodedImage } from '../../data/images/image.js';
import type { Rates } from '../../schedule/schedule.js';
import { readValues } from '../backends/device-failure.js';
import type { NetworkInput } from '../engine.js';
import { batchWeight, matchState, matchStatistics, type NetworkSetup, type TrainedState } from '../params.js';
import { Classifier } from './classifier.js';
import { crossEntropy, type LossTensors, lossTensors } from './loss.js';
import { Sgd } from './sgd.js';

/** A slice's features and what its loss is computed from. */
export type SliceTensors = readonly [features: tf.Tensor4D, ...LossTensors];

/** One copy of network and optimizer on this thread's tfjs backend. */
export class Replica {
  private readonly classifier: Classifier;
  private readonly sgd: Sgd;

  constructor(private readonly setup: NetworkSetup) {
    this.classifier = new Classifier(setup.backbone, setup.firstTrained, setup.parameters, setup.head);
    this.sgd = new Sgd(this.classifier.trained, setup);
  }

  /** What a batch counts in all, by which its loss is divided. */
  weightOf(labels: Int32Array): number {
    return batchWeight(labels, this.setup.classWeights);
  }

  /** Whether batch norm is trained, so that a batch can't be cut. */
  get normalizes(): boolean {
    return this.classifier.statistics.size > 0;
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

  /** A slice as {@link gradients} wants it; the caller disposes the tensors. */
  prepared(input: NetworkInput, labels: Int32Array, weight: number): SliceTensors {
    const classes = this.setup.head.bias.length;
    return [this.features(input), ...lossTensors(labels, classes, this.setup, weight)];
  }

  /**
   * Loss sum of a slice and its share of the gradient of the batch's mean loss; the caller disposes both. Batch norm in training
   * mode takes the slice for the batch. Nothing that differs from step to step comes in but by the tensors.
   * @param weight of the whole batch, as `batchWeight` has it; used where all classes count alike
   */
  gradients(
    [features, ...targets]: SliceTensors,
    weight: number,
  ): { lossSum: tf.Scalar; gradients: Map<string, tf.Tensor> } {
    // The passes free their tensors themselves as they go; the tidy is for a pass that throws half way.
    const { lossSum, named } = tf.tidy(() => {
      const { logits, tape } = this.classifier.forward(features);
      const loss = crossEntropy(logits, targets, weight);
      const gradients = this.classifier.backward(tape, loss.dLogits);
      return { lossSum: loss.lossSum, named: Object.fromEntries(gradients) };
    });
    return { lossSum, gradients: new Map(Object.entries(named)) };
  }

  /** Updates the weights; answers the rates as the update used them. */
  update(gradients: ReadonlyMap<string, tf.Tensor>, rates: Rates, onDevice: tf.Tensor1D): Rates {
    return this.sgd.apply(gradients, rates, onDevice);
  }

  async snapshot(): Promise<TrainedState> {
    const { trained, statistics } = this.classifier;
    const state = { weights: await download(trained), velocities: await download(this.sgd.buffers) };
    return statistics.size === 0 ? state : { ...state, statistics: await download(statistics) };
  }

  restore(state: TrainedState): void {
    const parameters = [...this.classifier.trained].map(([name, weight]) => ({
      name,
      weight,
      length: weight.size,
    }));
    const running = [...this.classifier.statistics].map(([name, variable]) => ({
      name,
      variable,
      length: variable.size,
    }));
    const [matched, statistics] = [matchState(parameters, state), matchStatistics(running, state)];
    for (const { name, weight, weights, velocities } of matched) {
      upload(weight, weights);
      upload(this.sgd.velocityOf(name), velocities);
    }
    for (const { variable, values } of statistics) upload(variable, values);
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

/**
 * Crops, mirrors and resizes images on the backend: [n, size, size, 3] in [-1, 1].
 * Bilinear; decoding has already shrunk large images to within 1.25 of the size.
 */
export function imageTensor(
  images: readonly DecodedImage[],
  boxes: readonly CropBox[],
  size: number,
): tf.Tensor4D {
  return tf.tidy(() => {
    const parts = runsOfEqualSize(images).map(([from, to]) =>
      cropRun(images.slice(from, to), boxes.slice(from, to), size),
    );
    const pixels = parts.length === 1 && parts[0] !== undefined ? parts[0] : tf.concat(parts, 0);
    return tf.sub(tf.mul(pixels, 1 / 127.5), 1);
  });
}

function cropRun(images: readonly DecodedImage[], boxes: readonly CropBox[], size: number): tf.Tensor4D {
  const { height = 0, width = 0 } = images[0] ?? {};
  const bytes = height * width * 3;
  const values = new Float32Array(images.length * bytes);
  images.forEach((image, i) => values.set(image.pixels, i * bytes));
  const box = Float32Array.from(boxes.flatMap(({ y1, x1, y2, x2 }) => [y1, x1, y2, x2]));
  return tf.image.cropAndResize(
    tf.tensor4d(values, [images.length, height, width, 3]),
    tf.tensor2d(box, [boxes.length, 4]),
    tf.range(0, images.length, 1, 'int32'),
    [size, size],
    'bilinear',
  );
}

/** One cropAndResize serves all neighbours of equal size; photographs of a camera often are. */
function runsOfEqualSize(images: readonly DecodedImage[]): [number, number][] {
  const runs: [number, number][] = [];
  images.forEach((image, i) => {
    const before = images[i - 1];
    const run = runs.at(-1);
    if (run !== undefined && before?.height === image.height && before.width === image.width) run[1] = i + 1;
    else runs.push([i, i + 1]);
  });
  return runs;
}
