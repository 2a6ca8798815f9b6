import { type Backbone, outputChannels } from '../model/network.js';
import type { BackendTraits } from './backends/current.js';
import type { FeatureShape } from './engine.js';
import type { Heap } from './wasm/heap.js';

/**
 * Height, width and channels of what the trained part starts from, for one image.
 * The pooled vector where the head alone is trained, the image itself where nothing is frozen.
 */
export function featureShape(backbone: Backbone, firstTrained: number, imageSize: number): FeatureShape {
  if (firstTrained === backbone.blocks.length) return [1, 1, backbone.features];
  const last = unitOutputs(backbone, imageSize).findLast((output) => output.block < firstTrained);
  return last === undefined ? [imageSize, imageSize, 3] : [last.side, last.side, last.channels];
}

/**
 * Bytes that a training step needs for one image, by which batches are cut: the outputs of the trained units and a few gradients
 * of the largest, as tfjs backends hold them. Where gradients take their place it is less; the slices are the same.
 */
export function activationBytes(backbone: Backbone, firstTrained: number, imageSize: number): number {
  const outputs = unitOutputs(backbone, imageSize).map((o) => ({
    ...o,
    bytes: o.side * o.side * o.channels * 4,
  }));
  const kept = outputs.reduce((sum, { block, bytes }) => sum + (block >= firstTrained ? bytes : 0), 0);
  return kept + 4 * Math.max(...outputs.map(({ bytes }) => bytes));
}

/** Bytes of the largest single activation of one image, in a forward pass or a training step. */
export function largestActivationBytes(backbone: Backbone, imageSize: number): number {
  return Math.max(
    imageSize * imageSize * 3 * 4,
    ...unitOutputs(backbone, imageSize).map(({ side, channels }) => side * side * channels * 4),
  );
}

/**
 * Values that a channel has for each image where the maps under batch norm are smallest; Infinity where there is no batch norm.
 * Training by the statistics of a batch takes at least two values of the whole batch.
 */
export function fewestNormalizedValues(backbone: Backbone, imageSize: number): number {
  const normalized = unitOutputs(backbone, imageSize).filter((output) => output.normalized);
  return Math.min(Infinity, ...normalized.map(({ side }) => side * side));
}

/** Side in pixels and channels of every convolution's output, in order, and whether batch norm follows. */
function unitOutputs(
  backbone: Backbone,
  imageSize: number,
): { block: number; side: number; channels: number; normalized: boolean }[] {
  let side = imageSize;
  return backbone.blocks.flatMap((block, index) =>
    block.units.map((unit) => {
      side = outputSide(side, unit.stride);
      return { block: index, side, channels: outputChannels(unit), normalized: unit.batchNorm !== undefined };
    }),
  );
}

/** What a training step has of one image. */
interface ImageLoad {
  /** See `activationBytes`. */
  readonly bytes: number;
  /** See `smallestTrainedMap`. */
  readonly positions: number;
}

/**
 * Images per slice. On a backend a batch is always cut alike, by network, image size and batch size alone, never by
 * cores or free memory: so the sums, and with them every bit of a run, are the same on any machine.
 * @param traits of the backend that computes
 */
export function sliceSize(
  { bytes, positions }: ImageLoad,
  batchSize: number,
  { maxSlice, sliceBytes, slicePositions }: Omit<BackendTraits, 'threads' | 'lossEvery'>,
): number {
  const enough = Math.ceil(slicePositions / positions);
  return Math.max(1, Math.min(batchSize, maxSlice, enough, Math.floor(sliceBytes / bytes)));
}

/** Positions of the smallest map that is trained, of one image: 1 where the head alone is, on pooled vectors. */
export function smallestTrainedMap(backbone: Backbone, firstTrained: number, imageSize: number): number {
  const trained = unitOutputs(backbone, imageSize).filter(({ block }) => block >= firstTrained);
  return trained.length === 0 ? 1 : Math.min(...trained.map(({ side }) => side ** 2));
}

/** The slices of n images as [from, to) in order. */
export function slicesOf(n: number, size: number): { from: number; to: number }[] {
  return Array.from({ length: Math.ceil(n / size) }, (_, i) => ({
    from: i * size,
    to: Math.min(n, (i + 1) * size),
  }));
}

/** A convolution with 'same' padding, for one image. */
interface ConvShape {
  /** Height and width of the input. */
  readonly side: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Height and width of the filter. */
  readonly window: readonly [number, number];
  readonly stride: number;
}

/** Writes a convolution's sizes where the kernels read them, in the order of the class in kernels/geometry.as.ts. */
export function writeGeometry(
  heap: Heap,
  { side, inChannels, outChannels, window, stride }: ConvShape,
): number {
  const out = outputSide(side, stride);
  const [top, left] = window.map((size) => Math.max(0, (out - 1) * stride + size - side) >> 1);
  const integers = [side, side, inChannels, out, out, outChannels, ...window, stride, top ?? 0, left ?? 0];
  const address = heap.allocate(integers.length * Int32Array.BYTES_PER_ELEMENT);
  new Int32Array(heap.memory.buffer, address, integers.length).set(integers);
  return address;
}

/** Height and width of the output. */
export function outputSide(side: number, stride: number): number {
  return Math.ceil(side / stride);
}

/** Columns rounded up to whole panels of 8, in which filters are packed. */
export function panelColumns(columns: number): number {
  return Math.ceil(columns / 8) * 8;
}
