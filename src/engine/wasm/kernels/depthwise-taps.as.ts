import { rowOr } from './depthwise-one.as';
import { floats, Geometry } from './geometry.as';
import { multiplyAdd } from './tile.as';

/**
 * dFilter += the gradient of a depthwise filter of 3 x 3, stride 1, padding 1, from rows `from` to `to` - 1 of one image's input and
 * the output's gradient, for bytes `fromByte` to `toByte` - 1 of each position. All nine sums stay in registers.
 */
export function tapsStrideOne(
  g: Geometry,
  x: usize,
  dy: usize,
  from: i32,
  to: i32,
  fromByte: usize,
  toByte: usize,
  zeros: usize,
  dFilter: usize,
): void {
  const width = g.inWidth;
  const height = g.inHeight;
  const pixelBytes = floats(g.inChannels);
  const rowBytes = <usize>width * pixelBytes;
  for (let at = fromByte; at < toByte; at += 16) {
    let sum00 = f32x4.splat(0);
    let sum01 = sum00;
    let sum02 = sum00;
    let sum10 = sum00;
    let sum11 = sum00;
    let sum12 = sum00;
    let sum20 = sum00;
    let sum21 = sum00;
    let sum22 = sum00;
    for (let row = from; row < to; row++) {
      let input = x + <usize>row * rowBytes + at;
      let d0 = rowOr(zeros, dy, row + 1, height, rowBytes) + at;
      let d1 = dy + <usize>row * rowBytes + at;
      let d2 = rowOr(zeros, dy, row - 1, height, rowBytes) + at;
      // Of the input, around the column of the gradients.
      let left = f32x4.splat(0);
      let here = v128.load(input);
      for (let c = 1; c < width; c++) {
        input += pixelBytes;
        const right = v128.load(input);
        let d = v128.load(d0);
        sum00 = multiplyAdd(left, d, sum00);
        sum01 = multiplyAdd(here, d, sum01);
        sum02 = multiplyAdd(right, d, sum02);
        d = v128.load(d1);
        sum10 = multiplyAdd(left, d, sum10);
        sum11 = multiplyAdd(here, d, sum11);
        sum12 = multiplyAdd(right, d, sum12);
        d = v128.load(d2);
        sum20 = multiplyAdd(left, d, sum20);
        sum21 = multiplyAdd(here, d, sum21);
        sum22 = multiplyAdd(right, d, sum22);
        d0 += pixelBytes;
        d1 += pixelBytes;
        d2 += pixelBytes;
        left = here;
        here = right;
      }
      let d = v128.load(d0);
      sum00 = multiplyAdd(left, d, sum00);
      sum01 = multiplyAdd(here, d, sum01);
      d = v128.load(d1);
      sum10 = multiplyAdd(left, d, sum10);
      sum11 = multiplyAdd(here, d, sum11);
      d = v128.load(d2);
      sum20 = multiplyAdd(left, d, sum20);
      sum21 = multiplyAdd(here, d, sum21);
    }
    let taps = dFilter + at;
    addTaps(taps, pixelBytes, sum00, sum01, sum02);
    taps += 3 * pixelBytes;
    addTaps(taps, pixelBytes, sum10, sum11, sum12);
    taps += 3 * pixelBytes;
    addTaps(taps, pixelBytes, sum20, sum21, sum22);
  }
}

/**
 * The same at stride 2, from rows `from` to `to` - 1 of the output's gradient as far as they meet rows `inFrom` to `inTo` - 1 of the
 * input; one row of taps at a time. A gradient meets the inputs of its own window, the first of which begins `padTop` rows above and
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
