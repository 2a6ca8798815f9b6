import { createHash } from 'node:crypto';
import { type Backbone, HEAD, type Head, type Parameters } from '../model/network.js';

/** In what parameters are updated differently. */
export interface OptimizerTerms {
  /** L2 penalty added to the gradient of every parameter but biases and those of batch norm. */
  readonly weightDecay: number;
  /** The head's rate over the backbone's; 1 where the head alone is trained. */
  readonly headLrMultiplier: number;
}

/** All that makes a network and its optimizer, as plain data. */
export interface NetworkSetup extends OptimizerTerms {
  readonly backbone: Backbone;
  readonly parameters: Parameters;
  readonly head: Head;
  /** Index of the first trained block; blocks.length trains the head alone. */
  readonly firstTrained: number;
  /** Pixels a side. */
  readonly imageSize: number;
  readonly labelSmoothing: number;
  /** What an image of each class counts in the loss; absent where all count alike. */
  readonly classWeights?: readonly number[];
}

/** What an image of a class counts in the loss. */
export function weightOf(label: number, classWeights: readonly number[] | undefined): number {
  return classWeights === undefined ? 1 : (classWeights[label] ?? NaN);
}

/**
 * What a mini-batch counts in all: the number that its loss is divided by, and its images where all count alike.
 *
 * So the loss is a weighted mean, sum(w loss) / sum(w), as torch's CrossEntropyLoss(weight=...) has it, and the gradient as large as
 * without weights whichever classes a batch has met: a learning rate goes as far with weights as without, and a guess costs
 * ln(classes) in every batch. Keras divides by the number of images instead. That is the balanced loss exactly on average over an
 * epoch, where here a class of weight w gets less than its share by about (w - 1) / batch size; but the steps are as long as the batch
 * is heavy, and a last batch of one rare image is many times as long as any other.
 *
 * Within an image's own loss label smoothing comes first, then the weight of the image's class, as in Keras. torch weights each
 * class's share of the target by its own weight, which draws every image's answer towards the rare classes.
 */
export function batchWeight(labels: Int32Array, classWeights: readonly number[] | undefined): number {
  if (classWeights === undefined) return labels.length;
  return labels.reduce((sum, label) => sum + weightOf(label, classWeights), 0);
}

/** The rate of a parameter over the backbone's, and its weight decay. */
export function termsOf(
  name: string,
  { headLrMultiplier, weightDecay }: OptimizerTerms,
): { readonly rateMultiplier: number; readonly weightDecay: number } {
  return {
    rateMultiplier: name.startsWith(`${HEAD}/`) ? headLrMultiplier : 1,
    weightDecay: /\/(?:bias|gamma|beta)$/u.test(name) ? 0 : weightDecay,
  };
}

/** Weights and momentum buffers by name, as checkpoints hold them. */
export interface TrainedState {
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly velocities: ReadonlyMap<string, Float32Array>;
  /** Running means and variances of batch norm in training mode by name; absent where the network has none. */
  readonly statistics?: ReadonlyMap<string, Float32Array>;
}

/** A network's parameters, each with its values of a state. Throws Error where they are not all there, so before any is set. */
export function matchState<Parameter extends { readonly name: string; readonly length: number }>(
  parameters: readonly Parameter[],
  state: TrainedState,
): (Parameter & { readonly weights: Float32Array; readonly velocities: Float32Array })[] {
  return parameters.map((parameter) => {
    const { name, length } = parameter;
    const [weights, velocities] = [state.weights.get(name), state.velocities.get(name)];
    if (weights?.length !== length || velocities?.length !== length) {
      throw new Error(`the saved state does not fit the network at ${name}`);
    }
    return { ...parameter, weights, velocities };
  });
}

/** A network's running statistics, each with its values of a state. Throws Error where they are not all there, so before any is set. */
export function matchStatistics<Statistic extends { readonly name: string; readonly length: number }>(
  own: readonly Statistic[],
  { statistics }: TrainedState,
): (Statistic & { readonly values: Float32Array })[] {
  return own.map((statistic) => {
    const values = statistics?.get(statistic.name);
    if (values?.length !== statistic.length) {
      throw new Error(`the saved state does not fit the network at ${statistic.name}`);
    }
    return { ...statistic, values };
  });
}

/** SHA-256 over every trained weight, momentum buffer and running statistic, bit for bit. */
export function fingerprint({ weights, velocities, statistics = new Map() }: TrainedState): string {
  const hash = createHash('sha256');
  for (const values of [weights, velocities, statistics]) {
    for (const [name, { buffer, byteOffset, byteLength }] of values) {
      hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
    }
  }
  return hash.digest('hex');
}
