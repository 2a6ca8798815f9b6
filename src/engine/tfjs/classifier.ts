import * as tf from '@tensorflow/tfjs-core';
import {
  type Backbone,
  type Block,
  type ConvUnit,
  HEAD,
  type Head,
  parameterNames,
  type Parameters,
} from '../../model/network.js';
import {
  batchNormBackward,
  batchNormForward,
  type BatchNormTensors,
  convBackward,
  convForward,
  foldedFilter,
  type Normalized,
} from './conv.js';

/** One trained unit of a forward pass. The entry owns `out` and `normalized`; `x` is the entry before's `out`. */
interface TapeEntry {
  readonly unit: ConvUnit;
  readonly x: tf.Tensor4D;
  /** The unit's output; for the last unit of a residual block the sum with the block's input. */
  readonly out: tf.Tensor4D;
  /** Of a unit with batch norm. */
  readonly normalized?: Normalized | undefined;
}

/** What the backward pass needs of one forward pass. Consumed by {@link Classifier.backward}. */
export interface Tape {
  readonly entries: TapeEntry[];
  /** [n, 1, 1, features] after the global average. */
  readonly pooled: tf.Tensor4D;
}

/**
 * A MobileNet backbone with a linear head, on the current tfjs backend.
 *
 * The backward pass walks the block list itself instead of a tape of tfjs operations, so that every
 * activation and gradient is freed as soon as the pass is through with it.
 */
export class Classifier {
  /** Trained parameters by name, in the order of the network, the head last. */
  readonly trained = new Map<string, tf.Variable>();
  /** Running means and variances of batch norm by name, in the order of the network. */
  readonly statistics = new Map<string, tf.Variable>();
  private readonly frozen = new Map<string, tf.Tensor>();
  private readonly frozenBlocks: readonly Block[];
  private readonly trainedBlocks: readonly Block[];
  /** The linear layer is a 1 x 1 convolution of the pooled features, so that it shares their kernels. */
  private readonly head: ConvUnit;

  /**
   * @param firstTrained index into backbone.blocks of the first trained block; blocks.length trains the head alone. The blocks before
   *   it have no batch norm of their own: it is folded into their convolutions
   */
  constructor(
    readonly backbone: Backbone,
    firstTrained: number,
    parameters: Parameters,
    head: Head,
  ) {
    this.frozenBlocks = backbone.blocks.slice(0, firstTrained);
    this.trainedBlocks = backbone.blocks.slice(firstTrained);
    const load = (name: string): tf.Tensor => {
      const parameter = parameters.get(name);
      if (parameter === undefined) throw new Error(`the weights hold no parameter ${name}`);
      return tf.tensor(parameter.values, [...parameter.shape], 'float32');
    };
    for (const unit of unitsOf(this.frozenBlocks)) {
      if (unit.batchNorm !== undefined)
        throw new Error(`batch norm of ${unit.name}, which is frozen, is not folded`);
      for (const name of parameterNames(unit).trained) this.frozen.set(name, load(name));
    }
    for (const unit of unitsOf(this.trainedBlocks)) {
      const names = parameterNames(unit);
      for (const name of names.trained) this.train(name, load(name));
      for (const name of names.statistics) this.statistics.set(name, variableOf(load(name), false));
    }
    const filterShape = [1, 1, backbone.features, head.bias.length] as const;
    this.head = { name: HEAD, kind: 'conv', stride: 1, relu6: false, filterShape };
    this.train(`${HEAD}/kernel`, tf.tensor(head.kernel, [...filterShape], 'float32'));
    this.train(`${HEAD}/bias`, tf.tensor(head.bias, [head.bias.length], 'float32'));
  }

  /** Whether the backbone is frozen as a whole; then the features are the pooled vectors. */
  get headOnly(): boolean {
    return this.trainedBlocks.length === 0;
  }

  /** The frozen part: images [n, size, size, 3] in [-1, 1] to [n, h, w, c]; pooled to [n, 1, 1, features] where the head alone is trained. */
  features(images: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const x = this.forwardBlocks(this.frozenBlocks, images);
      if (this.headOnly) return pool(x);
      // A classifier with nothing frozen hands its input through; the caller still owns both tensors.
      return x === images ? images.clone() : x;
    });
  }

  /** The trained part in evaluation, keeping nothing: features to logits [n, classes]; batch norm goes by its running statistics. */
  logits(features: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => {
      const pooled = this.headOnly ? features : pool(this.forwardBlocks(this.trainedBlocks, features));
      return this.applyHead(pooled);
    });
  }

  /**
   * The trained part in a training step: features to logits [n, classes] with the tape for {@link backward}. Batch norm goes by the
   * statistics of these n images, and takes them into the running ones.
   */
  forward(features: tf.Tensor4D): { logits: tf.Tensor2D; tape: Tape } {
    const entries: TapeEntry[] = [];
    const pooled = this.headOnly
      ? features.clone()
      : pool(this.forwardBlocks(this.trainedBlocks, features, entries));
    return { logits: tf.tidy(() => this.applyHead(pooled)), tape: { entries, pooled } };
  }

  /**
   * Gradients of every trained parameter by name; the caller disposes them.
   * @param dLogits gradient of the loss with respect to the logits, [n, classes]
   */
  backward({ entries, pooled }: Tape, dLogits: tf.Tensor2D): Map<string, tf.Tensor> {
    const gradients = new Map<string, tf.Tensor>();
    const [n, classes] = dLogits.shape;
    const dHead = tf.reshape<tf.Rank.R4>(dLogits, [n, 1, 1, classes]);
    const dPooled = this.unitBackward(
      { unit: this.head, x: pooled, out: dHead },
      dHead,
      !this.headOnly,
      gradients,
    );
    tf.dispose([dHead, pooled]);
    const last = entries.at(-1);
    if (last === undefined || dPooled === undefined) return gradients;
    let dy = poolBackward(dPooled, last.out);
    dPooled.dispose();
    for (const block of this.trainedBlocks.toReversed()) {
      const dx = this.blockBackward(block, entries, dy, gradients);
      dy.dispose();
      if (dx === undefined) break;
      dy = dx;
    }
    return gradients;
  }

  dispose(): void {
    tf.dispose([...this.frozen.values(), ...this.trained.values(), ...this.statistics.values()]);
  }

  private train(name: string, value: tf.Tensor): void {
    this.trained.set(name, variableOf(value, true));
  }

  private parameter(name: string): tf.Tensor {
    const tensor = this.trained.get(name) ?? this.frozen.get(name);
    if (tensor === undefined) throw new Error(`no parameter ${name}`);
    return tensor;
  }

  private applyHead(pooled: tf.Tensor4D): tf.Tensor2D {
    return tf.reshape<tf.Rank.R2>(this.unitForward(this.head, pooled), [pooled.shape[0], -1]);
  }

  /** Runs blocks in sequence; keeps every unit's output in `entries` where given, else only the last. */
  private forwardBlocks(blocks: readonly Block[], input: tf.Tensor4D, entries?: TapeEntry[]): tf.Tensor4D {
    let x = input;
    for (const block of blocks) {
      const blockInput = x;
      for (const unit of block.units) {
        const isLast = unit === block.units.at(-1);
        const step = entries === undefined ? undefined : this.normalizedForward(unit, x);
        let out = step?.y ?? this.unitForward(unit, x);
        if (block.residual && isLast) {
          const sum = tf.add<tf.Tensor4D>(out, blockInput);
          out.dispose();
          out = sum;
        }
        entries?.push({ unit, x, out, normalized: step?.normalized });
        if (entries === undefined && x !== blockInput) x.dispose();
        x = out;
      }
      if (entries === undefined && blockInput !== input) blockInput.dispose();
    }
    return x;
  }

  private unitForward(unit: ConvUnit, x: tf.Tensor4D): tf.Tensor4D {
    const { kind, batchNorm } = unit;
    const kernel = this.kernel(unit);
    if (batchNorm === undefined) return convForward(x, kernel, this.vector(`${unit.name}/bias`), unit);
    const { epsilon } = batchNorm;
    const folded = foldedFilter(kernel, this.batchNormTensors(unit), { kind, epsilon });
    const y = convForward(x, folded.filter, folded.bias, unit);
    tf.dispose([folded.filter, folded.bias]);
    return y;
  }

  /** A unit with batch norm in a training step; undefined for one without. */
  private normalizedForward(unit: ConvUnit, x: tf.Tensor4D): ReturnType<typeof batchNormForward> | undefined {
    const { batchNorm, relu6 } = unit;
    if (batchNorm === undefined) return undefined;
    const z = convForward(x, this.kernel(unit), undefined, { ...unit, relu6: false });
    return batchNormForward(z, this.batchNormTensors(unit), { ...batchNorm, relu6 });
  }

  private kernel({ name }: ConvUnit): tf.Tensor4D {
    return ranked<tf.Rank.R4>(this.parameter(`${name}/kernel`), 4);
  }

  private vector(name: string): tf.Tensor1D {
    return ranked<tf.Rank.R1>(this.parameter(name), 1);
  }

  private batchNormTensors({ name }: ConvUnit): BatchNormTensors {
    const running = (part: string): tf.Variable<tf.Rank.R1> => {
      const variable = this.statistics.get(`${name}/${part}`);
      if (variable === undefined) throw new Error(`no running ${part} of ${name}`);
      return variable as tf.Variable<tf.Rank.R1>;
    };
    return {
      gamma: this.vector(`${name}/gamma`),
      beta: this.vector(`${name}/beta`),
      mean: running('mean'),
      variance: running('variance'),
    };
  }

  /** One block's gradients; frees its outputs. The gradient of its input, or undefined for the first trained block. */
  private blockBackward(
    block: Block,
    entries: TapeEntry[],
    dy: tf.Tensor4D,
    gradients: Map<string, tf.Tensor>,
  ): tf.Tensor4D | undefined {
    const isFirst = block === this.trainedBlocks[0];
    let dOut = dy;
    for (const unit of block.units.toReversed()) {
      const entry = entries.pop();
      if (entry?.unit !== unit) throw new Error(`the tape does not belong to this network at ${unit.name}`);
      const dx = this.unitBackward(entry, dOut, !(isFirst && unit === block.units[0]), gradients);
      tf.dispose([entry.out, ...Object.values(entry.normalized ?? {})]);
      if (dOut !== dy) dOut.dispose();
      if (dx === undefined) return undefined;
      dOut = dx;
    }
    if (!block.residual) return dOut;
    const sum = tf.add<tf.Tensor4D>(dOut, dy);
    dOut.dispose();
    return sum;
  }

  private unitBackward(
    { unit, x, out, normalized }: TapeEntry,
    dy: tf.Tensor4D,
    needInput: boolean,
    gradients: Map<string, tf.Tensor>,
  ): tf.Tensor4D | undefined {
    const { name } = unit;
    const filter = this.kernel(unit);
    if (normalized === undefined) {
      const wanted = { input: needInput, bias: true };
      const { dx, dFilter, dBias } = convBackward({ x, y: out, dy, filter }, unit, wanted);
      gradients.set(`${name}/kernel`, dFilter);
      if (dBias) gradients.set(`${name}/bias`, dBias);
      return dx;
    }
    const { dz, dGamma, dBeta } = batchNormBackward(dy, out, normalized, this.vector(`${name}/gamma`), unit);
    const linear = { ...unit, relu6: false };
    const wanted = { input: needInput, bias: false };
    const { dx, dFilter } = convBackward({ x, y: dz, dy: dz, filter }, linear, wanted);
    dz.dispose();
    gradients.set(`${name}/kernel`, dFilter);
    gradients.set(`${name}/gamma`, dGamma);
    gradients.set(`${name}/beta`, dBeta);
    return dx;
  }
}

/** Global average over the positions: [n, h, w, c] to [n, 1, 1, c]. */
function pool(x: tf.Tensor4D): tf.Tensor4D {
  const [, height, width] = x.shape;
  return tf.avgPool(x, [height, width], 1, 'valid');
}

/** The average spreads its gradient evenly over the positions; broadcasting does it faster than `tile`. */
function poolBackward(dPooled: tf.Tensor4D, spatial: tf.Tensor4D): tf.Tensor4D {
  const [, height, width] = spatial.shape;
  return tf.tidy(() => tf.add(tf.mul(dPooled, 1 / (height * width)), tf.zeros([1, height, width, 1])));
}

function unitsOf(blocks: readonly Block[]): ConvUnit[] {
  return blocks.flatMap(({ units }) => units);
}

/** A variable that takes over a tensor's values; the tensor is freed. tfjs gives it a name that is unique over the process. */
function variableOf(value: tf.Tensor, trainable: boolean): tf.Variable {
  const variable = tf.variable(value, trainable);
  value.dispose();
  return variable;
}

/** tfjs types most tensors by rank only loosely; this says which rank is meant and checks it. */
function ranked<R extends tf.Rank>(tensor: tf.Tensor, rank: number): tf.Tensor<R> {
  if (tensor.rank !== rank)
    throw new Error(`expected rank ${rank} but received shape [${tensor.shape.join(', ')}]`);
  return tensor as tf.Tensor<R>;
}
