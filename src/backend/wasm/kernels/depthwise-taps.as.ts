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
  const pairs = (g.outWidth + 1) >> 1;
  for (let i = 0; i < g.filterHeight; i++) {
    for (let at: usize = 0; at < pixelBytes; at += 16) {
      const x = band + <usize>i * slotBytes + at;
      const taps = dFilter + <usize>(i * 3) * pixelBytes + at;
      const dy = dyBand + at;
      if (g.strideWidth == 1) tapsStrideOne(x, rowStep, dy, dySlotBytes, rows, pairs, pixelBytes, taps);
      else tapsStrideTwo(x, rowStep, dy, dySlotBytes, rows, pairs, pixelBytes, taps);
    }
  }
}

/**
 * Two positions at a time; each input goes to the up to two taps that it meets. Every tap has two running
 * sums, for even and odd positions: one chain of dependent additions would be slower than the arithmetic.
 */
function tapsStrideOne(
  band: usize,
  rowStep: usize,
  dyBand: usize,
  dySlotBytes: usize,
  rows: i32,
  pairs: i32,
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
    for (let pair = 0; pair < pairs; pair++) {
      const dy0 = v128.load(dy);
      const dy1 = v128.load(dy + pixelBytes);
      even0 = f32x4.add(even0, f32x4.mul(v128.load(x), dy0));
      x += pixelBytes;
      let value = v128.load(x);
      odd0 = f32x4.add(odd0, f32x4.mul(value, dy1));
      even1 = f32x4.add(even1, f32x4.mul(value, dy0));
      x += pixelBytes;
      value = v128.load(x);
      odd1 = f32x4.add(odd1, f32x4.mul(value, dy1));
      even2 = f32x4.add(even2, f32x4.mul(value, dy0));
      odd2 = f32x4.add(odd2, f32x4.mul(v128.load(x + pixelBytes), dy1));
      dy += 2 * pixelBytes;
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
  pairs: i32,
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
    for (let pair = 0; pair < pairs; pair++) {
      const dy0 = v128.load(dy);
      const dy1 = v128.load(dy + pixelBytes);
      even0 = f32x4.add(even0, f32x4.mul(v128.load(x), dy0));
      x += pixelBytes;
      even1 = f32x4.add(even1, f32x4.mul(v128.load(x), dy0));
      x += pixelBytes;
      const value = v128.load(x);
      even2 = f32x4.add(even2, f32x4.mul(value, dy0));
      odd0 = f32x4.add(odd0, f32x4.mul(value, dy1));
      x += pixelBytes;
      odd1 = f32x4.add(odd1, f32x4.mul(v128.load(x), dy1));
      x += pixelBytes;
      odd2 = f32x4.add(odd2, f32x4.mul(v128.load(x), dy1));
      dy += 2 * pixelBytes;
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
