/**
 * One output row of a depthwise convolution three columns wide, four positions and four channels at a time,
 * from padded rows: each input is loaded once for the up to three outputs it goes into.
 */
export function rowStrideOne(
  band: usize,
  slotBytes: usize,
  filter: usize,
  filterHeight: i32,
  bias: usize,
  out: usize,
  width: i32,
  pixelBytes: usize,
  low: f32,
  high: f32,
): void {
  const floor = f32x4.splat(low);
  const ceiling = f32x4.splat(high);
  for (let tile = 0; tile < width; tile += 4) {
    // Positions beyond the row's end are computed too: the padded row is long enough.
    const last = width - 1 - tile;
    const source = band + <usize>tile * pixelBytes;
    const target = out + <usize>tile * pixelBytes;
    const to1 = <usize>min(1, last) * pixelBytes;
    const to2 = <usize>min(2, last) * pixelBytes;
    const to3 = <usize>min(3, last) * pixelBytes;
    for (let at: usize = 0; at < pixelBytes; at += 16) {
      let sum0 = v128.load(bias + at);
      let sum1 = sum0;
      let sum2 = sum0;
      let sum3 = sum0;
      let x = source + at;
      let w = filter + at;
      for (let i = 0; i < filterHeight; i++) {
        const w0 = v128.load(w);
        const w1 = v128.load(w + pixelBytes);
        const w2 = v128.load(w + 2 * pixelBytes);
        let value = v128.load(x);
        sum0 = f32x4.add(sum0, f32x4.mul(value, w0));
        value = v128.load(x + pixelBytes);
        sum0 = f32x4.add(sum0, f32x4.mul(value, w1));
        sum1 = f32x4.add(sum1, f32x4.mul(value, w0));
        value = v128.load(x + 2 * pixelBytes);
        sum0 = f32x4.add(sum0, f32x4.mul(value, w2));
        sum1 = f32x4.add(sum1, f32x4.mul(value, w1));
        sum2 = f32x4.add(sum2, f32x4.mul(value, w0));
        value = v128.load(x + 3 * pixelBytes);
        sum1 = f32x4.add(sum1, f32x4.mul(value, w2));
        sum2 = f32x4.add(sum2, f32x4.mul(value, w1));
        sum3 = f32x4.add(sum3, f32x4.mul(value, w0));
        value = v128.load(x + 4 * pixelBytes);
        sum2 = f32x4.add(sum2, f32x4.mul(value, w2));
        sum3 = f32x4.add(sum3, f32x4.mul(value, w1));
        value = v128.load(x + 5 * pixelBytes);
        sum3 = f32x4.add(sum3, f32x4.mul(value, w2));
        x += slotBytes;
        w += 3 * pixelBytes;
      }
      // Last position first: those beyond the end go to the last one's place and are overwritten by its own.
      v128.store(target + at + to3, f32x4.pmin(f32x4.pmax(sum3, floor), ceiling));
      v128.store(target + at + to2, f32x4.pmin(f32x4.pmax(sum2, floor), ceiling));
      v128.store(target + at + to1, f32x4.pmin(f32x4.pmax(sum1, floor), ceiling));
      v128.store(target + at, f32x4.pmin(f32x4.pmax(sum0, floor), ceiling));
    }
  }
}

/** The same where neighbouring outputs lie two columns apart. */
export function rowStrideTwo(
  band: usize,
  slotBytes: usize,
  filter: usize,
  filterHeight: i32,
  bias: usize,
  out: usize,
  width: i32,
  pixelBytes: usize,
  low: f32,
  high: f32,
): void {
  const floor = f32x4.splat(low);
  const ceiling = f32x4.splat(high);
  for (let tile = 0; tile < width; tile += 4) {
    const last = width - 1 - tile;
    const source = band + <usize>tile * 2 * pixelBytes;
    const target = out + <usize>tile * pixelBytes;
    const to1 = <usize>min(1, last) * pixelBytes;
    const to2 = <usize>min(2, last) * pixelBytes;
    const to3 = <usize>min(3, last) * pixelBytes;
    for (let at: usize = 0; at < pixelBytes; at += 16) {
      let sum0 = v128.load(bias + at);
      let sum1 = sum0;
      let sum2 = sum0;
      let sum3 = sum0;
      let x = source + at;
      let w = filter + at;
      for (let i = 0; i < filterHeight; i++) {
        const w0 = v128.load(w);
        const w1 = v128.load(w + pixelBytes);
        const w2 = v128.load(w + 2 * pixelBytes);
        let pixel = x;
        sum0 = f32x4.add(sum0, f32x4.mul(v128.load(pixel), w0));
        pixel += pixelBytes;
        sum0 = f32x4.add(sum0, f32x4.mul(v128.load(pixel), w1));
        pixel += pixelBytes;
        let value = v128.load(pixel);
        sum0 = f32x4.add(sum0, f32x4.mul(value, w2));
        sum1 = f32x4.add(sum1, f32x4.mul(value, w0));
        pixel += pixelBytes;
        sum1 = f32x4.add(sum1, f32x4.mul(v128.load(pixel), w1));
        pixel += pixelBytes;
        value = v128.load(pixel);
        sum1 = f32x4.add(sum1, f32x4.mul(value, w2));
        sum2 = f32x4.add(sum2, f32x4.mul(value, w0));
        pixel += pixelBytes;
        sum2 = f32x4.add(sum2, f32x4.mul(v128.load(pixel), w1));
        pixel += pixelBytes;
        value = v128.load(pixel);
        sum2 = f32x4.add(sum2, f32x4.mul(value, w2));
        sum3 = f32x4.add(sum3, f32x4.mul(value, w0));
        pixel += pixelBytes;
        sum3 = f32x4.add(sum3, f32x4.mul(v128.load(pixel), w1));
        pixel += pixelBytes;
        sum3 = f32x4.add(sum3, f32x4.mul(v128.load(pixel), w2));
        x += slotBytes;
        w += 3 * pixelBytes;
      }
      v128.store(target + at + to3, f32x4.pmin(f32x4.pmax(sum3, floor), ceiling));
      v128.store(target + at + to2, f32x4.pmin(f32x4.pmax(sum2, floor), ceiling));
      v128.store(target + at + to1, f32x4.pmin(f32x4.pmax(sum1, floor), ceiling));
      v128.store(target + at, f32x4.pmin(f32x4.pmax(sum0, floor), ceiling));
    }
  }
}
