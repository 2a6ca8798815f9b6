import { activate, addGradientMoments, at, gradientOfSums, isBounded, Layer } from './batch-norm.as';
import { addColumnSums, addMoments } from './column-sums.as';
import { addFilterGradient, forwardImage, inputGradient } from './depthwise.as';
import { filterDepth, floats, Geometry, isPointwise, positions } from './geometry.as';
import { gatherPatches } from './patches.as';
import { accumulateOuter, multiplyRows, OUTER_ROWS, outerScratchBytes } from './product.as';
import { TILE_ROWS } from './tile.as';
import { addInPlace, maskInPlace } from './update.as';

// The convolutions of `conv.as.ts` and `depthwise.as.ts` on layers, of which the batch's sums before batch norm are kept: what a
// unit reads is activated block by block into scratch, which stays in the cache, and so is what its gradient is computed from.

/** Floats of the input and of the output that a forward pass has in hand at a time: half of an L2 cache of 512 KiB. */
const BLOCK_FLOATS: i32 = 65536;

/** Rows of a pointwise product or of patches that are taken at a time. */
@inline
function forwardRows(depth: i32, columns: i32): i32 {
  return max(TILE_ROWS, min(1024, BLOCK_FLOATS / (depth + columns)) & -TILE_ROWS);
}

/** Scratch for any pass of a convolution of a layer, in bytes. */
export function layerScratchBytes(g: Geometry, depthwise: bool): i32 {
  if (depthwise) return 4 * (g.inHeight * g.inWidth * g.inChannels + positions(g) * g.outChannels);
  const depth = filterDepth(g);
  const columns = g.outChannels;
  const backward = 4 * OUTER_ROWS * (depth + columns) + outerScratchBytes(columns);
  return max(4 * forwardRows(depth, columns) * depth, backward);
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
  const block = forwardRows(depth, columns);
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
  for (let image = firstImage; image < firstImage + images; image++) {
    const from = image * before.positions;
    let input = scratch;
    if (before.values != 0) input = at(before, before.values, from);
    else activate(before, from, before.positions, scratch);
    const z = at(own, own.z, image * own.positions);
    forwardImage(g, input, filter, bias, z, zeros, -Infinity, Infinity);
    if (own.normalized) addMoments(z, sums, own.positions, own.channels);
  }
}

/** As `convLayerBackward`, with a depthwise filter as it is. */
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
): void {
  const dz = scratch;
  const place = dz + floats(own.positions * own.channels);
  const inFloats = before.positions * before.channels;
  for (let image = firstImage; image < firstImage + images; image++) {
    let gradient = at(own, own.gradient, image * own.positions);
    if (own.normalized) {
      gradientOfSums(own, image * own.positions, own.positions, dz);
      gradient = dz;
    }
    if (dBias != 0) addColumnSums(gradient, dBias, own.positions, own.channels);
    const from = image * before.positions;
    const target = at(before, before.gradient, from);
    const input = before.gradient != 0 && !hasSecond ? target : place;
    activate(before, from, before.positions, input);
    addFilterGradient(g, input, gradient, dFilter);
    if (before.gradient == 0) continue;
    if (hasSecond) maskInPlace(target, input, inFloats, before.low, before.high);
    inputGradient(g, gradient, filter, input, zeros, before.low, before.high);
    if (hasSecond) addInPlace(target, input, inFloats);
    if (before.normalized) addGradientMoments(before, from, before.positions, sums);
  }
}
