import { fours } from './band.as';
import { Geometry } from './geometry.as';

/**
 * dFilter += the sums over `rows` padded rows of a band, three taps and four channels at a time in registers.
 * Four positions are added as a small tree before they join the running sum: a shorter chain of additions.
 */
export function accumulateRows(
  g: Geometry,
  band: usize,
  slotBytes: usize,
  dyBand: usize,
  dySlotBytes: usize,
  rows: i32,
  dFilter: usize,
): void {
  const pixelBytes = <usize>g.inChannels << 2;
  const step = <usize>g.strideWidth * pixelBytes;
  const rowStep = <usize>g.strideHeight * slotBytes;
  const tiles = fours(g.outWidth) >> 2;
  for (let i = 0; i < g.filterHeight; i++) {
    const taps = dFilter + <usize>(i * 3) * pixelBytes;
    for (let at: usize = 0; at < pixelBytes; at += 16) {
      let sum0 = f32x4.splat(0);
      let sum1 = sum0;
      let sum2 = sum0;
      for (let row = 0; row < rows; row++) {
        let x = band + <usize>i * slotBytes + <usize>row * rowStep + at;
        let dy = dyBand + <usize>row * dySlotBytes + at;
        for (let tile = 0; tile < tiles; tile++) {
          const dy0 = v128.load(dy);
          const dy1 = v128.load(dy + pixelBytes);
          const dy2 = v128.load(dy + 2 * pixelBytes);
          const dy3 = v128.load(dy + 3 * pixelBytes);
          sum0 = f32x4.add(sum0, fourProducts(x, step, dy0, dy1, dy2, dy3));
          sum1 = f32x4.add(sum1, fourProducts(x + pixelBytes, step, dy0, dy1, dy2, dy3));
          sum2 = f32x4.add(sum2, fourProducts(x + 2 * pixelBytes, step, dy0, dy1, dy2, dy3));
          x += 4 * step;
          dy += 4 * pixelBytes;
        }
      }
      accumulate(taps + at, sum0);
      accumulate(taps + at + pixelBytes, sum1);
      accumulate(taps + at + 2 * pixelBytes, sum2);
    }
  }
}

@inline
function fourProducts(x: usize, step: usize, dy0: v128, dy1: v128, dy2: v128, dy3: v128): v128 {
  return f32x4.add(
    f32x4.add(f32x4.mul(v128.load(x), dy0), f32x4.mul(v128.load(x + step), dy1)),
    f32x4.add(f32x4.mul(v128.load(x + 2 * step), dy2), f32x4.mul(v128.load(x + 3 * step), dy3)),
  );
}

@inline
function accumulate(target: usize, sum: v128): void {
  v128.store(target, f32x4.add(v128.load(target), sum));
}
