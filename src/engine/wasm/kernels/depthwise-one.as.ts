import { floats, Geometry } from './geometry.as';
import { finish, multiplyAdd } from './tile.as';

/**
 * Rows `fromRow` to `toRow` - 1, columns `from` to `to` - 1 and bytes `fromByte` to `toByte` - 1 of each position, of a depthwise
 * convolution of 3 x 3, stride 1, padding 1, of one image. Two rows of outputs at a time, and each input is loaded once for all that
 * it goes into of these.
 */
export function bandStrideOne(
  g: Geometry,
  image: usize,
  fromRow: i32,
  toRow: i32,
  from: i32,
  to: i32,
  fromByte: usize,
  toByte: usize,
  filter: usize,
  bias: usize,
  zeros: usize,
  out: usize,
  low: f32,
  high: f32,
): void {
  const tapStep = floats(g.inChannels);
  band(g, image, fromRow, toRow, from, to, fromByte, toByte, filter, tapStep, bias, zeros, out, low, high, false);
}

/**
 * The same with the filter turned by 180 degrees and no bias: the input's gradient from the output's, which is `image` here. It
 * replaces the activations in `out`.
 */
export function bandStrideOneBack(
  g: Geometry,
  image: usize,
  fromRow: i32,
  toRow: i32,
  from: i32,
  to: i32,
  fromByte: usize,
  toByte: usize,
  filter: usize,
  zeros: usize,
  out: usize,
  low: f32,
  high: f32,
): void {
  const pixelBytes = floats(g.inChannels);
  const last = filter + 8 * pixelBytes;
  band(g, image, fromRow, toRow, from, to, fromByte, toByte, last, <usize>0 - pixelBytes, 0, zeros, out, low, high, true);
}

/**
 * Inlined into both, so that `back` is a constant.
 * @param tapStep bytes from one tap of the filter to the next
 */
@inline
function band(
  g: Geometry,
  image: usize,
  fromRow: i32,
  toRow: i32,
  from: i32,
  to: i32,
  fromByte: usize,
  toByte: usize,
  tap: usize,
  tapStep: usize,
  bias: usize,
  zeros: usize,
  out: usize,
  low: f32,
  high: f32,
  back: bool,
): void {
  const floor = f32x4.splat(low);
  const ceiling = f32x4.splat(high);
  const height = g.inHeight;
  const width = g.inWidth;
  const pixelBytes = floats(g.inChannels);
  const rowBytes = <usize>width * pixelBytes;
  for (let at = fromByte; at < toByte; at += 16) {
    let w = tap + at;
    const w00 = v128.load(w);
    const w01 = v128.load((w += tapStep));
    const w02 = v128.load((w += tapStep));
    const w10 = v128.load((w += tapStep));
    const w11 = v128.load((w += tapStep));
    const w12 = v128.load((w += tapStep));
    const w20 = v128.load((w += tapStep));
    const w21 = v128.load((w += tapStep));
    const w22 = v128.load((w += tapStep));
    const start = back ? f32x4.splat(0) : v128.load(bias + at);
    const first = at + <usize>from * pixelBytes;
    let row = fromRow;
    for (; row + 1 < toRow; row += 2) {
      let r0 = rowOr(zeros, image, row - 1, height, rowBytes) + first;
      let r1 = image + <usize>row * rowBytes + first;
      let r2 = r1 + rowBytes;
      let r3 = rowOr(zeros, image, row + 2, height, rowBytes) + first;
      let target = out + <usize>row * rowBytes + first;
      let x0 = v128.load(r0);
      let x1 = v128.load(r1);
      let x2 = v128.load(r2);
      let x3 = v128.load(r3);
      // The outputs of this column and of the next one, summed over the inputs that were read so far.
      let current = addColumn(start, x0, x1, x2, w01, w11, w21);
      let lowerCurrent = addColumn(start, x1, x2, x3, w01, w11, w21);
      let next = addColumn(start, x0, x1, x2, w00, w10, w20);
      let lowerNext = addColumn(start, x1, x2, x3, w00, w10, w20);
      if (from > 0) {
        x0 = v128.load(r0 - pixelBytes);
        x1 = v128.load(r1 - pixelBytes);
        x2 = v128.load(r2 - pixelBytes);
        x3 = v128.load(r3 - pixelBytes);
        current = addColumn(current, x0, x1, x2, w00, w10, w20);
        lowerCurrent = addColumn(lowerCurrent, x1, x2, x3, w00, w10, w20);
      }
      for (let c = from + 1; c < to; c++) {
        r0 += pixelBytes;
        r1 += pixelBytes;
        r2 += pixelBytes;
        r3 += pixelBytes;
        x0 = v128.load(r0);
        x1 = v128.load(r1);
        x2 = v128.load(r2);
        x3 = v128.load(r3);
        const sum = addColumn(current, x0, x1, x2, w02, w12, w22);
        const lowerSum = addColumn(lowerCurrent, x1, x2, x3, w02, w12, w22);
        v128.store(target, finish(sum, target, floor, ceiling, back));
        v128.store(target + rowBytes, finish(lowerSum, target + rowBytes, floor, ceiling, back));
        current = addColumn(next, x0, x1, x2, w01, w11, w21);
        lowerCurrent = addColumn(lowerNext, x1, x2, x3, w01, w11, w21);
        next = addColumn(start, x0, x1, x2, w00, w10, w20);
        lowerNext = addColumn(start, x1, x2, x3, w00, w10, w20);
        target += pixelBytes;
      }
      if (to < width) {
        x0 = v128.load(r0 + pixelBytes);
        x1 = v128.load(r1 + pixelBytes);
        x2 = v128.load(r2 + pixelBytes);
        x3 = v128.load(r3 + pixelBytes);
        current = addColumn(current, x0, x1, x2, w02, w12, w22);
        lowerCurrent = addColumn(lowerCurrent, x1, x2, x3, w02, w12, w22);
      }
      v128.store(target, finish(current, target, floor, ceiling, back));
      v128.store(target + rowBytes, finish(lowerCurrent, target + rowBytes, floor, ceiling, back));
    }
    // A last row alone.
    for (; row < toRow; row++) {
      let r0 = rowOr(zeros, image, row - 1, height, rowBytes) + first;
      let r1 = image + <usize>row * rowBytes + first;
      let r2 = rowOr(zeros, image, row + 1, height, rowBytes) + first;
      let target = out + <usize>row * rowBytes + first;
      let x0 = v128.load(r0);
      let x1 = v128.load(r1);
      let x2 = v128.load(r2);
      let current = addColumn(start, x0, x1, x2, w01, w11, w21);
      let next = addColumn(start, x0, x1, x2, w00, w10, w20);
      if (from > 0) {
        x0 = v128.load(r0 - pixelBytes);
        x1 = v128.load(r1 - pixelBytes);
        x2 = v128.load(r2 - pixelBytes);
        current = addColumn(current, x0, x1, x2, w00, w10, w20);
      }
      for (let c = from + 1; c < to; c++) {
        r0 += pixelBytes;
        r1 += pixelBytes;
        r2 += pixelBytes;
        x0 = v128.load(r0);
        x1 = v128.load(r1);
        x2 = v128.load(r2);
        const sum = addColumn(current, x0, x1, x2, w02, w12, w22);
        current = addColumn(next, x0, x1, x2, w01, w11, w21);
        next = addColumn(start, x0, x1, x2, w00, w10, w20);
        v128.store(target, finish(sum, target, floor, ceiling, back));
        target += pixelBytes;
      }
      if (to < width) {
        x0 = v128.load(r0 + pixelBytes);
        x1 = v128.load(r1 + pixelBytes);
        x2 = v128.load(r2 + pixelBytes);
        current = addColumn(current, x0, x1, x2, w02, w12, w22);
      }
      v128.store(target, finish(current, target, floor, ceiling, back));
    }
  }
}

/** Bytes of a band of rows, which is read once for every four channels and should stay in the L1 cache. */
const BAND_BYTES: i32 = 12288;

/** How many rows to take at a time where each has `rowBytes`. */
@inline
export function bandRows(rowBytes: usize): i32 {
  return max(1, BAND_BYTES / <i32>rowBytes);
}

/**
 * Bytes of each position to take at a time, so that a band can have more positions. What lies a power of two apart shares few sets of
 * the L1 cache: so they are no fewer than the largest power of two that divides the distance between positions.
 */
@inline
export function chunkBytes(pixelBytes: usize): usize {
  return min(pixelBytes, max(128, pixelBytes & (0 - pixelBytes)));
}

/** Where row `row` of an image lies; outside of it are zeros. */
@inline
export function rowOr(zeros: usize, image: usize, row: i32, height: i32, rowBytes: usize): usize {
  return row >= 0 && row < height ? image + <usize>row * rowBytes : zeros;
}

/** sum + three products with a column of the filter. */
@inline
export function addColumn(sum: v128, x0: v128, x1: v128, x2: v128, w0: v128, w1: v128, w2: v128): v128 {
  return multiplyAdd(x2, w2, multiplyAdd(x1, w1, multiplyAdd(x0, w0, sum)));
}
