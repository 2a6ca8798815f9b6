import * as tf from '@tensorflow/tfjs-core';

/** Loss of a slice of a batch and where the backward pass starts. */
export interface SliceLoss {
  /** Sum of the images' losses, a scalar. */
  readonly lossSum: tf.Scalar;
  /** Gradient of the batch's mean loss with respect to this slice's logits, [n, classes]. */
  readonly dLogits: tf.Tensor2D;
}

/**
 * Softmax cross-entropy with label smoothing: the target is 1 - s + s / classes for the image's class and
 * s / classes for every other (Szegedy et al., arXiv 1512.00567, section 7).
 *
 * @param logits [n, classes]
 * @param labels class of each image, n of them
 * @param batchSize images of the whole batch, over which the loss is averaged
 */
export function softmaxCrossEntropy(
  logits: tf.Tensor2D,
  labels: Int32Array,
  smoothing: number,
  batchSize: number,
): SliceLoss {
  const classes = logits.shape[1];
  const [lossSum, dLogits] = tf.tidy(() => {
    // The wasm backend rounds oneHot's own on and off values to integers.
    const oneHot = tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), classes), 'float32');
    const targets = tf.add(tf.mul(oneHot, 1 - smoothing), smoothing / classes);
    const logProbabilities = tf.logSoftmax(logits);
    const loss = tf.neg<tf.Scalar>(tf.sum(tf.mul(targets, logProbabilities)));
    const gradient = tf.mul<tf.Tensor2D>(tf.sub(tf.exp(logProbabilities), targets), 1 / batchSize);
    return [loss, gradient] as const;
  });
  return { lossSum, dLogits };
}
