import { addColumn, rowOr } from './depthwise-one.as';
import { floats, Geometry } from './geometry.as';
import { finish, multiplyAdd } from './tile.as';

/**
 * Output rows `from` to `to` - 1 of a depthwise convolution of 3 x 3, stride 2, of one image, whose first window begins
 * `padTop` rows above and `padLeft` columns before it: 0 where the side is even, 1 where it is odd.
 */
export function bandStrideTwo(
  g: Geometry,
  image: usize,
  from: i32,
  to: i32,
  filter: usize,
  bias: usize,
  zeros: usize,
  out: usize,
  low: f32,
  high: f32,
): void {
  const floor = f32x4.splat(low);
  const ceiling = f32x4.splat(high);
  const height = g.inHeight;
  const outWidth = g.outWidth;
  const padLeft = g.padLeft;
  const pixelBytes = floats(g.inChannels);
  const rowBytes = <usize>g.inWidth * pixelBytes;
  for (let at: usize = 0; at < pixelBytes; at += 16) {
    let w = filter + at;
    const w00 = v128.load(w);
    const w01 = v128.load((w += pixelBytes));
    const w02 = v128.load((w += pixelBytes));
    const w10 = v128.load((w += pixelBytes));
    const w11 = v128.load((w += pixelBytes));
    const w12 = v128.load((w += pixelBytes));
    const w20 = v128.load((w += pixelBytes));
    const w21 = v128.load((w += pixelBytes));
    const w22 = v128.load((w += pixelBytes));
    const start = v128.load(bias + at);
    for (let row = from; row < to; row++) {
      const top = 2 * row - g.padTop;
      let r0 = rowOr(zeros, image, top, height, rowBytes) + at;
      let r1 = rowOr(zeros, image, top + 1, height, rowBytes) + at;
      let r2 = rowOr(zeros, image, top + 2, height, rowBytes) + at;
      let target = out + <usize>(row * outWidth) * pixelBytes + at;
      // The first column is the left one of the first window, or its middle one.
      let sum = start;
      if (padLeft == 0) {
        sum = addColumn(start, v128.load(r0), v128.load(r1), v128.load(r2), w00, w10, w20);
        r0 += pixelBytes;
        r1 += pixelBytes;
        r2 += pixelBytes;
      }
      for (let j = 1; j < outWidth; j++) {
        let x0 = v128.load(r0);
        let x1 = v128.load(r1);
        let x2 = v128.load(r2);
        sum = addColumn(sum, x0, x1, x2, w01, w11, w21);
        r0 += pixelBytes;
        r1 += pixelBytes;
        r2 += pixelBytes;
        x0 = v128.load(r0);
        x1 = v128.load(r1);
        x2 = v128.load(r2);
        sum = addColumn(sum, x0, x1, x2, w02, w12, w22);
        v128.store(target, finish(sum, target, floor, ceiling, false));
        sum = addColumn(start, x0, x1, x2, w00, w10, w20);
        r0 += pixelBytes;
        r1 += pixelBytes;
        r2 += pixelBytes;
        target += pixelBytes;
      }
      // The last window ends beyond the image, its middle column is still there.
      sum = addColumn(sum, v128.load(r0), v128.load(r1), v128.load(r2), w01, w11, w21);
      v128.store(target, finish(sum, target, floor, ceiling, false));
    }
  }
}

/**
 * One row of the input's gradient where the row went into two output rows, whose gradients are `a` and `b`, through the
 * filter's rows `wa` and `wb`. Input column v = column + padLeft went, where v is even, into the outputs v / 2 and v / 2 - 1
 * through the taps 0 and 2, else into (v - 1) / 2 through tap 1. The gradients replace the activations in `out`.
 */
export function rowFromTwo(
  a: usize,
  wa: usize,
  b: usize,
  wb: usize,
  g: Geometry,
  out: usize,
  low: f32,
  high: f32,
): void {
  const outWidth = g.outWidth;
  const padLeft = g.padLeft;
  const pixelBytes = floats(g.inChannels);
  const floor = f32x4.splat(low);
  const ceiling = f32x4.splat(high);
  for (let at: usize = 0; at < pixelBytes; at += 16) {
    const a0 = v128.load(wa + at);
    const a1 = v128.load(wa + at + pixelBytes);
    const a2 = v128.load(wa + at + pixelBytes + pixelBytes);
    const b0 = v128.load(wb + at);
    const b1 = v128.load(wb + at + pixelBytes);
    const b2 = v128.load(wb + at + pixelBytes + pixelBytes);
    let fromA = a + at;
    let fromB = b + at;
    let target = out + at;
    let dA = v128.load(fromA);
    let dB = v128.load(fromB);
    if (padLeft == 0) {
      const even = multiplyAdd(dA, a0, f32x4.mul(dB, b0));
      v128.store(target, finish(even, target, floor, ceiling, true));
      target += pixelBytes;
    }
    let odd = multiplyAdd(dA, a1, f32x4.mul(dB, b1));
    v128.store(target, finish(odd, target, floor, ceiling, true));
    for (let j = 1; j < outWidth; j++) {
      let even = multiplyAdd(dA, a2, f32x4.mul(dB, b2));
      fromA += pixelBytes;
      fromB += pixelBytes;
      dA = v128.load(fromA);
      dB = v128.load(fromB);
      even = f32x4.add(even, multiplyAdd(dA, a0, f32x4.mul(dB, b0)));
      target += pixelBytes;
      v128.store(target, finish(even, target, floor, ceiling, true));
      odd = multiplyAdd(dA, a1, f32x4.mul(dB, b1));
      target += pixelBytes;
      v128.store(target, finish(odd, target, floor, ceiling, true));
    }
  }
}

/** The same where the row went into one output row alone. */
export function rowFromOne(
  a: usize,
  wa: usize,
  g: Geometry,
  out: usize,
  low: f32,
  high: f32,
): void {
  const outWidth = g.outWidth;
  const padLeft = g.padLeft;
  const pixelBytes = floats(g.inChannels);
  const floor = f32x4.splat(low);
  const ceiling = f32x4.splat(high);
  for (let at: usize = 0; at < pixelBytes; at += 16) {
    const a0 = v128.load(wa + at);
    const a1 = v128.load(wa + at + pixelBytes);
    const a2 = v128.load(wa + at + pixelBytes + pixelBytes);
    let fromA = a + at;
    let target = out + at;
    let dA = v128.load(fromA);
    if (padLeft == 0) {
      v128.store(target, finish(f32x4.mul(dA, a0), target, floor, ceiling, true));
      target += pixelBytes;
    }
    v128.store(target, finish(f32x4.mul(dA, a1), target, floor, ceiling, true));
    for (let j = 1; j < outWidth; j++) {
      let even = f32x4.mul(dA, a2);
      fromA += pixelBytes;
      dA = v128.load(fromA);
      even = multiplyAdd(dA, a0, even);
      target += pixelBytes;
      v128.store(target, finish(even, target, floor, ceiling, true));
      target += pixelBytes;
      v128.store(target, finish(f32x4.mul(dA, a1), target, floor, ceiling, true));
    }
  }
}
