import { fours } from './band.as';
import { Geometry } from './geometry.as';

/**
 * dFilter += the sums over `rows` padded rows of a band, one row of three taps and four channels at a time.
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
  const rowStep = <usize>g.strideHeight * slotBytes;
  const tiles = fours(g.outWidth) >> 2;
  for (let i = 0; i < g.filterHeight; i++) {
    for (let at: usize = 0; at < pixelBytes; at += 16) {
      const x = band + <usize>i * slotBytes + at;
      const taps = dFilter + <usize>(i * 3) * pixelBytes + at;
      if (g.strideWidth == 1) tapsStrideOne(x, rowStep, dyBand + at, dySlotBytes, rows, tiles, pixelBytes, taps);
      else tapsStrideTwo(x, rowStep, dyBand + at, dySlotBytes, rows, tiles, pixelBytes, taps);
    }
  }
}

/**
 * Four positions at a time; each input goes to the up to three taps that it meets. Every tap has two running sums,
 * for even and odd positions: one chain of dependent additions would be slower than the arithmetic.
 */
function tapsStrideOne(
  band: usize,
  rowStep: usize,
  dyBand: usize,
  dySlotBytes: usize,
  rows: i32,
  tiles: i32,
  pixelBytes: usize,
  taps: usize,
): void {
  let even0 = f32x4.splat(0);
  let even1 = even0;
  let even2 = even0;
  let odd0 = even0;
  let odd1 = even0;
  let odd2 = even0;
  for (let row = 0; row < rows; row++) {
    let x = band;
    let dy = dyBand;
    for (let tile = 0; tile < tiles; tile++) {
      const dy0 = v128.load(dy);
      dy += pixelBytes;
      const dy1 = v128.load(dy);
      dy += pixelBytes;
      const dy2 = v128.load(dy);
      dy += pixelBytes;
      const dy3 = v128.load(dy);
      dy += pixelBytes;
      let value = v128.load(x);
      even0 = f32x4.add(even0, f32x4.mul(value, dy0));
      x += pixelBytes;
      value = v128.load(x);
      odd0 = f32x4.add(odd0, f32x4.mul(value, dy1));
      even1 = f32x4.add(even1, f32x4.mul(value, dy0));
      x += pixelBytes;
      value = v128.load(x);
      even0 = f32x4.add(even0, f32x4.mul(value, dy2));
      odd1 = f32x4.add(odd1, f32x4.mul(value, dy1));
      even2 = f32x4.add(even2, f32x4.mul(value, dy0));
      x += pixelBytes;
      value = v128.load(x);
      odd0 = f32x4.add(odd0, f32x4.mul(value, dy3));
      even1 = f32x4.add(even1, f32x4.mul(value, dy2));
      odd2 = f32x4.add(odd2, f32x4.mul(value, dy1));
      x += pixelBytes;
      value = v128.load(x);
      odd1 = f32x4.add(odd1, f32x4.mul(value, dy3));
      even2 = f32x4.add(even2, f32x4.mul(value, dy2));
      odd2 = f32x4.add(odd2, f32x4.mul(v128.load(x + pixelBytes), dy3));
    }
    band += rowStep;
    dyBand += dySlotBytes;
  }
  accumulate(taps, even0, odd0);
  accumulate(taps + pixelBytes, even1, odd1);
  accumulate(taps + 2 * pixelBytes, even2, odd2);
}

/** The same where neighbouring positions lie two columns apart. */
function tapsStrideTwo(
  band: usize,
  rowStep: usize,
  dyBand: usize,
  dySlotBytes: usize,
  rows: i32,
  tiles: i32,
  pixelBytes: usize,
  taps: usize,
): void {
  let even0 = f32x4.splat(0);
  let even1 = even0;
  let even2 = even0;
  let odd0 = even0;
  let odd1 = even0;
  let odd2 = even0;
  for (let row = 0; row < rows; row++) {
    let x = band;
    let dy = dyBand;
    for (let tile = 0; tile < tiles; tile++) {
      let gradient = v128.load(dy);
      even0 = f32x4.add(even0, f32x4.mul(v128.load(x), gradient));
      x += pixelBytes;
      even1 = f32x4.add(even1, f32x4.mul(v128.load(x), gradient));
      x += pixelBytes;
      let value = v128.load(x);
      even2 = f32x4.add(even2, f32x4.mul(value, gradient));
      dy += pixelBytes;
      gradient = v128.load(dy);
      odd0 = f32x4.add(odd0, f32x4.mul(value, gradient));
      x += pixelBytes;
      odd1 = f32x4.add(odd1, f32x4.mul(v128.load(x), gradient));
      x += pixelBytes;
      value = v128.load(x);
      odd2 = f32x4.add(odd2, f32x4.mul(value, gradient));
      dy += pixelBytes;
      gradient = v128.load(dy);
      even0 = f32x4.add(even0, f32x4.mul(value, gradient));
      x += pixelBytes;
      even1 = f32x4.add(even1, f32x4.mul(v128.load(x), gradient));
      x += pixelBytes;
      value = v128.load(x);
      even2 = f32x4.add(even2, f32x4.mul(value, gradient));
      dy += pixelBytes;
      gradient = v128.load(dy);
      odd0 = f32x4.add(odd0, f32x4.mul(value, gradient));
      x += pixelBytes;
      odd1 = f32x4.add(odd1, f32x4.mul(v128.load(x), gradient));
      x += pixelBytes;
      odd2 = f32x4.add(odd2, f32x4.mul(v128.load(x), gradient));
      dy += pixelBytes;
    }
    band += rowStep;
    dyBand += dySlotBytes;
  }
  accumulate(taps, even0, odd0);
  accumulate(taps + pixelBytes, even1, odd1);
  accumulate(taps + 2 * pixelBytes, even2, odd2);
}

@inline
function accumulate(target: usize, even: v128, odd: v128): void {
  v128.store(target, f32x4.add(v128.load(target), f32x4.add(even, odd)));
}
