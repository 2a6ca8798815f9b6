import type { TrainingKernels } from './compile-kernels.js';
import { weightOf } from '../params.js';
import { floatsAt } from './heap.js';
import type { ArenaPlan, NetworkPlan, UnitPlan } from './network-plan.js';

/** Bounds of no activation. */
const UNBOUNDED = { low: -Infinity, high: Infinity };

/**
 * One thread's forward and backward passes over slices of images. Gradients overwrite the activations that they belong to, so
 * that training needs no more memory than the activations.
 */
export class SlicePass {
  private readonly headOnly: boolean;

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly kernels: TrainingKernels,
    private readonly plan: NetworkPlan,
    private readonly arena: ArenaPlan,
  ) {
    this.headOnly = plan.trained.length === 0;
  }

  /** From network inputs in the arena to the frozen part's outputs at `output`. */
  features(images: number, output: number): void {
    const { frozen, positions, channels, featureFloats } = this.plan;
    if (this.headOnly) {
      const last = this.forward(frozen, images, this.arena.images, this.arena.frozen);
      this.kernels.poolForward(last, output, images, positions, channels);
    } else if (frozen.length > 0) {
      this.forward(frozen, images, this.arena.images, this.arena.frozen.with(-1, output));
    } else if (output !== this.arena.images) {
      // Where nothing is frozen, the features are the images themselves.
      const count = images * featureFloats;
      floatsAt(this.memory, output, count).set(floatsAt(this.memory, this.arena.images, count));
    }
  }

  /** From features to logits [images, classes], whose address is returned. */
  logits(images: number, features: number): number {
    return this.headLogits(images, this.pooled(images, features));
  }

  /**
   * Gradients of a slice, for the mean loss of a batch that counts `weight` in all, into a row of all trained parameters.
   * @returns the sum of the slice's losses, each times its weight
   */
  gradients(labels: Int32Array, features: number, row: number, weight: number): number {
    const { trained, positions, channels } = this.plan;
    const images = labels.length;
    const pooled = this.pooled(images, features);
    const loss = this.headGradients(labels, pooled, row, weight);
    const last = trained.at(-1);
    const out = this.arena.trained.at(-1);
    if (last === undefined || out === undefined) return loss;
    this.kernels.poolBackward(out, pooled, images, positions, channels, last.low, last.high);
    this.backward(images, features, row);
    return loss;
  }

  /**
   * The head's gradients of a slice or part of a batch into a row, and zeros for all other parameters. The gradient of `pooled`
   * [images, channels] takes its place.
   * @returns the sum of the images' losses, each times its weight
   */
  headGradients(labels: Int32Array, pooled: number, row: number, weight: number): number {
    const { head, parameterFloats, classes } = this.plan;
    const images = labels.length;
    const logits = floatsAt(this.memory, this.headLogits(images, pooled), images * classes);
    const loss = softmaxCrossEntropyInPlace(logits, labels, this.plan, weight);
    this.kernels.clear(row, parameterFloats);
    this.backwardUnit(head, images, pooled, logits.byteOffset, row, UNBOUNDED);
    return loss;
  }

  private headLogits(images: number, pooled: number): number {
    return this.forward([this.plan.head], images, pooled, [this.arena.logits]);
  }

  /** From features to their averages over the positions, whose address is returned. */
  private pooled(images: number, features: number): number {
    if (this.headOnly) return features;
    const { evaluated, positions, channels } = this.plan;
    const last = this.forward(evaluated, images, features, this.arena.trained);
    this.kernels.poolForward(last, this.arena.pooled, images, positions, channels);
    return this.arena.pooled;
  }

  /** Writes the outputs of units in sequence to `outs`; answers the address of the last. */
  private forward(
    units: readonly UnitPlan[],
    images: number,
    input: number,
    outs: readonly number[],
  ): number {
    const outOf = (index: number) => (index < 0 ? input : (outs[index] ?? 0));
    units.forEach((unit, i) => {
      const { kind, geometry, kernel, bias, panels, panelBias, low, high, adds, outFloats } = unit;
      const [x, y] = [outOf(i - 1), outOf(i)];
      if (kind === 'conv') {
        this.kernels.convForward(geometry, images, x, panels, panelBias, y, this.arena.scratch, low, high);
      } else {
        this.kernels.depthwiseForward(geometry, images, x, kernel, bias, y, this.plan.zeros, low, high);
      }
      if (adds !== null) this.kernels.addInPlace(y, outOf(adds), images * outFloats);
    });
    return outOf(units.length - 1);
  }

  private backward(images: number, features: number, row: number): void {
    const { trained } = this.plan;
    const outs = this.arena.trained;
    for (let i = trained.length - 1; i >= 0; i--) {
      const unit = trained[i];
      if (unit === undefined) continue;
      const [x, dy] = [i > 0 ? (outs[i - 1] ?? 0) : features, outs[i] ?? 0];
      const before = trained[i - 1] ?? UNBOUNDED;
      const count = images * unit.inFloats;
      // The block's input has a second gradient: that of the sum at the block's end.
      const second = unit.needInput && unit.blockEnd !== null ? outs[unit.blockEnd] : undefined;
      if (second !== undefined && before.high < Infinity) {
        this.kernels.maskInPlace(second, x, count, before.low, before.high);
      }
      this.backwardUnit(unit, images, x, dy, row, before);
      if (second !== undefined) this.kernels.addInPlace(x, second, count);
    }
  }

  /** @param before bounds of the activation that made the input x */
  private backwardUnit(
    unit: UnitPlan,
    images: number,
    x: number,
    dy: number,
    row: number,
    before: { readonly low: number; readonly high: number },
  ): void {
    const { weights, zeros } = this.plan;
    const { low, high } = before;
    const { kind, geometry, kernel, transposed, needInput } = unit;
    const dKernel = row + kernel - weights;
    const dBias = row + unit.bias - weights;
    const { scratch } = this.arena;
    const { convBackward, depthwiseBackward } = this.kernels;
    if (kind === 'conv') {
      convBackward(geometry, images, x, dy, transposed, dKernel, dBias, zeros, scratch, low, high);
    } else {
      depthwiseBackward(geometry, images, x, dy, kernel, dKernel, dBias, zeros, needInput, low, high);
    }
  }
}

/**
 * Softmax cross-entropy with label smoothing: the target is 1 - s + s / classes for the image's class and s / classes for
 * every other (Szegedy et al., arXiv 1512.00567, section 7).
 *
 * @param logits [n, classes]; the gradient of the batch's mean loss with respect to them takes their place
 * @param labels class of each image, n of them
 * @param weight of the whole batch, by which the loss is divided: see `batchWeight`
 * @returns the sum of the images' losses, each times its weight
 */
export function softmaxCrossEntropyInPlace(
  logits: Float32Array,
  labels: Int32Array,
  { labelSmoothing: smoothing, classWeights }: Pick<NetworkPlan, 'labelSmoothing' | 'classWeights'>,
  weight: number,
): number {
  const classes = logits.length / labels.length;
  const share = smoothing / classes;
  let lossSum = 0;
  labels.forEach((label, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const own = weightOf(label, classWeights);
    // Shifted by the largest, so that nothing overflows.
    const largest = row.reduce((most, logit) => Math.max(most, logit), -Infinity);
    const logSum = largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    row.forEach((logit, k) => {
      const logProbability = logit - logSum;
      const target = share + (k === label ? 1 - smoothing : 0);
      lossSum -= own * target * logProbability;
      row[k] = (own * (Math.exp(logProbability) - target)) / weight;
    });
  });
  return lossSum;
}
