import { activate, addGradientMoments, at, gradientOfSums, isBounded, Layer } from './batch-norm.as';
import { addColumnSums, addMoments } from './column-sums.as';
import {
  addFilterGradient, firstOutput, forwardRows, HELD_BYTES, inputGradient, inputRows, isFast, lastOutput,
} from './depthwise.as';
import { filterDepth, floats, Geometry, isPointwise } from './geometry.as';
import { gatherPatches } from './patches.as';
import { accumulateOuter, multiplyRows, OUTER_ROWS, outerScratchBytes } from './product.as';
import { handOn, recompute } from './recomputed.as';
import { TILE_ROWS } from './tile.as';
import { addInPlace, maskInPlace } from './update.as';

// The convolutions of `conv.as.ts` and `depthwise.as.ts` on layers, of which the batch's sums before batch norm are kept: what a
// unit reads is activated block by block into scratch, which stays in the cache, and so is what its gradient is computed from.

/** Floats of the input that a forward pass activates at a time: about an L1 cache. */
const BLOCK_FLOATS: i32 = 8192;

/** Rows of a pointwise product or of patches that are taken at a time. */
@inline
function productRows(depth: i32): i32 {
  return max(32, (BLOCK_FLOATS / depth) & -TILE_ROWS);
}

/** Scratch for any pass of a convolution of a layer, in bytes. */
export function layerScratchBytes(g: Geometry, depthwise: bool): i32 {
  if (depthwise) return depthwiseScratchBytes(g);
  const depth = filterDepth(g);
  const columns = g.outChannels;
  const backward = 4 * OUTER_ROWS * (depth + columns) + outerScratchBytes(columns);
  return max(4 * productRows(depth) * depth, backward);
}

/**
 * z = conv(activations of the layer before) + bias for images of a batch.
 * @param panels the packed filter
 * @param bias zeros where batch norm follows, filled up to whole panels
 * @param sums of z and its squares, [2, channels], added to where batch norm follows
 */
export function convLayer(
  g: Geometry,
  own: Layer,
  before: Layer,
  firstImage: i32,
  images: i32,
  panels: usize,
  bias: usize,
  sums: usize,
  scratch: usize,
): void {
  const depth = filterDepth(g);
  const columns = g.outChannels;
  const direct = isPointwise(g);
  const first = firstImage * own.positions;
  const rows = images * own.positions;
  const block = productRows(depth);
  for (let start = 0; start < rows; start += block) {
    const count = min(block, rows - start);
    const from = first + start;
    let input = scratch;
    if (!direct) gatherPatches(g, before.values, scratch, from, count);
    else if (before.values != 0) input = at(before, before.values, from);
    else activate(before, from, count, scratch);
    const z = at(own, own.z, from);
    multiplyRows(input, panels, bias, z, count, depth, columns, -Infinity, Infinity, false);
    if (own.normalized) addMoments(z, sums, count, columns);
  }
}

/**
 * The gradients of a convolution of layers from that of what followed it. dFilter and dBias are added to; there is no dBias where
 * it is 0. The gradient of the layer before, where that has one, is written, and its sums are added to.
 *
 * @param hasSecond whether the layer before has a second gradient, from a residual block's end: it lies where the sum of both goes
 * @param panels the transposed filter
 */
export function convLayerBackward(
  g: Geometry,
  own: Layer,
  before: Layer,
  hasSecond: bool,
  firstImage: i32,
  images: i32,
  panels: usize,
  dFilter: usize,
  dBias: usize,
  zeros: usize,
  sums: usize,
  scratch: usize,
): void {
  const width = filterDepth(g);
  const columns = g.outChannels;
  const direct = isPointwise(g);
  const bounded = isBounded(before);
  const first = firstImage * own.positions;
  const rows = images * own.positions;
  const dz = scratch;
  const place = dz + floats(OUTER_ROWS * columns);
  const rest = place + floats(OUTER_ROWS * width);
  for (let start = 0; start < rows; start += OUTER_ROWS) {
    const count = min(OUTER_ROWS, rows - start);
    const from = first + start;
    let gradient = at(own, own.gradient, from);
    if (own.normalized) {
      gradientOfSums(own, from, count, dz);
      gradient = dz;
    }
    if (dBias != 0) addColumnSums(gradient, dBias, count, columns);
    const target = at(before, before.gradient, from);
    // What the unit read, where its gradient is to take its place.
    const input = before.gradient != 0 && !hasSecond ? target : place;
    if (!direct) gatherPatches(g, before.values, input, from, count);
    else activate(before, from, count, input);
    accumulateOuter(input, gradient, dFilter, count, width, columns, rest);
    if (before.gradient == 0) continue;
    if (hasSecond && bounded) maskInPlace(target, input, count * width, before.low, before.high);
    multiplyRows(gradient, panels, zeros, input, count, columns, width, before.low, before.high, bounded);
    if (hasSecond) addInPlace(target, input, count * width);
    if (before.normalized) addGradientMoments(before, from, count, sums);
  }
}

/** Rows of a depthwise convolution's output that a forward pass takes at a time; all of them where the vector kernels do not apply. */
function outputRows(g: Geometry): i32 {
  if (!isFast(g)) return g.outHeight;
  return min(g.outHeight, max(4, HELD_BYTES / (4 * g.inWidth * g.inChannels) / g.stride - 2));
}

/** Scratch for either pass of a depthwise convolution, in bytes. */
function depthwiseScratchBytes(g: Geometry): i32 {
  const inRow = 4 * g.inWidth * g.inChannels;
  const outRow = 4 * g.outWidth * g.outChannels;
  const rows = inputRows(g);
  const forward = inRow * min(g.inHeight, outputRows(g) * g.stride + g.filterHeight);
  return max(forward, outRow * min(g.outHeight, rows + g.filterHeight) + inRow * rows);
}

/** As `convLayer`, with a depthwise filter as it is. */
export function depthwiseLayer(
  g: Geometry,
  own: Layer,
  before: Layer,
  firstImage: i32,
  images: i32,
  filter: usize,
  bias: usize,
  zeros: usize,
  sums: usize,
  scratch: usize,
): void {
  const rows = outputRows(g);
  const rowBytes = floats(g.inWidth * g.inChannels);
  const rest = scratch + depthwiseScratchBytes(g);
  for (let image = firstImage; image < firstImage + images; image++) {
    const from = image * before.positions;
    const z = at(own, own.z, image * own.positions);
    // Rows of the input that lie activated in scratch.
    let first = 0;
    let end = 0;
    for (let row = 0; row < g.outHeight; row += rows) {
      const to = min(g.outHeight, row + rows);
      let input = at(before, before.values, from);
      if (before.values == 0) {
        const top = max(0, row * g.stride - g.padTop);
        const bottom = min(g.inHeight, (to - 1) * g.stride - g.padTop + g.filterHeight);
        moveRows(scratch, top - first, end - top, rowBytes);
        const missing = scratch + <usize>(end - top) * rowBytes;
        valuesOf(before, from + end * g.inWidth, (bottom - end) * g.inWidth, missing, rest);
        first = top;
        end = bottom;
        input = scratch - <usize>top * rowBytes;
      }
      forwardRows(g, input, filter, bias, z, zeros, -Infinity, Infinity, row, to);
      if (!own.normalized) continue;
      const start = z + floats(row * g.outWidth * g.outChannels);
      addMoments(start, sums, (to - row) * g.outWidth, g.outChannels);
    }
  }
}

/** out = the activations of a layer at positions of a batch. */
@inline
function valuesOf(layer: Layer, from: i32, rows: i32, out: usize, scratch: usize): void {
  if (layer.recomputed != 0) recompute(layer, from, rows, out, scratch);
  else activate(layer, from, rows, out);
}

/** Moves `count` rows, if any, from row `skipped` of scratch to its front. */
@inline
function moveRows(scratch: usize, skipped: i32, count: i32, rowBytes: usize): void {
  if (skipped > 0 && count > 0) memory.copy(scratch, scratch + <usize>skipped * rowBytes, <usize>count * rowBytes);
}

/**
 * As `convLayerBackward`, with a depthwise filter as it is.
 * @param dBefore where the layer before is not kept, what `handOn` makes for its filter
 */
export function depthwiseLayerBackward(
  g: Geometry,
  own: Layer,
  before: Layer,
  hasSecond: bool,
  firstImage: i32,
  images: i32,
  filter: usize,
  dFilter: usize,
  dBias: usize,
  zeros: usize,
  sums: usize,
  scratch: usize,
  dBefore: usize,
): void {
  const rows = inputRows(g);
  const inRowBytes = floats(g.inWidth * g.inChannels);
  const outRowBytes = floats(g.outWidth * g.outChannels);
  const place = scratch + <usize>min(g.outHeight, rows + g.filterHeight) * outRowBytes;
  const rest = scratch + depthwiseScratchBytes(g);
  const inPlace = before.gradient != 0 && !hasSecond;
  for (let image = firstImage; image < firstImage + images; image++) {
    const from = image * before.positions;
    const target = at(before, before.gradient, from);
    const outFrom = image * own.positions;
    if (dBias != 0) addColumnSums(at(own, own.gradient, outFrom), dBias, own.positions, own.channels);
    // Rows of the output whose gradients lie in scratch.
    let first = 0;
    let end = 0;
    for (let row = 0; row < g.inHeight; row += rows) {
      const to = min(g.inHeight, row + rows);
      let gradient = at(own, own.gradient, outFrom);
      if (own.normalized) {
        const top = firstOutput(g, row);
        const bottom = lastOutput(g, to - 1) + 1;
        moveRows(scratch, top - first, end - top, outRowBytes);
        const missing = scratch + <usize>(end - top) * outRowBytes;
        gradientOfSums(own, outFrom + end * g.outWidth, (bottom - end) * g.outWidth, missing);
        first = top;
        end = bottom;
        gradient = scratch - <usize>top * outRowBytes;
      }
      const count = (to - row) * g.inWidth;
      const start = from + row * g.inWidth;
      const input = inPlace ? target : place - <usize>row * inRowBytes;
      const held = input + <usize>row * inRowBytes;
      valuesOf(before, start, count, held, rest);
      addFilterGradient(g, input, gradient, dFilter, zeros, row, to);
      if (before.recomputed != 0) {
        inputGradient(g, gradient, filter, input, zeros, before.low, before.high, row, to);
        handOn(before, start, count, held, hasSecond, dBefore, zeros, sums, rest);
        continue;
      }
      if (before.gradient == 0) continue;
      const second = target + <usize>row * inRowBytes;
      if (hasSecond) maskInPlace(second, held, count * g.inChannels, before.low, before.high);
      inputGradient(g, gradient, filter, input, zeros, before.low, before.high, row, to);
      if (hasSecond) addInPlace(second, held, count * g.inChannels);
      if (before.normalized) addGradientMoments(before, start, count, sums);
    }
  }
}
