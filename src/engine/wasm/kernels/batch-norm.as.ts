import { addGradientSums } from './column-sums.as';
import { floats } from './geometry.as';
import { poolBackward, poolForward } from './pool.as';
import { multiplyAdd } from './tile.as';

/**
 * A trained unit whose outputs are kept for a whole mini-batch, laid out as `writeLayer` writes it. Its activation is
 * clamp(z scale + shift, low, high), with z what its convolution gave; scale and shift are 1 and 0 where it has no batch norm.
 */
@unmanaged
export class Layer {
  /** [batch, positions, channels]; 0 where `values` are given instead, and where the layer is `recomputed`. */
  z: usize;
  /** The activations themselves, where they lie ready; else 0. */
  values: usize;
  /** [batch, positions, channels]: the gradient of z scale + shift; 0 where nobody needs it, and where it is not kept. */
  gradient: usize;
  scale: usize;
  shift: usize;
  mean: usize;
  /** The gradient of z is gain dy + slope z + offset where batch norm is, with dy that of z scale + shift; else it is dy. */
  gain: usize;
  slope: usize;
  offset: usize;
  /** Of one image. */
  positions: i32;
  channels: i32;
  normalized: i32;
  /** What z is computed from where it is not kept, see the class in recomputed.as.ts; else 0. */
  recomputed: usize;
  /** The layer that a pointwise convolution makes of this one, and its packed transposed filter, where `gradient` is not kept; else 0. */
  follower: usize;
  followerPanels: usize;
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

/**
 * Rows are taken so many bytes at a time, and of these one group of channels after another: their factors stay in registers, and the
 * processor still sees memory that is read from front to back.
 */
const GROUP_BYTES: i32 = 1024;

@inline
function groupRows(layer: Layer): i32 {
  return max(4, GROUP_BYTES / (4 * layer.channels));
}

/** out = the activations of positions `from` to `from + rows` - 1 of a batch. */
export function activate(layer: Layer, from: i32, rows: i32, out: usize): void {
  const rowBytes = floats(layer.channels);
  if (layer.values != 0) {
    memory.copy(out, at(layer, layer.values, from), <usize>rows * rowBytes);
    return;
  }
  const z = at(layer, layer.z, from);
  const group = groupRows(layer);
  for (let row = 0; row < rows; row += group) {
    const start = <usize>row * rowBytes;
    activateRows(layer, z + start, min(group, rows - row), out + start);
  }
}

function activateRows(layer: Layer, z: usize, rows: i32, out: usize): void {
  const scale = layer.scale;
  const shift = layer.shift;
  const floor = f32x4.splat(layer.low);
  const ceiling = f32x4.splat(layer.high);
  const rowBytes = floats(layer.channels);
  const end = <usize>rows * rowBytes;
  let c: usize = 0;
  for (; c + 32 <= rowBytes; c += 32) {
    const scaleLeft = v128.load(scale + c);
    const scaleRight = v128.load(scale + c, 16);
    const shiftLeft = v128.load(shift + c);
    const shiftRight = v128.load(shift + c, 16);
    for (let place = c; place < end; place += rowBytes) {
      const left = multiplyAdd(v128.load(z + place), scaleLeft, shiftLeft);
      const right = multiplyAdd(v128.load(z + place, 16), scaleRight, shiftRight);
      v128.store(out + place, f32x4.pmin(f32x4.pmax(left, floor), ceiling));
      v128.store(out + place, f32x4.pmin(f32x4.pmax(right, floor), ceiling), 16);
    }
  }
  for (; c < rowBytes; c += 4) {
    const scaleOne = v128.load32_zero(scale + c);
    const shiftOne = v128.load32_zero(shift + c);
    for (let place = c; place < end; place += rowBytes) {
      const y = multiplyAdd(v128.load32_zero(z + place), scaleOne, shiftOne);
      store<f32>(out + place, f32x4.extract_lane(f32x4.pmin(f32x4.pmax(y, floor), ceiling), 0));
    }
  }
}

/** out = the gradients of z at positions `from` to `from + rows` - 1 of a batch. */
export function gradientOfSums(layer: Layer, from: i32, rows: i32, out: usize): void {
  const rowBytes = floats(layer.channels);
  const z = at(layer, layer.z, from);
  const dy = at(layer, layer.gradient, from);
  const group = groupRows(layer);
  for (let row = 0; row < rows; row += group) {
    const start = <usize>row * rowBytes;
    gradientOfRows(layer, z + start, dy + start, min(group, rows - row), out + start);
  }
}

/** The same for rows of z and dy wherever they lie; `out` may be dy. */
export function gradientOfRows(layer: Layer, z: usize, dy: usize, rows: i32, out: usize): void {
  const gain = layer.gain;
  const slope = layer.slope;
  const offset = layer.offset;
  const rowBytes = floats(layer.channels);
  const end = <usize>rows * rowBytes;
  let c: usize = 0;
  for (; c + 32 <= rowBytes; c += 32) {
    const gainLeft = v128.load(gain + c);
    const gainRight = v128.load(gain + c, 16);
    const slopeLeft = v128.load(slope + c);
    const slopeRight = v128.load(slope + c, 16);
    const offsetLeft = v128.load(offset + c);
    const offsetRight = v128.load(offset + c, 16);
    for (let place = c; place < end; place += rowBytes) {
      const left = multiplyAdd(v128.load(z + place), slopeLeft, offsetLeft);
      const right = multiplyAdd(v128.load(z + place, 16), slopeRight, offsetRight);
      v128.store(out + place, multiplyAdd(v128.load(dy + place), gainLeft, left));
      v128.store(out + place, multiplyAdd(v128.load(dy + place, 16), gainRight, right), 16);
    }
  }
  for (; c < rowBytes; c += 4) {
    const gainOne = v128.load32_zero(gain + c);
    const slopeOne = v128.load32_zero(slope + c);
    const offsetOne = v128.load32_zero(offset + c);
    for (let place = c; place < end; place += rowBytes) {
      const part = multiplyAdd(v128.load32_zero(z + place), slopeOne, offsetOne);
      const sum = multiplyAdd(v128.load32_zero(dy + place), gainOne, part);
      store<f32>(out + place, f32x4.extract_lane(sum, 0));
    }
  }
}

/** The values of a layer that ends a residual block: its own, which have no activation, and those of the block's input. */
export function addBlockInput(layer: Layer, input: Layer, firstImage: i32, images: i32): void {
  const scale = layer.scale;
  const shift = layer.shift;
  const from = firstImage * layer.positions;
  const rows = images * layer.positions;
  let z = at(layer, layer.z, from);
  let out = at(layer, layer.values, from);
  activate(input, from, rows, out);
  const whole = floats(layer.channels & -4);
  const rowBytes = floats(layer.channels);
  for (let row = 0; row < rows; row++) {
    let c: usize = 0;
    for (; c < whole; c += 16) {
      const y = multiplyAdd(v128.load(z + c), v128.load(scale + c), v128.load(shift + c));
      v128.store(out + c, f32x4.add(v128.load(out + c), y));
    }
    for (; c < rowBytes; c += 4) {
      const y = multiplyAdd(v128.load32_zero(z + c), v128.load32_zero(scale + c), v128.load32_zero(shift + c));
      store<f32>(out + c, load<f32>(out + c) + f32x4.extract_lane(y, 0));
    }
    z += rowBytes;
    out += rowBytes;
  }
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
    store<f32>(layer.scale + at, <f32>factor);
    store<f32>(layer.shift + at, <f32>(<f64>load<f32>(beta + at) - mean * factor));
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
    store<f32>(layer.gain + at, <f32>gain);
    store<f32>(layer.slope + at, <f32>slope);
    store<f32>(layer.offset + at, <f32>((-gain * sum) / count - slope * <f64>load<f32>(layer.mean + at)));
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
