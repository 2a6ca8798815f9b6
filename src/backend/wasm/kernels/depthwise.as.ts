import { bandRows, fillBand, fours } from './band.as';
import { scalarFilterGradient, scalarForward, scalarInputGradient } from './depthwise-scalar.as';
import { accumulateRows } from './depthwise-filter.as';
import { quadRow } from './depthwise-quad.as';
import { rowStrideOne, rowStrideTwo } from './depthwise-rows.as';
import { Geometry } from './geometry.as';

/** Whether the vector kernels apply: three columns, stride 1 or 2, one output per channel, whole vectors. */
function isFast(g: Geometry): bool {
  return g.filterWidth == 3 && g.strideWidth <= 2 && g.inChannels == g.outChannels && g.inChannels % 4 == 0;
}

/** Columns of a padded input row, so that whole tiles of four outputs may read it. */
function bandWidth(g: Geometry): i32 {
  return max(g.padLeft + g.inWidth, (fours(g.outWidth) - 1) * g.strideWidth + g.filterWidth);
}

/** Columns of a padded row of output gradients when the input gradient is made from it. */
function gradientWidth(g: Geometry): i32 {
  return max(g.filterWidth + g.outWidth, fours(g.inWidth) + g.padLeft + g.filterWidth);
}

/** Scratch for any of the functions below, in bytes. */
export function depthwiseScratchBytes(g: Geometry): i32 {
  const pixel = g.inChannels * 4;
  const halo = g.filterHeight + g.strideHeight;
  const row = pixel * (max(bandWidth(g), gradientWidth(g)) + fours(g.outWidth));
  return pixel * (2 + g.filterHeight * g.filterWidth) + (halo + 1) * row + 131072 + row * g.strideHeight;
}

/** y = clamp(depthwise(x, filter) + bias, low, high); bias 0 means none. */
export function depthwiseForward(
  g: Geometry,
  x: usize,
  filter: usize,
  bias: usize,
  y: usize,
  scratch: usize,
  low: f32,
  high: f32,
): void {
  if (!isFast(g)) {
    scalarForward(g, x, filter, bias, y, low, high);
    return;
  }
  const pixelBytes = (<usize>g.outChannels) << 2;
  const slotBytes = <usize>bandWidth(g) * pixelBytes;
  const rowBytes = <usize>g.inWidth * pixelBytes;
  const outRowBytes = <usize>g.outWidth * pixelBytes;
  if (bias == 0) memory.fill(scratch, 0, pixelBytes);
  const offset = bias == 0 ? scratch : bias;
  const band = scratch + pixelBytes;
  const rows = bandRows(<i32>slotBytes * g.strideHeight, g.outHeight);
  const slots = (rows - 1) * g.strideHeight + g.filterHeight;
  memory.fill(band, 0, <usize>slots * slotBytes);
  for (let picture = 0; picture < g.batch; picture++) {
    const image = x + <usize>(picture * g.inHeight) * rowBytes;
    for (let start = 0; start < g.outHeight; start += rows) {
      const count = min(rows, g.outHeight - start);
      const first = start * g.strideHeight - g.padTop;
      const needed = (count - 1) * g.strideHeight + g.filterHeight;
      fillBand(image, g.inHeight, rowBytes, first, needed, band, slotBytes, <usize>g.padLeft * pixelBytes);
      for (let row = 0; row < count; row++) {
        const source = band + <usize>(row * g.strideHeight) * slotBytes;
        const target = y + <usize>(picture * g.outHeight + start + row) * outRowBytes;
        if (g.strideWidth == 1) {
          rowStrideOne(
            source,
            slotBytes,
            filter,
            g.filterHeight,
            offset,
            target,
            g.outWidth,
            pixelBytes,
            low,
            high,
          );
        } else {
          rowStrideTwo(
            source,
            slotBytes,
            filter,
            g.filterHeight,
            offset,
            target,
            g.outWidth,
            pixelBytes,
            low,
            high,
          );
        }
      }
    }
  }
}

/** dx = the gradient with respect to the input. */
export function depthwiseInputGradient(
  g: Geometry,
  dy: usize,
  filter: usize,
  dx: usize,
  scratch: usize,
): void {
  const reach = g.padTop < g.filterHeight && g.padLeft < g.filterWidth;
  if (isFast(g) && reach && g.strideHeight == 1 && g.strideWidth == 1) {
    correlateBack(g, dy, filter, dx, scratch);
  } else if (isFast(g) && g.filterHeight == 3 && g.strideHeight == 2 && g.strideWidth == 2) {
    quadsBack(g, dy, filter, dx, scratch);
  } else {
    scalarInputGradient(g, dy, filter, dx);
  }
}

/** At stride 1 the input gradient is the convolution of dy with the filter turned by 180 degrees. */
function correlateBack(g: Geometry, dy: usize, filter: usize, dx: usize, scratch: usize): void {
  const pixelBytes = (<usize>g.inChannels) << 2;
  const taps = g.filterHeight * g.filterWidth;
  const turned = scratch + pixelBytes;
  memory.fill(scratch, 0, pixelBytes);
  for (let tap = 0; tap < taps; tap++) {
    memory.copy(turned + <usize>tap * pixelBytes, filter + <usize>(taps - 1 - tap) * pixelBytes, pixelBytes);
  }
  const band = turned + <usize>taps * pixelBytes;
  const slotBytes = <usize>gradientWidth(g) * pixelBytes;
  const rowBytes = <usize>g.outWidth * pixelBytes;
  const outRowBytes = <usize>g.inWidth * pixelBytes;
  const left = <usize>(g.filterWidth - 1 - g.padLeft) * pixelBytes;
  const rows = bandRows(<i32>slotBytes, g.inHeight);
  memory.fill(band, 0, <usize>(rows - 1 + g.filterHeight) * slotBytes);
  for (let picture = 0; picture < g.batch; picture++) {
    const image = dy + <usize>(picture * g.outHeight) * rowBytes;
    for (let start = 0; start < g.inHeight; start += rows) {
      const count = min(rows, g.inHeight - start);
      const first = start - (g.filterHeight - 1 - g.padTop);
      fillBand(image, g.outHeight, rowBytes, first, count - 1 + g.filterHeight, band, slotBytes, left);
      for (let row = 0; row < count; row++) {
        const source = band + <usize>row * slotBytes;
        const target = dx + <usize>(picture * g.inHeight + start + row) * outRowBytes;
        rowStrideOne(
          source,
          slotBytes,
          turned,
          g.filterHeight,
          scratch,
          target,
          g.inWidth,
          pixelBytes,
          -Infinity,
          Infinity,
        );
      }
    }
  }
}

/** At stride 2 each 2 x 2 quad of input gradients comes from 2 x 2 output gradients and all nine weights. */
function quadsBack(g: Geometry, dy: usize, filter: usize, dx: usize, scratch: usize): void {
  const pixelBytes = (<usize>g.inChannels) << 2;
  const slotBytes = <usize>gradientWidth(g) * pixelBytes;
  const rowBytes = <usize>g.outWidth * pixelBytes;
  const firstQuad = g.padTop >> 1;
  const endQuad = ((g.padTop + g.inHeight - 1) >> 1) + 1;
  const band = scratch + pixelBytes;
  const rows = bandRows(<i32>slotBytes, endQuad - firstQuad);
  memory.fill(band, 0, <usize>(rows + 1) * slotBytes);
  for (let picture = 0; picture < g.batch; picture++) {
    const image = dy + <usize>(picture * g.outHeight) * rowBytes;
    for (let start = firstQuad; start < endQuad; start += rows) {
      const count = min(rows, endQuad - start);
      // Slot 0 holds the row before the first quad's, column 0 the column before the first.
      fillBand(image, g.outHeight, rowBytes, start - 1, count + 1, band, slotBytes, pixelBytes);
      for (let row = 0; row < count; row++) {
        const target = dx + ((<usize>(picture * g.inHeight * g.inWidth * g.inChannels)) << 2);
        quadRow(g, band + <usize>row * slotBytes, slotBytes, filter, target, start + row, scratch);
      }
    }
  }
}

/** dFilter = the gradient with respect to the filter. */
export function depthwiseFilterGradient(
  g: Geometry,
  x: usize,
  dy: usize,
  dFilter: usize,
  scratch: usize,
): void {
  if (!isFast(g)) {
    scalarFilterGradient(g, x, dy, dFilter);
    return;
  }
  const pixelBytes = (<usize>g.inChannels) << 2;
  const slotBytes = <usize>bandWidth(g) * pixelBytes;
  const rowBytes = <usize>g.inWidth * pixelBytes;
  const dySlotBytes = <usize>fours(g.outWidth) * pixelBytes;
  const dyRowBytes = <usize>g.outWidth * pixelBytes;
  const rows = bandRows(<i32>slotBytes * g.strideHeight + <i32>dySlotBytes, g.outHeight);
  const slots = (rows - 1) * g.strideHeight + g.filterHeight;
  const dyBand = scratch + <usize>slots * slotBytes;
  memory.fill(scratch, 0, <usize>slots * slotBytes + <usize>rows * dySlotBytes);
  memory.fill(dFilter, 0, <usize>(g.filterHeight * g.filterWidth) * pixelBytes);
  for (let picture = 0; picture < g.batch; picture++) {
    const image = x + <usize>(picture * g.inHeight) * rowBytes;
    const dyImage = dy + <usize>(picture * g.outHeight) * dyRowBytes;
    for (let start = 0; start < g.outHeight; start += rows) {
      const count = min(rows, g.outHeight - start);
      const first = start * g.strideHeight - g.padTop;
      const needed = (count - 1) * g.strideHeight + g.filterHeight;
      fillBand(image, g.inHeight, rowBytes, first, needed, scratch, slotBytes, <usize>g.padLeft * pixelBytes);
      fillBand(dyImage, g.outHeight, dyRowBytes, start, count, dyBand, dySlotBytes, 0);
      accumulateRows(g, scratch, slotBytes, dyBand, dySlotBytes, count, dFilter);
    }
  }
}
