/**
 * Softmax cross-entropy with label smoothing: the target is 1 - s + s / classes for the image's class and s / classes for
 * every other (Szegedy et al., arXiv 1512.00567, section 7).
 *
 * @param logits [n, classes]; the gradient of the batch's mean loss with respect to them takes their place
 * @param labels class of each image, n of them
 * @param batchSize images of the whole batch, over which the loss is averaged
 * @returns the sum of the images' losses
 */
export function softmaxCrossEntropyInPlace(
  logits: Float32Array,
  labels: Int32Array,
  smoothing: number,
  batchSize: number,
): number {
  const classes = logits.length / labels.length;
  const share = smoothing / classes;
  let lossSum = 0;
  labels.forEach((label, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    // Shifted by the largest, so that nothing overflows.
    const largest = row.reduce((most, logit) => Math.max(most, logit), -Infinity);
    const logSum = largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    row.forEach((logit, k) => {
      const logProbability = logit - logSum;
      const target = share + (k === label ? 1 - smoothing : 0);
      lossSum -= target * logProbability;
      row[k] = (Math.exp(logProbability) - target) / batchSize;
    });
  });
  return lossSum;
}
