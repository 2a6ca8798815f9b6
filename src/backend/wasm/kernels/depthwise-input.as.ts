import { bandRows, fillBand } from './band.as';
import { gradientWidth, isFast } from './depthwise-layout.as';
import { quadRow } from './depthwise-quad.as';
import { rowStrideOne } from './depthwise-rows.as';
import { scalarInputGradient } from './depthwise-scalar.as';
import { Geometry } from './geometry.as';

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
