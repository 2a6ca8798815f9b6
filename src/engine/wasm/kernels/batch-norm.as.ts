import { addGradientSums } from './column-sums.as';
import { floats } from './geometry.as';
import { poolBackward, poolForward } from './pool.as';
import { multiplyAdd } from './tile.as';

/**
 * A trained unit whose outputs are kept for a whole mini-batch, laid out as `writeLayer` writes it. Its activation is
 * clamp(z scale + shift, low, high), with z what its convolution gave; scale and shift are 1 and 0 where it has no batch norm.
 *
 * Factors of channels lie as rows of a map meet them, vector by vector and side by side, so that a map and its factors are each read from
 * front to back. Where a layer has few channels its factors are repeated over several positions, a stretch of the map.
 */
@unmanaged
export class Layer {
  /** [batch, positions, channels]; 0 where `values` are given instead, and where the layer is `recomputed`. */
  z: usize;
  /** The activations themselves, where they lie ready; else 0. */
  values: usize;
  /** [batch, positions, channels]: the gradient of z scale + shift; 0 where nobody needs it, and where the layer is `recomputed`. */
  gradient: usize;
  /** [channels]: of the batch. */
  mean: usize;
  /** [stretch / 4, 2, 4]: scale and shift. */
  forward: usize;
  /** [stretch / 4, 3, 4]: the gradient of z is gain dy + slope z + offset where batch norm is, with dy that of z scale + shift; else it is dy. */
  backward: usize;
  /** Floats: a multiple of the channels and of 16. */
  stretch: i32;
  /** Of one image. */
  positions: i32;
  channels: i32;
  normalized: i32;
  /** What z is computed from where it is not kept, see the class in recomputed.as.ts; else 0. */
  recomputed: usize;
  low: f32;
  high: f32;
}

/** Where a position of a batch begins in one of a layer's arrays. */
@inline
export function at(layer: Layer, array: usize, position: i32): usize {
  return array + <usize>position * floats(layer.channels);
}

/** Whether the layer has an activation. */
@inline
export function isBounded(layer: Layer): bool {
  return layer.high < Infinity;
}

/** out = the activations of positions `from` to `from + rows` - 1 of a batch. */
export function activate(layer: Layer, from: i32, rows: i32, out: usize): void {
  if (layer.values != 0) memory.copy(out, at(layer, layer.values, from), floats(rows * layer.channels));
  else activateRows(layer, at(layer, layer.z, from), rows, out, false);
}

/** The same for rows of z wherever they lie; or out += them. */
@inline
function activateRows(layer: Layer, z: usize, rows: i32, out: usize, adds: bool): void {
  const floor = f32x4.splat(layer.low);
  const ceiling = f32x4.splat(layer.high);
  const end = z + floats(rows * layer.channels);
  while (z < end) {
    const stop = min(end, z + floats(layer.stretch));
    let factors = layer.forward;
    for (; z + 64 <= stop; z += 64) {
      activateFour(z, factors, out, floor, ceiling, adds);
      activateFour(z + 16, factors + 32, out + 16, floor, ceiling, adds);
      activateFour(z + 32, factors + 64, out + 32, floor, ceiling, adds);
      activateFour(z + 48, factors + 96, out + 48, floor, ceiling, adds);
      factors += 128;
      out += 64;
    }
    for (; z + 16 <= stop; z += 16) {
      activateFour(z, factors, out, floor, ceiling, adds);
      factors += 32;
      out += 16;
    }
    for (; z < stop; z += 4) {
      const y = multiplyAdd(v128.load32_zero(z), v128.load32_zero(factors), v128.load32_zero(factors, 16));
      const value = f32x4.extract_lane(f32x4.pmin(f32x4.pmax(y, floor), ceiling), 0);
      store<f32>(out, adds ? load<f32>(out) + value : value);
      factors += 4;
      out += 4;
    }
  }
}

@inline
function activateFour(z: usize, factors: usize, out: usize, floor: v128, ceiling: v128, adds: bool): void {
  const y = multiplyAdd(v128.load(z), v128.load(factors), v128.load(factors, 16));
  const value = f32x4.pmin(f32x4.pmax(y, floor), ceiling);
  v128.store(out, adds ? f32x4.add(v128.load(out), value) : value);
}

/** out = the gradients of z at positions `from` to `from + rows` - 1 of a batch. */
export function gradientOfSums(layer: Layer, from: i32, rows: i32, out: usize): void {
  let z = at(layer, layer.z, from);
  let dy = at(layer, layer.gradient, from);
  const end = z + floats(rows * layer.channels);
  while (z < end) {
    const stop = min(end, z + floats(layer.stretch));
    let factors = layer.backward;
    for (; z + 64 <= stop; z += 64) {
      gradientOfFour(z, dy, factors, out);
      gradientOfFour(z + 16, dy + 16, factors + 48, out + 16);
      gradientOfFour(z + 32, dy + 32, factors + 96, out + 32);
      gradientOfFour(z + 48, dy + 48, factors + 144, out + 48);
      factors += 192;
      dy += 64;
      out += 64;
    }
    for (; z + 16 <= stop; z += 16) {
      gradientOfFour(z, dy, factors, out);
      factors += 48;
      dy += 16;
      out += 16;
    }
    for (; z < stop; z += 4) {
      const part = multiplyAdd(v128.load32_zero(z), v128.load32_zero(factors, 16), v128.load32_zero(factors, 32));
      const sum = multiplyAdd(v128.load32_zero(dy), v128.load32_zero(factors), part);
      store<f32>(out, f32x4.extract_lane(sum, 0));
      factors += 4;
      dy += 4;
      out += 4;
    }
  }
}

@inline
function gradientOfFour(z: usize, dy: usize, factors: usize, out: usize): void {
  const part = multiplyAdd(v128.load(z), v128.load(factors, 16), v128.load(factors, 32));
  v128.store(out, multiplyAdd(v128.load(dy), v128.load(factors), part));
}

/** The values of a layer that ends a residual block: its own, which have no activation, and those of the block's input. */
export function addBlockInput(layer: Layer, input: Layer, firstImage: i32, images: i32): void {
  const from = firstImage * layer.positions;
  const rows = images * layer.positions;
  const out = at(layer, layer.values, from);
  activate(input, from, rows, out);
  activateRows(layer, at(layer, layer.z, from), rows, out, true);
}

/** The last layer's activations into the place of its gradient, and their averages over the positions. */
export function poolLayer(layer: Layer, firstImage: i32, images: i32, pooled: usize): void {
  const from = firstImage * layer.positions;
  const out = at(layer, layer.gradient, from);
  activate(layer, from, images * layer.positions, out);
  poolForward(out, pooled, images, layer.positions, layer.channels);
}

/** The last layer's gradient from that of the averages, after `poolLayer`. */
export function poolLayerBackward(layer: Layer, firstImage: i32, images: i32, dPooled: usize, sums: usize): void {
  const from = firstImage * layer.positions;
  const out = at(layer, layer.gradient, from);
  poolBackward(out, dPooled, images, layer.positions, layer.channels, layer.low, layer.high);
  if (layer.normalized) addGradientMoments(layer, from, images * layer.positions, sums);
}

/** sums[2, channels] += what the gradients of gamma, beta and z need of the layer's gradient at these positions. */
export function addGradientMoments(layer: Layer, from: i32, rows: i32, sums: usize): void {
  addGradientSums(at(layer, layer.gradient, from), at(layer, layer.z, from), layer.mean, sums, rows, layer.channels);
}

/**
 * From the moments of all parts of a batch to a layer's scale and shift.
 * @param sums of z and its squares [parts, 2, channels], float64
 * @param count values of each channel in the batch
 * @param moments [2, channels], float64: mean and biased variance of the batch are written there
 */
export function finishForward(
  layer: Layer,
  sums: usize,
  parts: i32,
  count: f64,
  gamma: usize,
  beta: usize,
  epsilon: f64,
  moments: usize,
): void {
  const channels = layer.channels;
  for (let c = 0; c < channels; c++) {
    const at = <usize>c << 2;
    const mean = sumOfParts(sums, parts, channels, c) / count;
    const variance = max<f64>(0, sumOfParts(sums, parts, channels, channels + c) / count - mean * mean);
    const factor = <f64>load<f32>(gamma + at) / Math.sqrt(variance + epsilon);
    setForward(layer, c, <f32>factor, <f32>(<f64>load<f32>(beta + at) - mean * factor));
    store<f32>(layer.mean + at, <f32>mean);
    store<f64>(moments + 2 * at, mean);
    store<f64>(moments + 2 * <usize>(channels + c) * 4, variance);
  }
}

/**
 * From the sums of all parts to the gradients of gamma and beta, and to what makes the gradient of z:
 * gamma inverse (dy - mean(dy) - (z - mean) inverse mean(dy xhat)), where inverse is 1 / sqrt(variance + epsilon).
 * @param sums of dy and dy (z - mean) [parts, 2, channels], float64
 * @param moments as `finishForward` wrote them
 */
export function finishBackward(
  layer: Layer,
  sums: usize,
  parts: i32,
  count: f64,
  gamma: usize,
  epsilon: f64,
  moments: usize,
  dGamma: usize,
  dBeta: usize,
): void {
  const channels = layer.channels;
  for (let c = 0; c < channels; c++) {
    const at = <usize>c << 2;
    const inverse = 1 / Math.sqrt(load<f64>(moments + 2 * <usize>(channels + c) * 4) + epsilon);
    const sum = sumOfParts(sums, parts, channels, c);
    const product = sumOfParts(sums, parts, channels, channels + c) * inverse;
    store<f32>(dBeta + at, <f32>sum);
    store<f32>(dGamma + at, <f32>product);
    const gain = <f64>load<f32>(gamma + at) * inverse;
    const slope = (-gain * inverse * product) / count;
    setBackward(layer, c, <f32>gain, <f32>slope, <f32>((-gain * sum) / count - slope * <f64>load<f32>(layer.mean + at)));
  }
}

/** Writes a channel's scale and shift wherever the stretch meets the channel. */
function setForward(layer: Layer, channel: i32, scale: f32, shift: f32): void {
  for (let i = channel; i < layer.stretch; i += layer.channels) {
    const place = layer.forward + floats(8 * (i >> 2) + (i & 3));
    store<f32>(place, scale);
    store<f32>(place, shift, 16);
  }
}

/** The same of the gradient's. */
function setBackward(layer: Layer, channel: i32, gain: f32, slope: f32, offset: f32): void {
  for (let i = channel; i < layer.stretch; i += layer.channels) {
    const place = layer.backward + floats(12 * (i >> 2) + (i & 3));
    store<f32>(place, gain);
    store<f32>(place, slope, 16);
    store<f32>(place, offset, 32);
  }
}

/** The parts are added in their order. */
@inline
function sumOfParts(sums: usize, parts: i32, channels: i32, index: i32): f64 {
  const step = <usize>channels << 4;
  let at = sums + (<usize>index << 3);
  let sum = load<f64>(at);
  for (let part = 1; part < parts; part++) sum += load<f64>((at += step));
  return sum;
}
