import { outputSide } from '../backend/wasm/geometry.js';
import type { Backbone } from '../model/network.js';
import type { FeatureShape } from './network-input.js';

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

/** Side in pixels and channels of every convolution's output, in order. */
function unitOutputs(
  backbone: Backbone,
  imageSize: number,
): { block: number; side: number; channels: number }[] {
  let side = imageSize;
  return backbone.blocks.flatMap((block, index) =>
    block.units.map((unit) => {
      side = outputSide(side, unit.stride);
      return { block: index, side, channels: unit.filterShape[unit.kind === 'conv' ? 3 : 2] };
    }),
  );
}
