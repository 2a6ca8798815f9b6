import { activate, addGradientMoments, at, Layer } from './batch-norm.as';
import { addColumnSums, addColumnTotals } from './column-sums.as';
import { floats } from './geometry.as';
import { packColumns, packTransposed, panelColumns } from './pack.as';
import { accumulateOuter, multiplyRows, OUTER_ROWS, outerScratchBytes } from './product.as';
import { addInPlace } from './update.as';

// The widest maps of a network are not kept: those of a pointwise convolution that reads few channels, before a depthwise one. Such
// a layer's z is W x, with x the few channels, so that its moments follow from those of x, and a block of its rows is computed anew
// in the cache wherever it is read. Its gradient is used up where it arises. It is
//   dz = gain dy + slope (z - mean(z)) + offset,
// and slope and offset are known once the whole batch has passed. So, with x centred on its mean, and S the sum of x x^T over the batch:
//   dW = x^T dz = gain (x^T dy) + slope (S W)                        the products x^T dy are summed as dy arises,
//   dx = dz W^T = dy (gain W)^T + x (W slope W^T) + offset W^T      the first term is written as dy arises, the others are added later.
// All of this is as large as x, W or S alone.

/** What such a layer is made from, laid out as `writeRecomputed` writes it. Its z, values and gradient are 0. */
@unmanaged
export class Recomputed {
  /** The layer that the convolution reads. It has no activation. */
  source: Layer;
  /** [source channels]: the source's mean over the batch. */
  center: usize;
  /** Of the batch, float64: the source's mean, then S, [source channels, source channels], then S W, [source channels, channels]. */
  moments: usize;
  /** W times scale, [source channels, channels], as it lies, packed, and its transpose packed, 0 where the source needs no gradient. */
  scaled: usize;
  panels: usize;
  transposed: usize;
  /** The shift of batch norm, filled up to whole panels. */
  beta: usize;
  /** [channels]: of the gradient, as above. */
  slope: usize;
  offset: usize;
  /** W slope W^T packed, and offset W^T filled up to whole panels. */
  correction: usize;
  constant: usize;
}

@inline
function recomputed(layer: Layer): Recomputed {
  return changetype<Recomputed>(layer.recomputed);
}

/** Scratch for the functions of this file, where the convolution has so many inputs and outputs. */
export function recomputedScratchBytes(depth: i32, channels: i32): i32 {
  return 4 * (2 * OUTER_ROWS * depth + depth * depth + 2 * panelColumns(depth)) + outerScratchBytes(channels);
}

/** out = the source's values at positions of a batch, less their mean. */
function centered(r: Recomputed, from: i32, rows: i32, out: usize): void {
  activate(r.source, from, rows, out);
  subtractRow(out, r.center, rows, r.source.channels);
}

function subtractRow(values: usize, row: usize, rows: i32, channels: i32): void {
  const rowBytes = floats(channels);
  const end = <usize>rows * rowBytes;
  let c: usize = 0;
  for (; c + 16 <= rowBytes; c += 16) {
    const center = v128.load(row + c);
    for (let place = c; place < end; place += rowBytes) {
      v128.store(values + place, f32x4.sub(v128.load(values + place), center));
    }
  }
  for (; c < rowBytes; c += 4) {
    const center = load<f32>(row + c);
    for (let place = c; place < end; place += rowBytes) {
      store<f32>(values + place, load<f32>(values + place) - center);
    }
  }
}

/** out = the activations of a layer that is not kept, from its source. */
export function recompute(layer: Layer, from: i32, rows: i32, out: usize, scratch: usize): void {
  const r = recomputed(layer);
  const channels = layer.channels;
  for (let start = 0; start < rows; start += OUTER_ROWS) {
    const count = min(OUTER_ROWS, rows - start);
    centered(r, from + start, count, scratch);
    const target = out + floats(start * channels);
    multiplyRows(scratch, r.panels, r.beta, target, count, r.source.channels, channels, layer.low, layer.high, false);
  }
}

/**
 * sums[channels + channels^2], float64, += the source's values at some images, and their products with each other.
 *
 * As in `addMoments`, single precision holds only differences from a block's first row.
 */
export function sourceMoments(source: Layer, firstImage: i32, images: i32, sums: usize, scratch: usize): void {
  const depth = source.channels;
  const first = firstImage * source.positions;
  const rows = images * source.positions;
  const x = scratch;
  const origin = x + floats(OUTER_ROWS * depth);
  const total = origin + floats(panelColumns(depth));
  const products = total + floats(panelColumns(depth));
  const rest = products + floats(depth * depth);
  for (let start = 0; start < rows; start += OUTER_ROWS) {
    const count = min(OUTER_ROWS, rows - start);
    activate(source, first + start, count, x);
    memory.copy(origin, x, floats(depth));
    subtractRow(x, origin, count, depth);
    memory.fill(total, 0, products - total + floats(depth * depth));
    addColumnSums(x, total, count, depth);
    accumulateOuter(x, x, products, count, depth, depth, rest);
    joinProducts(sums, <f64>count, origin, total, products, depth);
  }
}

/** From the sums of `count` differences from `origin` and of their products to those of the values. */
function joinProducts(sums: usize, count: f64, origin: usize, total: usize, products: usize, depth: i32): void {
  let target = sums + 2 * floats(depth);
  for (let i = 0; i < depth; i++) {
    const o = single(origin, i);
    const sum = o * count + single(total, i);
    add(sums + 2 * floats(i), sum);
    // o_i (o_j count + t_j) + t_i o_j + p_ij
    const t = single(total, i);
    for (let j = 0; j < depth; j++) {
      const oj = single(origin, j);
      add(target, o * (oj * count + single(total, j)) + t * oj + single(products, i * depth + j));
      target += 8;
    }
  }
}

/**
 * From the moments of the source, of all parts of a batch, to a layer's scale and shift, and to what computes it anew.
 * @param filter [source channels, channels]
 * @param sums as `sourceMoments` leaves them, of each part; they lie `sumBytes` apart
 * @param moments [2, channels], float64: mean and biased variance of the batch are written there
 */
export function finishRecomputed(
  layer: Layer,
  filter: usize,
  sums: usize,
  sumBytes: i32,
  parts: i32,
  count: f64,
  gamma: usize,
  beta: usize,
  epsilon: f64,
  moments: usize,
): void {
  const r = recomputed(layer);
  const depth = r.source.channels;
  const channels = layer.channels;
  for (let i = 0; i < depth + depth * depth; i++) {
    let sum: f64 = 0;
    for (let part = 0; part < parts; part++) sum += double(sums + <usize>(part * sumBytes), i);
    put(r.moments, i, sum);
  }
  const spread = r.moments + 2 * floats(depth);
  for (let i = 0; i < depth; i++) {
    const mean = double(r.moments, i) / count;
    put(r.moments, i, mean);
    store<f32>(r.center + floats(i), <f32>mean);
  }
  for (let i = 0; i < depth; i++) {
    for (let j = 0; j < depth; j++) {
      const product = count * double(r.moments, i) * double(r.moments, j);
      put(spread, i * depth + j, double(spread, i * depth + j) - product);
    }
  }
  const products = spread + 2 * floats(depth * depth);
  memory.fill(products, 0, 2 * floats(depth * channels));
  for (let i = 0; i < depth; i++) {
    for (let j = 0; j < depth; j++) {
      addRow(products + 2 * floats(i * channels), double(spread, i * depth + j), filter + floats(j * channels), channels);
    }
  }
  for (let c = 0; c < channels; c++) {
    let mean: f64 = 0;
    let squares: f64 = 0;
    for (let i = 0; i < depth; i++) {
      const weight = single(filter, i * channels + c);
      mean += weight * double(r.moments, i);
      squares += weight * double(products, i * channels + c);
    }
    const variance = max<f64>(0, squares / count);
    const factor = single(gamma, c) / Math.sqrt(variance + epsilon);
    put(moments, c, mean);
    put(moments, channels + c, variance);
    store<f32>(r.beta + floats(c), load<f32>(beta + floats(c)));
    for (let i = 0; i < depth; i++) {
      store<f32>(r.scaled + floats(i * channels + c), <f32>(single(filter, i * channels + c) * factor));
    }
  }
  packColumns(r.scaled, r.panels, depth, channels);
  if (r.transposed != 0) packTransposed(r.scaled, r.transposed, channels, depth);
}

/** sums[count], float64, += factor row[count]. */
function addRow(sums: usize, factor: f64, row: usize, count: i32): void {
  const pair = f64x2.splat(factor);
  let c = 0;
  for (; c + 2 <= count; c += 2) {
    const product = f64x2.mul(pair, f64x2.promote_low_f32x4(v128.load64_zero(row)));
    v128.store(sums, f64x2.add(v128.load(sums), product));
    sums += 16;
    row += 8;
  }
  if (c < count) add(sums, factor * <f64>load<f32>(row));
}

/**
 * The gradient dy of a layer that is not kept, before its activation, goes into what is: its sums [channels], float64, the
 * products x^T dy in dFilter, and the source's gradient, all of which are added to or, without a second gradient, written.
 */
export function handOn(
  layer: Layer,
  from: i32,
  rows: i32,
  dy: usize,
  hasSecond: bool,
  dFilter: usize,
  zeros: usize,
  sums: usize,
  scratch: usize,
): void {
  const r = recomputed(layer);
  const source = r.source;
  const depth = source.channels;
  const channels = layer.channels;
  const x = scratch;
  const rest = x + floats(OUTER_ROWS * depth);
  for (let start = 0; start < rows; start += OUTER_ROWS) {
    const count = min(OUTER_ROWS, rows - start);
    const gradient = dy + floats(start * channels);
    addColumnTotals(gradient, sums, count, channels);
    centered(r, from + start, count, x);
    accumulateOuter(x, gradient, dFilter, count, depth, channels, rest);
    if (source.gradient == 0) continue;
    const target = at(source, source.gradient, from + start);
    const out = hasSecond ? x : target;
    multiplyRows(gradient, r.transposed, zeros, out, count, channels, depth, -Infinity, Infinity, false);
    if (hasSecond) addInPlace(target, x, count * depth);
  }
}

/**
 * From the sums of all parts to the gradients of gamma, beta and the filter, the latter in the first of `parts` rows with zeros in the
 * others, and to what corrects the gradient of the source.
 * @param sums [channels], float64, of each part; they lie `sumBytes` apart
 * @param dFilter of the first part: the products x^T dy, those of the next `rowBytes` further
 */
export function finishRecomputedBackward(
  layer: Layer,
  filter: usize,
  sums: usize,
  sumBytes: i32,
  parts: i32,
  dFilter: usize,
  rowBytes: i32,
  count: f64,
  gamma: usize,
  epsilon: f64,
  moments: usize,
  dGamma: usize,
  dBeta: usize,
): void {
  const r = recomputed(layer);
  const depth = r.source.channels;
  const channels = layer.channels;
  const products = r.moments + 2 * floats(depth + depth * depth);
  for (let c = 0; c < channels; c++) {
    let sum: f64 = 0;
    for (let part = 0; part < parts; part++) sum += double(sums + <usize>(part * sumBytes), c);
    let product: f64 = 0;
    for (let i = 0; i < depth; i++) {
      const index = i * channels + c;
      product += single(filter, index) * ofParts(dFilter, parts, rowBytes, index);
    }
    const inverse = 1 / Math.sqrt(double(moments, channels + c) + epsilon);
    product *= inverse;
    store<f32>(dBeta + floats(c), <f32>sum);
    store<f32>(dGamma + floats(c), <f32>product);
    const gain = single(gamma, c) * inverse;
    const slope = (-gain * inverse * product) / count;
    store<f32>(r.slope + floats(c), <f32>slope);
    store<f32>(r.offset + floats(c), <f32>((-gain * sum) / count));
    for (let i = 0; i < depth; i++) {
      const index = i * channels + c;
      const all = ofParts(dFilter, parts, rowBytes, index);
      for (let part = 1; part < parts; part++) store<f32>(dFilter + <usize>(part * rowBytes) + floats(index), 0);
      store<f32>(dFilter + floats(index), <f32>(gain * all + slope * double(products, i * channels + c)));
    }
  }
  if (r.source.gradient == 0) return;
  for (let i = 0; i < depth; i++) {
    for (let j = 0; j < depth; j++) {
      let sum: f64 = 0;
      for (let c = 0; c < channels; c++) {
        sum += single(filter, i * channels + c) * single(r.slope, c) * single(filter, j * channels + c);
      }
      store<f32>(r.scaled + floats(i * depth + j), <f32>sum);
    }
    let sum: f64 = 0;
    for (let c = 0; c < channels; c++) sum += single(filter, i * channels + c) * single(r.offset, c);
    store<f32>(r.constant + floats(i), <f32>sum);
  }
  packColumns(r.scaled, r.correction, depth, depth);
}

/** The parts are added in their order. */
@inline
function ofParts(dFilter: usize, parts: i32, rowBytes: i32, index: i32): f64 {
  let sum: f64 = 0;
  for (let part = 0; part < parts; part++) sum += single(dFilter + <usize>(part * rowBytes), index);
  return sum;
}

/** Adds what is missing from the gradient of a layer's source, and then to the source's sums. */
export function correctSource(layer: Layer, firstImage: i32, images: i32, sums: usize, scratch: usize): void {
  const r = recomputed(layer);
  const source = r.source;
  const depth = source.channels;
  const first = firstImage * source.positions;
  const rows = images * source.positions;
  const x = scratch;
  const missing = x + floats(OUTER_ROWS * depth);
  for (let start = 0; start < rows; start += OUTER_ROWS) {
    const count = min(OUTER_ROWS, rows - start);
    centered(r, first + start, count, x);
    multiplyRows(x, r.correction, r.constant, missing, count, depth, depth, -Infinity, Infinity, false);
    addInPlace(at(source, source.gradient, first + start), missing, count * depth);
    if (source.normalized) addGradientMoments(source, first + start, count, sums);
  }
}

@inline
function single(base: usize, index: i32): f64 {
  return <f64>load<f32>(base + floats(index));
}

@inline
function double(base: usize, index: i32): f64 {
  return load<f64>(base + 2 * floats(index));
}

@inline
function put(base: usize, index: i32, value: f64): void {
  store<f64>(base + 2 * floats(index), value);
}

@inline
function add(at: usize, value: f64): void {
  store<f64>(at, load<f64>(at) + value);
}
