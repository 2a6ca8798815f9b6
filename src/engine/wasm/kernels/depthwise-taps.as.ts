import { floats, Geometry } from './geometry.as';
import { multiplyAdd } from './tile.as';

/**
 * dFilter += the gradient of a depthwise filter of 3 x 3, stride 1, padding 1, from rows `from` to `to` - 1 of the output's
 * gradient of one image, as far as they meet rows `inFrom` to `inTo` - 1 of the input. One row of taps at a time, with sums for even
 * and odd columns: more sums than these leave the registers.
 */
export function tapsStrideOne(
  g: Geometry,
  x: usize,
  dy: usize,
  from: i32,
  to: i32,
  inFrom: i32,
  inTo: i32,
  dFilter: usize,
): void {
  const width = g.inWidth;
  const pixelBytes = floats(g.inChannels);
  const rowBytes = <usize>width * pixelBytes;
  for (let at: usize = 0; at < pixelBytes; at += 16) {
    let taps = dFilter + at;
    for (let i = -1; i < 2; i++) {
      let even0 = f32x4.splat(0);
      let even1 = even0;
      let even2 = even0;
      let odd0 = even0;
      let odd1 = even0;
      let odd2 = even0;
      const firstRow = max(from, inFrom - i);
      const lastRow = min(to, inTo - i);
      for (let row = firstRow; row < lastRow; row++) {
        let input = x + <usize>(row + i) * rowBytes + at;
        let gradient = dy + <usize>row * rowBytes + at;
        let left = f32x4.splat(0);
        let here = v128.load(gradient);
        let c = width - 2;
        // An input meets the gradients on its left, at its place and on its right.
        for (; c > 0; c -= 2) {
          gradient += pixelBytes;
          const right = v128.load(gradient);
          let value = v128.load(input);
          even0 = multiplyAdd(value, right, even0);
          even1 = multiplyAdd(value, here, even1);
          even2 = multiplyAdd(value, left, even2);
          gradient += pixelBytes;
          input += pixelBytes;
          const next = v128.load(gradient);
          value = v128.load(input);
          odd0 = multiplyAdd(value, next, odd0);
          odd1 = multiplyAdd(value, right, odd1);
          odd2 = multiplyAdd(value, here, odd2);
          input += pixelBytes;
          left = right;
          here = next;
        }
        let value = v128.load(input);
        even1 = multiplyAdd(value, here, even1);
        even2 = multiplyAdd(value, left, even2);
        if (c == 0) {
          const right = v128.load(gradient + pixelBytes);
          even0 = multiplyAdd(value, right, even0);
          value = v128.load(input + pixelBytes);
          odd1 = multiplyAdd(value, right, odd1);
          odd2 = multiplyAdd(value, here, odd2);
        }
      }
      addTaps(taps, pixelBytes, f32x4.add(even0, odd0), f32x4.add(even1, odd1), f32x4.add(even2, odd2));
      taps += 3 * pixelBytes;
    }
  }
}

/**
 * The same at stride 2, where a gradient meets the inputs of its own window, the first of which begins `padTop` rows above and
 * `padLeft` columns before the image.
 */
export function tapsStrideTwo(
  g: Geometry,
  x: usize,
  dy: usize,
  from: i32,
  to: i32,
  inFrom: i32,
  inTo: i32,
  dFilter: usize,
): void {
  const outWidth = g.outWidth;
  const padLeft = g.padLeft;
  const pixelBytes = floats(g.inChannels);
  const rowBytes = <usize>g.inWidth * pixelBytes;
  for (let at: usize = 0; at < pixelBytes; at += 16) {
    let taps = dFilter + at;
    for (let i = 0; i < 3; i++) {
      let sum0 = f32x4.splat(0);
      let sum1 = sum0;
      let sum2 = sum0;
      for (let row = from; row < to; row++) {
        const inRow = 2 * row - g.padTop + i;
        if (inRow < inFrom || inRow >= inTo) continue;
        let input = x + <usize>inRow * rowBytes + at;
        let gradient = dy + <usize>(row * outWidth) * pixelBytes + at;
        let d = v128.load(gradient);
        if (padLeft == 0) {
          sum0 = multiplyAdd(v128.load(input), d, sum0);
          input += pixelBytes;
        }
        for (let j = 1; j < outWidth; j++) {
          sum1 = multiplyAdd(v128.load(input), d, sum1);
          input += pixelBytes;
          const value = v128.load(input);
          sum2 = multiplyAdd(value, d, sum2);
          gradient += pixelBytes;
          d = v128.load(gradient);
          sum0 = multiplyAdd(value, d, sum0);
          input += pixelBytes;
        }
        // The last window ends beyond the image, its middle column is still there.
        sum1 = multiplyAdd(v128.load(input), d, sum1);
      }
      addTaps(taps, pixelBytes, sum0, sum1, sum2);
      taps += 3 * pixelBytes;
    }
  }
}

@inline
function addTaps(taps: usize, pixelBytes: usize, sum0: v128, sum1: v128, sum2: v128): void {
  v128.store(taps, f32x4.add(v128.load(taps), sum0));
  taps += pixelBytes;
  v128.store(taps, f32x4.add(v128.load(taps), sum1));
  taps += pixelBytes;
  v128.store(taps, f32x4.add(v128.load(taps), sum2));
}
