import { addColumnSums } from './column-sums.as';
import { bandColumns, bandRows, bandStrideOne, bandStrideOneBack } from './depthwise-one.as';
import { scalarFilterGradient, scalarForward, scalarInputGradient } from './depthwise-scalar.as';
import { tapsStrideOne, tapsStrideTwo } from './depthwise-taps.as';
import { bandStrideTwo, rowFromOne, rowFromTwo } from './depthwise-two.as';
import { floats, Geometry } from './geometry.as';

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
  const columns = min(g.inWidth, bandColumns(pixelBytes));
  const rows = bandRows(<usize>columns * pixelBytes);
  for (let row = fromRow; row < endRow; row += rows) {
    const toRow = min(endRow, row + rows);
    for (let from = 0; from < g.inWidth; from += columns) {
      const to = min(g.inWidth, from + columns);
      if (back) {
        bandStrideOneBack(g, image, row, toRow, from, to, filter, zeros, out, low, high);
      } else {
        bandStrideOne(g, image, row, toRow, from, to, filter, bias, zeros, out, low, high);
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
  // One image after another: its inputs are overwritten by their gradients once nothing else needs them.
  for (let image = 0; image < images; image++) {
    addColumnSums(dy, dBias, g.outHeight * g.outWidth, g.outChannels);
    addFilterGradient(g, x, dy, dFilter);
    if (needInput) inputGradient(g, dy, filter, x, zeros, low, high, 0, g.inHeight);
    x += inBytes;
    dy += outBytes;
  }
}

function addFilterGradient(g: Geometry, x: usize, dy: usize, dFilter: usize): void {
  if (!isFast(g)) {
    scalarFilterGradient(g, x, dy, dFilter);
    return;
  }
  const pixelBytes = floats(g.inChannels);
  const rows = bandRows(<usize>(g.stride * g.inWidth + g.outWidth) * (pixelBytes >> 1));
  for (let from = 0; from < g.outHeight; from += rows) {
    const to = min(g.outHeight, from + rows);
    if (g.stride == 1) tapsStrideOne(g, x, dy, from, to, 0, g.inHeight, dFilter);
    else tapsStrideTwo(g, x, dy, from, to, 0, g.inHeight, dFilter);
  }
}

/** dFilter += what rows `from` to `to` - 1 of one image's input add; all of them where the vector kernels do not apply. */
export function addFilterGradientOfRows(
  g: Geometry,
  x: usize,
  dy: usize,
  dFilter: usize,
  from: i32,
  to: i32,
): void {
  if (!isFast(g)) {
    scalarFilterGradient(g, x, dy, dFilter);
    return;
  }
  const rows = g.stride * bandRows(<usize>(g.stride * g.inWidth + g.outWidth) * (floats(g.inChannels) >> 1));
  for (let row = from; row < to; row += rows) {
    const end = min(to, row + rows);
    if (g.stride == 1) tapsStrideOne(g, x, dy, 0, g.outHeight, row, end, dFilter);
    else tapsStrideTwo(g, x, dy, firstOutput(g, row), lastOutput(g, end - 1) + 1, row, end, dFilter);
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
