import { Geometry } from './geometry.as';

/**
 * Two rows of input gradients of a 3 x 3, stride 2 depthwise convolution: with u = row + padTop and v =
 * column + padLeft, the quad (2 quad, 2 quad + 1) x (2 j, 2 j + 1) comes from dy[quad - 1 .. quad, j - 1 ..
 * j]. Values that fall outside the image go to `sink`, one pixel that nobody reads.
 */
export function quadRow(
  g: Geometry,
  band: usize,
  slotBytes: usize,
  filter: usize,
  image: usize,
  quad: i32,
  sink: usize,
): void {
  const pixelBytes = (<usize>g.inChannels) << 2;
  const top = 2 * quad - g.padTop;
  const hasTop = top >= 0;
  const hasBottom = top + 1 < g.inHeight;
  const end = ((g.padLeft + g.inWidth - 1) >> 1) + 1;
  for (let j = g.padLeft >> 1; j < end; j++) {
    const left = 2 * j - g.padLeft;
    const hasLeft = left >= 0;
    const hasRight = left + 1 < g.inWidth;
    const pixel = image + <usize>(top * g.inWidth + left) * pixelBytes;
    const below = pixel + <usize>g.inWidth * pixelBytes;
    const out00 = hasTop && hasLeft ? pixel : sink;
    const out01 = hasTop && hasRight ? pixel + pixelBytes : sink;
    const out10 = hasBottom && hasLeft ? below : sink;
    const out11 = hasBottom && hasRight ? below + pixelBytes : sink;
    const before = band + <usize>j * pixelBytes;
    for (let at: usize = 0; at < pixelBytes; at += 16) {
      const upper = before + at;
      const lower = upper + slotBytes;
      const a = v128.load(upper);
      const b = v128.load(upper + pixelBytes);
      const c = v128.load(lower);
      const d = v128.load(lower + pixelBytes);
      const w = filter + at;
      const v = w + 3 * pixelBytes;
      const u = w + 6 * pixelBytes;
      v128.store(
        out00 + at,
        f32x4.add(
          f32x4.add(f32x4.mul(d, v128.load(w)), f32x4.mul(c, v128.load(w + 2 * pixelBytes))),
          f32x4.add(f32x4.mul(b, v128.load(u)), f32x4.mul(a, v128.load(u + 2 * pixelBytes))),
        ),
      );
      v128.store(
        out01 + at,
        f32x4.add(f32x4.mul(d, v128.load(w + pixelBytes)), f32x4.mul(b, v128.load(u + pixelBytes))),
      );
      v128.store(
        out10 + at,
        f32x4.add(f32x4.mul(d, v128.load(v)), f32x4.mul(c, v128.load(v + 2 * pixelBytes))),
      );
      v128.store(out11 + at, f32x4.mul(d, v128.load(v + pixelBytes)));
    }
  }
}
