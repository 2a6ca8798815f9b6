import { addColumnSums } from './column-sums.as';
import { bandRows, bandStrideOne, bandStrideOneBack, chunkBytes } from './depthwise-one.as';
import { scalarFilterGradient, scalarForward, scalarInputGradient } from './depthwise-scalar.as';
import { tapsStrideOne, tapsStrideTwo } from './depthwise-taps.as';
import { bandStrideTwo, rowFromOne, rowFromTwo } from './depthwise-two.as';
import { floats, Geometry } from './geometry.as';

/** Bytes of a band of the input at stride 1, and of one for the filter's gradient: with what it is read with it stays in the L1 cache. */
const ONE_BYTES: i32 = 16384;
const TAPS_BYTES: i32 = 8192;

/** Whether the vector kernels apply: 3 x 3, whole vectors of channels. */
export function isFast(g: Geometry): bool {
  return g.filterHeight == 3 && g.filterWidth == 3 && g.stride <= 2 && g.inChannels % 4 == 0;
}

/**
 * y = clamp(depthwise(x, filter) + bias, low, high).
 * @param zeros as many zeros as an input row has floats
 */
export function depthwiseForward(
  g: Geometry,
  images: i32,
  x: usize,
  filter: usize,
  bias: usize,
  y: usize,
  zeros: usize,
  low: f32,
  high: f32,
): void {
  const inBytes = floats(g.inHeight * g.inWidth * g.inChannels);
  const outBytes = floats(g.outHeight * g.outWidth * g.outChannels);
  for (let image = 0; image < images; image++) {
    forwardRows(g, x, filter, bias, y, zeros, low, high, 0, g.outHeight);
    x += inBytes;
    y += outBytes;
  }
}

/** Rows `from` to `to` - 1 of one image's output; all of them where the vector kernels do not apply. */
export function forwardRows(
  g: Geometry,
  x: usize,
  filter: usize,
  bias: usize,
  y: usize,
  zeros: usize,
  low: f32,
  high: f32,
  from: i32,
  to: i32,
): void {
  if (!isFast(g)) scalarForward(g, x, filter, bias, y, low, high);
  else if (g.stride == 1) strideOne(g, x, filter, bias, y, zeros, low, high, from, to, false);
  else strideTwo(g, x, filter, bias, y, zeros, low, high, from, to);
}

/** Forward from x to y; or back from dy, at stride 1 the convolution with the filter turned by 180 degrees, to x. */
function strideOne(
  g: Geometry,
  image: usize,
  filter: usize,
  bias: usize,
  out: usize,
  zeros: usize,
  low: f32,
  high: f32,
  fromRow: i32,
  endRow: i32,
  back: bool,
): void {
  const pixelBytes = floats(g.inChannels);
  const chunk = chunkBytes(pixelBytes);
  const columns = min(g.inWidth, max(8, ONE_BYTES / 4 / <i32>chunk));
  const rows = max(1, ONE_BYTES / (columns * <i32>chunk));
  for (let fromByte: usize = 0; fromByte < pixelBytes; fromByte += chunk) {
    const toByte = min(pixelBytes, fromByte + chunk);
    for (let row = fromRow; row < endRow; row += rows) {
      const toRow = min(endRow, row + rows);
      for (let from = 0; from < g.inWidth; from += columns) {
        const to = min(g.inWidth, from + columns);
        if (back) {
          bandStrideOneBack(g, image, row, toRow, from, to, fromByte, toByte, filter, zeros, out, low, high);
        } else {
          bandStrideOne(g, image, row, toRow, from, to, fromByte, toByte, filter, bias, zeros, out, low, high);
        }
      }
    }
  }
}

function strideTwo(
  g: Geometry,
  x: usize,
  filter: usize,
  bias: usize,
  y: usize,
  zeros: usize,
  low: f32,
  high: f32,
  fromRow: i32,
  endRow: i32,
): void {
  const rows = bandRows(floats(2 * g.inWidth * g.inChannels));
  for (let row = fromRow; row < endRow; row += rows) {
    const to = min(endRow, row + rows);
    bandStrideTwo(g, x, row, to, filter, bias, zeros, y, low, high);
  }
}

/**
 * The gradients of a depthwise convolution from dy, the gradient of its sums before the activation.
 *
 * dFilter and dBias are added to. Where `needInput`, the input's gradient takes the place of the input x, 0 where x did not
 * lie strictly between `low` and `high`; so that is the gradient of what came before x's activation.
 * @param zeros as many zeros as an input row has floats
 */
export function depthwiseBackward(
  g: Geometry,
  images: i32,
  x: usize,
  dy: usize,
  filter: usize,
  dFilter: usize,
  dBias: usize,
  zeros: usize,
  needInput: bool,
  low: f32,
  high: f32,
): void {
  const inBytes = floats(g.inHeight * g.inWidth * g.inChannels);
  const outBytes = floats(g.outHeight * g.outWidth * g.outChannels);
  // One band of an image after another: its inputs are overwritten by their gradients once nothing else needs them.
  const rows = inputRows(g);
  for (let image = 0; image < images; image++) {
    for (let from = 0; from < g.inHeight; from += rows) {
      const to = min(g.inHeight, from + rows);
      const outFrom = from / g.stride;
      const outTo = to == g.inHeight ? g.outHeight : to / g.stride;
      const gradient = dy + floats(outFrom * g.outWidth * g.outChannels);
      addColumnSums(gradient, dBias, (outTo - outFrom) * g.outWidth, g.outChannels);
      addFilterGradient(g, x, dy, dFilter, zeros, from, to);
      if (needInput) inputGradient(g, dy, filter, x, zeros, low, high, from, to);
    }
    x += inBytes;
    dy += outBytes;
  }
}

/** Bytes of the rows of an image that a depthwise pass has in hand at a time: a quarter of an L2 cache of 512 KiB. */
export const HELD_BYTES: i32 = 131072;

/** Rows of its input that a backward pass takes at a time; at stride 2 an even number, all where the vector kernels do not apply. */
export function inputRows(g: Geometry): i32 {
  if (!isFast(g)) return g.inHeight;
  return min(g.inHeight, max(4, HELD_BYTES / (4 * g.inWidth * g.inChannels) & -2));
}

/** dFilter += what rows `from` to `to` - 1 of one image's input add; all of them where the vector kernels do not apply. */
export function addFilterGradient(
  g: Geometry,
  x: usize,
  dy: usize,
  dFilter: usize,
  zeros: usize,
  from: i32,
  to: i32,
): void {
  if (!isFast(g)) {
    scalarFilterGradient(g, x, dy, dFilter);
    return;
  }
  const pixelBytes = floats(g.inChannels);
  if (g.stride == 1) {
    const chunk = chunkBytes(pixelBytes);
    const rows = max(1, TAPS_BYTES / (g.inWidth * <i32>chunk));
    for (let fromByte: usize = 0; fromByte < pixelBytes; fromByte += chunk) {
      const toByte = min(pixelBytes, fromByte + chunk);
      for (let row = from; row < to; row += rows) {
        tapsStrideOne(g, x, dy, row, min(to, row + rows), fromByte, toByte, zeros, dFilter);
      }
    }
    return;
  }
  const rows = bandRows(<usize>(g.stride * g.inWidth + g.outWidth) * (pixelBytes >> 1));
  const end = lastOutput(g, to - 1) + 1;
  for (let row = firstOutput(g, from); row < end; row += rows) {
    tapsStrideTwo(g, x, dy, row, min(end, row + rows), from, to, dFilter);
  }
}

/** The first row of the output that a row of the input goes into. */
export function firstOutput(g: Geometry, row: i32): i32 {
  return max(0, (row + g.padTop - g.filterHeight + g.stride) / g.stride);
}

/** The last one. */
export function lastOutput(g: Geometry, row: i32): i32 {
  return min(g.outHeight - 1, (row + g.padTop) / g.stride);
}

/**
 * The gradient of rows `from` to `to` - 1 of one image's input in their place, 0 where they did not lie strictly between the bounds;
 * of all of them where the vector kernels do not apply.
 */
export function inputGradient(
  g: Geometry,
  dy: usize,
  filter: usize,
  x: usize,
  zeros: usize,
  low: f32,
  high: f32,
  from: i32,
  to: i32,
): void {
  if (!isFast(g)) scalarInputGradient(g, dy, filter, x, low, high);
  else if (g.stride == 1) strideOne(g, dy, filter, 0, x, zeros, low, high, from, to, true);
  else spreadBack(g, dy, filter, x, zeros, low, high, from, to);
}

/** At stride 2 every second input row went into two output rows, the others into one. */
function spreadBack(
  g: Geometry,
  dy: usize,
  filter: usize,
  x: usize,
  zeros: usize,
  low: f32,
  high: f32,
  from: i32,
  to: i32,
): void {
  const pixelBytes = floats(g.inChannels);
  const rowBytes = <usize>g.outWidth * pixelBytes;
  const middle = filter + 3 * pixelBytes;
  const last = middle + 3 * pixelBytes;
  x += <usize>(from * g.inWidth) * pixelBytes;
  for (let row = from; row < to; row++) {
    const u = row + g.padTop;
    const a = dy + <usize>(u >> 1) * rowBytes;
    const b = u > 1 ? a - rowBytes : zeros;
    if (u & 1) rowFromOne(a, middle, g, x, low, high);
    else rowFromTwo(a, filter, b, last, g, x, low, high);
    x += <usize>g.inWidth * pixelBytes;
  }
}
