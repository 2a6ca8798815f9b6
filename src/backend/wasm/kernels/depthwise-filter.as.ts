import { bandRows, fillBand, fours } from './band.as';
import { bandWidth, isFast } from './depthwise-layout.as';
import { scalarFilterGradient } from './depthwise-scalar.as';
import { accumulateRows } from './depthwise-taps.as';
import { Geometry } from './geometry.as';

/** dFilter += the gradient with respect to the filter. */
export function addFilterGradient(g: Geometry, x: usize, dy: usize, dFilter: usize, scratch: usize): void {
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
