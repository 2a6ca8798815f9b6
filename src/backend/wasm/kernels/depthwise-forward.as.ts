import { bandRows, fillBand } from './band.as';
import { bandWidth, isFast } from './depthwise-layout.as';
import { rowStrideOne, rowStrideTwo } from './depthwise-rows.as';
import { scalarForward } from './depthwise-scalar.as';
import { Geometry } from './geometry.as';

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
