/** From a byte to [-1, 1]. */
const SCALE: f32 = 1.0 / 127.5;

/** Bytes that `imageInput` needs for its table of columns. */
export function imageInputScratchBytes(size: i32): i32 {
  return size * 12;
}

/**
 * One image, height x width x 3 bytes, cropped and resized bilinearly to size x size x 3 floats in [-1, 1]. The box is in
 * fractions of the way from the first pixel's centre to the last one's; x1 > x2 mirrors. Reads one byte beyond the image.
 *
 * The arithmetic is that of tfjs's CropAndResize, operation by operation, but for samples that rounding would put a hair
 * outside the image: those it paints black are clamped to the edge here.
 */
export function imageInput(
  pixels: usize,
  height: i32,
  width: i32,
  y1: f32,
  x1: f32,
  y2: f32,
  x2: f32,
  size: i32,
  scratch: usize,
  out: usize,
): void {
  for (let x = 0; x < size; x++) {
    const place = sample(x1, x2, x, size, width);
    const left = Mathf.floor(place);
    const at = scratch + <usize>x * 12;
    store<i32>(at, <i32>left * 3);
    store<i32>(at, <i32>Mathf.ceil(place) * 3, 4);
    store<f32>(at, place - left, 8);
  }
  const rowBytes = <usize>width * 3;
  for (let y = 0; y < size; y++) {
    const place = sample(y1, y2, y, size, height);
    const first = Mathf.floor(place);
    const top = pixels + <usize>first * rowBytes;
    const bottom = pixels + <usize>Mathf.ceil(place) * rowBytes;
    resizeRow(top, bottom, f32x4.splat(place - first), size, scratch, out);
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

@inline
function resizeRow(top: usize, bottom: usize, down: v128, size: i32, columns: usize, out: usize): void {
  const scale = f32x4.splat(SCALE);
  const one = f32x4.splat(1);
  for (let x = 0; x < size; x++) {
    const left = <usize>load<i32>(columns);
    const right = <usize>load<i32>(columns, 4);
    const across = v128.load32_splat(columns, 8);
    const upper = mix(pixel(top + left), pixel(top + right), across);
    const lower = mix(pixel(bottom + left), pixel(bottom + right), across);
    const value = f32x4.sub(f32x4.mul(mix(upper, lower, down), scale), one);
    if (x < size - 1) {
      // The fourth lane is overwritten by the next pixel.
      v128.store(out, value);
    } else {
      v128.store64_lane(out, value, 0);
      v128.store32_lane(out, value, 2, 8);
    }
    columns += 12;
    out += 12;
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
