/** An image and the part of it that the network sees, laid out as input-area.ts writes it. */
@unmanaged
export class ImageEntry {
  /** Of its height x width x 3 bytes. */
  pixels: usize;
  height: i32;
  width: i32;
  /** In fractions of the way from the first pixel's centre to the last one's; x1 > x2 mirrors. */
  y1: f32;
  x1: f32;
  y2: f32;
  x2: f32;
}

/** From a byte to [-1, 1]. */
const SCALE: f32 = 1.0 / 127.5;

/** Bytes that `imageInput` needs for its table of columns and for two rows of the image. */
export function imageInputScratchBytes(size: i32): i32 {
  return size * 12 + 2 * rowBytes(size);
}

/** A row of the result, with room for the lane that is written beyond its last pixel. */
@inline
function rowBytes(size: i32): i32 {
  return size * 12 + 4;
}

/**
 * One image, cropped and resized bilinearly to size x size x 3 floats in [-1, 1]. Reads one byte beyond the image.
 *
 * The arithmetic is that of tfjs's CropAndResize, operation by operation, except for samples that rounding puts just outside the
 * image: tfjs makes them black, here they are clamped to the edge. Each row of the image is resized horizontally once for all the
 * rows of the result that need it.
 */
export function imageInput(image: ImageEntry, size: i32, scratch: usize, out: usize): void {
  const rowLength = image.width * 3;
  for (let x = 0; x < size; x++) {
    const place = sample(image.x1, image.x2, x, size, image.width);
    const left = Mathf.floor(place);
    const at = scratch + <usize>x * 12;
    store<i32>(at, <i32>left * 3);
    store<i32>(at, <i32>Mathf.ceil(place) * 3, 4);
    store<f32>(at, place - left, 8);
  }
  let upper = scratch + <usize>size * 12;
  let lower = upper + <usize>rowBytes(size);
  let upperRow = -1;
  let lowerRow = -1;
  for (let y = 0; y < size; y++) {
    const place = sample(image.y1, image.y2, y, size, image.height);
    const first = <i32>Mathf.floor(place);
    const last = <i32>Mathf.ceil(place);
    if (first != upperRow) {
      // Mostly the lower row has become the upper one.
      const row = upper;
      upper = lower;
      lower = row;
      const held = lowerRow;
      lowerRow = upperRow;
      if (first != held) resizeAcross(image.pixels + <usize>(first * rowLength), size, scratch, upper);
      upperRow = first;
    }
    if (last != first && last != lowerRow) {
      resizeAcross(image.pixels + <usize>(last * rowLength), size, scratch, lower);
      lowerRow = last;
    }
    mixRows(upper, last == first ? upper : lower, place - <f32>first, size * 3, out);
    out += <usize>size * 12;
  }
}

/** Where sample i of n lies, in pixels from the centre of the first of `pixels`. */
@inline
function sample(from: f32, to: f32, i: i32, n: i32, pixels: i32): f32 {
  const last = <f32>(pixels - 1);
  const place: f32 = n > 1 ? from * last + <f32>i * (((to - from) * last) / <f32>(n - 1)) : 0.5 * (from + to) * last;
  return min<f32>(max<f32>(place, 0), last);
}

function resizeAcross(row: usize, size: i32, columns: usize, out: usize): void {
  for (let x = 0; x < size; x++) {
    const left = pixel(row + <usize>load<i32>(columns));
    const right = pixel(row + <usize>load<i32>(columns, 4));
    // The fourth lane is overwritten by the next pixel.
    v128.store(out, mix(left, right, v128.load32_splat(columns, 8)));
    columns += 12;
    out += 12;
  }
}

/** Mixes two rows of `count` values and brings them to [-1, 1]. */
function mixRows(upper: usize, lower: usize, down: f32, count: i32, out: usize): void {
  const share = f32x4.splat(down);
  const scale = f32x4.splat(SCALE);
  const one = f32x4.splat(1);
  let left = count;
  for (; left >= 4; left -= 4) {
    const value = mix(v128.load(upper), v128.load(lower), share);
    v128.store(out, f32x4.sub(f32x4.mul(value, scale), one));
    upper += 16;
    lower += 16;
    out += 16;
  }
  for (; left > 0; left--) {
    const a = load<f32>(upper);
    store<f32>(out, (a + (load<f32>(lower) - a) * down) * SCALE - 1);
    upper += 4;
    lower += 4;
    out += 4;
  }
}

@inline
function mix(a: v128, b: v128, share: v128): v128 {
  return f32x4.add(a, f32x4.mul(f32x4.sub(b, a), share));
}

/** Three bytes, and one that does not matter, as floats. */
@inline
function pixel(at: usize): v128 {
  return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at))));
}
