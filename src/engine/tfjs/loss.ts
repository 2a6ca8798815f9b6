import * as tf from '@tensorflow/tfjs-core';
import { type NetworkSetup, weightOf } from '../params.js';

/** Loss of a slice of a batch and where the backward pass starts. */
interface SliceLoss {
  /** Sum of the images' losses, each times its weight; a scalar. */
  readonly lossSum: tf.Scalar;
  /** Gradient of the batch's mean loss with respect to this slice's logits, [n, classes]. */
  readonly dLogits: tf.Tensor2D;
}

/** What a loss is computed from beside the logits: targets [n, classes], and weights where classes count differently. */
export type LossTensors = readonly [targets: tf.Tensor2D, ...ImageWeights];
/** What each image counts, and that as a share of the batch, [n, 1] each; nothing where all count alike. */
type ImageWeights = readonly [] | readonly [weights: tf.Tensor2D, shares: tf.Tensor2D];

/**
 * What the loss of these images is computed from, in the values that float32 arithmetic on the device would give; the caller disposes
 * the tensors. With label smoothing the target is 1 - s + s / classes for the image's class and s / classes for every other (Szegedy
 * et al., arXiv 1512.00567, section 7).
 * @param labels class of each image
 * @param weight of the whole batch, by which the loss is divided: see `batchWeight`
 */
export function lossTensors(
  labels: Int32Array,
  classes: number,
  { labelSmoothing, classWeights }: Pick<NetworkSetup, 'labelSmoothing' | 'classWeights'>,
  weight: number,
): LossTensors {
  const elsewhere = Math.fround(labelSmoothing / classes);
  const targets = new Float32Array(labels.length * classes).fill(elsewhere);
  labels.forEach((label, i) => {
    if (label >= 0 && label < classes)
      targets[i * classes + label] = Math.fround(1 - labelSmoothing) + elsewhere;
  });
  const tensor = tf.tensor2d(targets, [labels.length, classes]);
  if (classWeights === undefined) return [tensor];
  const weights = Float32Array.from(labels, (label) => weightOf(label, classWeights));
  const shares = weights.map((own) => own * Math.fround(1 / weight));
  return [tensor, tf.tensor2d(weights, [labels.length, 1]), tf.tensor2d(shares, [labels.length, 1])];
}

/**
 * Softmax cross-entropy of logits [n, classes]; the caller disposes the results.
 * @param weight as {@link lossTensors} was given it; used where all classes count alike
 */
export function crossEntropy(
  logits: tf.Tensor2D,
  [targets, weights, shares]: LossTensors,
  weight: number,
): SliceLoss {
  const [lossSum, dLogits] = tf.tidy(() => {
    const logProbabilities = tf.logSoftmax(logits);
    const losses = tf.mul<tf.Tensor2D>(targets, logProbabilities);
    const gradient = tf.sub<tf.Tensor2D>(tf.exp(logProbabilities), targets);
    const counted = weights === undefined ? losses : tf.mul(losses, weights);
    return [tf.neg<tf.Scalar>(tf.sum(counted)), tf.mul<tf.Tensor2D>(gradient, shares ?? 1 / weight)] as const;
  });
  return { lossSum, dLogits };
}
