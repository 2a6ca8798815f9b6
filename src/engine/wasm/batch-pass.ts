import { panelColumns } from '../shapes.js';
import type { TrainingKernels } from './compile-kernels.js';
import { floatsAt, type Heap } from './heap.js';
import type {
  ArenaPlan,
  BatchNormPlan,
  BatchPlan,
  LayerPlan,
  NetworkPlan,
  RecomputedPlan,
  UnitPlan,
} from './network-plan.js';
import type { SlicePass } from './slice-pass.js';

/** Images of a batch that one thread takes at a time. */
export interface Part {
  /** From 0; also the row of its gradients. */
  readonly index: number;
  readonly from: number;
  readonly images: number;
}

/**
 * One thread's work on a mini-batch that moves through the trained units together, as batch norm in training mode wants it (Ioffe
 * and Szegedy, arXiv 1502.03167, algorithm 1 and the gradients of section 3).
 *
 * Of every unit the sums z of its convolution are kept, for the whole batch; activations are computed from them as they are
 * read. Each part of a batch has sums of its own, which are added in the order of the parts, so that no bit depends on the threads.
 */
export class BatchPass {
  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly kernels: TrainingKernels,
    private readonly plan: NetworkPlan,
    private readonly batch: BatchPlan,
    private readonly arena: ArenaPlan,
    private readonly slices: SlicePass,
  ) {}

  /** A unit's z for a part, with its moments, once the scale and shift of the unit before are there. */
  forward(index: number, { index: part, from, images }: Part): void {
    const { kind, geometry, kernel, bias, panels, panelBias } = this.unit(index);
    const [own, before] = [this.layer(index), this.layerBefore(index)];
    const { scratch } = this.arena;
    const sums = this.clearSums(own, part);
    this.addResidual(index - 1, from, images);
    if (own.recomputed !== null) {
      this.kernels.sourceMoments(before, from, images, sums, scratch);
    } else if (kind === 'conv') {
      this.kernels.convLayer(geometry, own.layer, before, from, images, panels, panelBias, sums, scratch);
    } else {
      const { zeros } = this.plan;
      this.kernels.depthwiseLayer(
        geometry,
        own.layer,
        before,
        from,
        images,
        kernel,
        bias,
        zeros,
        sums,
        scratch,
      );
    }
  }

  /**
   * The gradients of the head and of the last unit's output for a part.
   * @returns the sum of the part's losses, each times its weight
   */
  loss(labels: Int32Array, { index: part, from, images }: Part, row: number, weight: number): number {
    const { pooled } = this.arena;
    const last = this.batch.layers.length - 1;
    const own = this.layer(last);
    this.addResidual(last, from, images);
    this.kernels.poolLayer(own.layer, from, images, pooled);
    const loss = this.slices.headGradients(labels, pooled, row, weight);
    this.kernels.poolLayerBackward(own.layer, from, images, pooled, this.clearSums(own, part));
    return loss;
  }

  /** A unit's gradients of a part into its row, and the gradient of the unit before. */
  backward(index: number, { index: part, from, images }: Part, row: number): void {
    const { kind, geometry, kernel, bias, transposed, batchNorm } = this.unit(index);
    const { weights, zeros } = this.plan;
    const { layer: own, recomputed } = this.layer(index);
    const { scratch } = this.arena;
    const before = this.layerBefore(index);
    const sums = index === 0 ? 0 : this.clearSums(this.layer(index - 1), part);
    if (recomputed !== null) {
      // Its own gradient has gone where it belongs, but for a correction.
      if (index > 0) this.kernels.correctSource(own, from, images, sums, scratch);
      return;
    }
    const dKernel = row + kernel - weights;
    const dBias = batchNorm === null ? row + bias - weights : 0;
    const { convLayerBackward, depthwiseLayerBackward } = this.kernels;
    if (kind === 'conv') {
      const hasSecond = this.hasSecond(index);
      convLayerBackward(
        geometry,
        own,
        before,
        hasSecond,
        from,
        images,
        transposed,
        dKernel,
        dBias,
        zeros,
        sums,
        scratch,
      );
    } else {
      // A layer before that is not kept hands its gradient on in the same pass.
      const isKept = index === 0 || this.layer(index - 1).recomputed === null;
      const hasSecond = this.hasSecond(isKept ? index : index - 1);
      const dBefore = isKept ? 0 : row + this.unit(index - 1).kernel - weights;
      depthwiseLayerBackward(
        geometry,
        own,
        before,
        hasSecond,
        from,
        images,
        kernel,
        dKernel,
        dBias,
        zeros,
        sums,
        scratch,
        dBefore,
      );
    }
  }

  /** Whether a unit's input has a second gradient: that of the sum at the end of the block that begins there. */
  private hasSecond(index: number): boolean {
    return index > 0 && this.unit(index).blockEnd !== null;
  }

  /** From the moments of all parts to a unit's scale and shift, and the batch's mean and variance. */
  finishForward(index: number, parts: number, images: number): void {
    const { batchNorm, kernel } = this.unit(index);
    if (batchNorm === null) return;
    const { layer, sums, sumCount, positions, recomputed } = this.layer(index);
    const { gamma, beta, epsilon, batchMoments } = batchNorm;
    const count = images * positions;
    if (recomputed === null) {
      this.kernels.finishForward(layer, sums, parts, count, gamma, beta, epsilon, batchMoments);
    } else {
      const sumBytes = sumCount * Float64Array.BYTES_PER_ELEMENT;
      this.kernels.finishRecomputed(
        layer,
        kernel,
        sums,
        sumBytes,
        parts,
        count,
        gamma,
        beta,
        epsilon,
        batchMoments,
      );
    }
  }

  /** From the sums of all parts to the gradients of gamma and beta, in the first row, and what makes the gradient of z. */
  finishBackward(index: number, parts: number, images: number): void {
    const { batchNorm, kernel } = this.unit(index);
    if (batchNorm === null) return;
    const { layer, sums, sumCount, positions, recomputed } = this.layer(index);
    const { gamma, epsilon, batchMoments, gammaOffset, betaOffset } = batchNorm;
    const { rows, weights, parameterFloats } = this.plan;
    const [dGamma, dBeta] = [rows + gammaOffset * 4, rows + betaOffset * 4];
    const count = images * positions;
    if (recomputed === null) {
      this.kernels.finishBackward(layer, sums, parts, count, gamma, epsilon, batchMoments, dGamma, dBeta);
      return;
    }
    const dKernel = rows + kernel - weights;
    const [sumBytes, rowBytes] = [sumCount * Float64Array.BYTES_PER_ELEMENT, parameterFloats * 4];
    this.kernels.finishRecomputedBackward(
      layer,
      kernel,
      sums,
      sumBytes,
      parts,
      dKernel,
      rowBytes,
      count,
      gamma,
      epsilon,
      batchMoments,
      dGamma,
      dBeta,
    );
  }

  /** Moves a unit's running statistics on towards those of the batch: `images` of it. */
  updateStatistics(index: number, images: number): void {
    const { batchNorm } = this.unit(index);
    if (batchNorm === null) return;
    const { momentum, statistics, batchMoments } = batchNorm;
    const { channels, positions } = this.layer(index);
    const count = images * positions;
    const moments = new Float64Array(this.memory.buffer, batchMoments, 2 * channels);
    const mean = floatsAt(this.memory, statistics.mean.address, channels);
    const variance = floatsAt(this.memory, statistics.variance.address, channels);
    for (let c = 0; c < channels; c++) {
      const unbiased = ((moments[channels + c] ?? NaN) * count) / (count - 1);
      mean[c] = momentum * (mean[c] ?? NaN) + (1 - momentum) * (moments[c] ?? NaN);
      variance[c] = momentum * (variance[c] ?? NaN) + (1 - momentum) * unbiased;
    }
  }

  /** Writes the kernel and bias by which an evaluation computes a unit, and answers the unit. */
  fold(index: number): UnitPlan | undefined {
    const unit = this.unit(index);
    const evaluated = this.plan.evaluated[index];
    if (unit.batchNorm === null || evaluated === undefined) return undefined;
    const { epsilon, statistics } = unit.batchNorm;
    const { channels } = this.layer(index);
    const [gamma, beta] = this.gammaAndBeta(unit.batchNorm, channels);
    const mean = floatsAt(this.memory, statistics.mean.address, channels);
    const variance = floatsAt(this.memory, statistics.variance.address, channels);
    const length = unit.parameters[0]?.length ?? 0;
    const kernel = floatsAt(this.memory, unit.kernel, length);
    const folded = floatsAt(this.memory, evaluated.kernel, length);
    const bias = floatsAt(this.memory, evaluated.bias, channels);
    for (let c = 0; c < channels; c++) {
      const factor = (gamma[c] ?? NaN) / Math.sqrt((variance[c] ?? NaN) + epsilon);
      bias[c] = (beta[c] ?? NaN) - (mean[c] ?? NaN) * factor;
      // The channels of an output are the last dimension of both kinds of filter.
      for (let i = c; i < length; i += channels) folded[i] = (kernel[i] ?? NaN) * factor;
    }
    return evaluated;
  }

  /** Where the unit ends a residual block: its own outputs become the block's, for a part. */
  private addResidual(index: number, from: number, images: number): void {
    const adds = index < 0 ? null : this.unit(index).adds;
    if (adds === null) return;
    this.kernels.addBlockInput(this.layer(index).layer, this.layerBefore(adds + 1), from, images);
  }

  private clearSums({ sums, sumCount }: LayerPlan, part: number): number {
    const bytes = sumCount * Float64Array.BYTES_PER_ELEMENT;
    this.kernels.clear(sums + part * bytes, bytes / Float32Array.BYTES_PER_ELEMENT);
    return sums + part * bytes;
  }

  private gammaAndBeta({ gamma, beta }: BatchNormPlan, channels: number): [Float32Array, Float32Array] {
    return [floatsAt(this.memory, gamma, channels), floatsAt(this.memory, beta, channels)];
  }

  private unit(index: number): NetworkPlan['trained'][number] {
    return present(this.plan.trained[index]);
  }

  private layer(index: number): LayerPlan {
    return present(this.batch.layers[index]);
  }

  /** The address of the layer that a unit reads. */
  private layerBefore(index: number): number {
    return index === 0 ? this.batch.featureLayer : this.layer(index - 1).layer;
  }
}

/** Place of a layer's values and of its bounds among the words that the kernels read, as the class in kernels/batch-norm.as.ts has them. */
const VALUES = 1;
const BOUNDS = 11;
export const LAYER_BYTES = (BOUNDS + 2) * 4;

/** Says where the features of the whole batch lie. */
export function setFeatures({ memory }: Heap, { featureLayer }: BatchPlan, features: number): void {
  new Uint32Array(memory.buffer, featureLayer, BOUNDS)[VALUES] = features;
}

/** What a layer is, beside its addresses. */
type LayerTerms = Omit<LayerPlan, 'layer' | 'sums' | 'sumCount'> &
  Pick<UnitPlan, 'low' | 'high'> & {
    readonly normalized: boolean;
  };

/** Writes a layer where the kernels read it. */
export function writeLayer(
  { memory: { buffer } }: Heap,
  address: number,
  {
    z,
    values,
    gradient,
    mean,
    forward,
    backward,
    stretch,
    positions,
    channels,
    normalized,
    recomputed,
    low,
    high,
  }: LayerTerms,
): void {
  new Uint32Array(buffer, address, BOUNDS).set([
    z,
    values,
    gradient,
    mean,
    forward,
    backward,
    stretch,
    positions,
    channels,
    normalized ? 1 : 0,
    recomputed?.address ?? 0,
  ]);
  new Float32Array(buffer, address + BOUNDS * 4, 2).set([low, high]);
}

/** Writes what computes a unit's z anew, from the layer `source`, where the kernels read it. */
export function writeRecomputed(
  heap: Heap,
  { panels, transposed, panelBias }: Pick<UnitPlan, 'panels' | 'transposed' | 'panelBias'>,
  source: { readonly layer: number; readonly channels: number },
  channels: number,
): RecomputedPlan {
  const depth = source.channels;
  const moments = heap.allocate(depth * (1 + depth + channels) * Float64Array.BYTES_PER_ELEMENT);
  const center = heap.allocateFloats(panelColumns(depth));
  const constant = heap.allocateFloats(panelColumns(depth));
  const [slope, offset] = [heap.allocateFloats(channels), heap.allocateFloats(channels)];
  const scaled = heap.allocateFloats(depth * Math.max(depth, channels));
  const correction = heap.allocateFloats(depth * panelColumns(depth));
  const address = heap.allocate(11 * 4);
  new Uint32Array(heap.memory.buffer, address, 11).set([
    source.layer,
    center,
    moments,
    scaled,
    panels,
    transposed,
    panelBias,
    slope,
    offset,
    correction,
    constant,
  ]);
  return { address, channels: depth };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the plan has no such unit');
  return value;
}
