/** target += source, both of `count` floats. */
export function addInPlace(target: usize, source: usize, count: i32): void {
  const end = target + (<usize>count << 2);
  for (; target + 16 <= end; target += 16, source += 16) {
    v128.store(target, f32x4.add(v128.load(target), v128.load(source)));
  }
  for (; target < end; target += 4, source += 4) {
    store<f32>(target, load<f32>(target) + load<f32>(source));
  }
}

/** g += weightDecay * w; v = momentum * v + g; w -= learningRate * v; the gradient is left as it was. */
export function sgdMomentum(
  weight: usize,
  velocity: usize,
  gradient: usize,
  count: i32,
  learningRate: f32,
  momentum: f32,
  weightDecay: f32,
): void {
  for (let i = 0; i < count; i++) {
    const w = load<f32>(weight);
    const v = momentum * load<f32>(velocity) + (load<f32>(gradient) + weightDecay * w);
    store<f32>(velocity, v);
    store<f32>(weight, w - learningRate * v);
    weight += 4;
    velocity += 4;
    gradient += 4;
  }
}

/** Rows whose bias gradient is summed before it joins the total: short sums lose less to rounding. */
const SUM_ROWS: i32 = 64;

/**
 * dPre = dy where 0 < y < high, else 0; dBias[channel] += its sum over all rows.
 * With dPre = 0 there is no mask: only dy is summed.
 */
export function activationGradient(
  dy: usize,
  y: usize,
  dPre: usize,
  dBias: usize,
  rows: i32,
  channels: i32,
  high: f32,
): void {
  const rowBytes = <usize>channels << 2;
  for (let start = 0; start < rows; start += SUM_ROWS) {
    const count = min(SUM_ROWS, rows - start);
    const offset = <usize>start * rowBytes;
    let c = 0;
    for (; c + 8 <= channels; c += 8) {
      const at = offset + (<usize>c << 2);
      if (dPre == 0) sumEight(dy + at, dBias + (<usize>c << 2), count, rowBytes);
      else maskEight(dy + at, y + at, dPre + at, dBias + (<usize>c << 2), count, rowBytes, high);
    }
    for (; c < channels; c++) {
      const at = offset + (<usize>c << 2);
      maskOne(dy + at, y + at, dPre == 0 ? 0 : dPre + at, dBias + (<usize>c << 2), count, rowBytes, high);
    }
  }
}

@inline
function inside(dy: v128, y: v128, ceiling: v128): v128 {
  return v128.and(dy, v128.and(f32x4.gt(y, f32x4.splat(0)), f32x4.lt(y, ceiling)));
}

@inline
function addEight(dBias: usize, left: v128, right: v128): void {
  v128.store(dBias, f32x4.add(v128.load(dBias), left));
  v128.store(dBias, f32x4.add(v128.load(dBias, 16), right), 16);
}

function maskEight(
  dy: usize,
  y: usize,
  dPre: usize,
  dBias: usize,
  rows: i32,
  rowBytes: usize,
  high: f32,
): void {
  const ceiling = f32x4.splat(high);
  let left = f32x4.splat(0);
  let right = left;
  for (let row = 0; row < rows; row++) {
    const first = inside(v128.load(dy), v128.load(y), ceiling);
    const second = inside(v128.load(dy, 16), v128.load(y, 16), ceiling);
    v128.store(dPre, first);
    v128.store(dPre, second, 16);
    left = f32x4.add(left, first);
    right = f32x4.add(right, second);
    dy += rowBytes;
    y += rowBytes;
    dPre += rowBytes;
  }
  addEight(dBias, left, right);
}

function sumEight(dy: usize, dBias: usize, rows: i32, rowBytes: usize): void {
  let left = f32x4.splat(0);
  let right = left;
  for (let row = 0; row < rows; row++) {
    left = f32x4.add(left, v128.load(dy));
    right = f32x4.add(right, v128.load(dy, 16));
    dy += rowBytes;
  }
  addEight(dBias, left, right);
}

function maskOne(
  dy: usize,
  y: usize,
  dPre: usize,
  dBias: usize,
  rows: i32,
  rowBytes: usize,
  high: f32,
): void {
  let sum: f32 = 0;
  for (let row = 0; row < rows; row++) {
    let gradient = load<f32>(dy);
    if (dPre != 0) {
      const value = load<f32>(y);
      if (!(value > 0 && value < high)) gradient = 0;
      store<f32>(dPre, gradient);
      y += rowBytes;
      dPre += rowBytes;
    }
    sum += gradient;
    dy += rowBytes;
  }
  store<f32>(dBias, load<f32>(dBias) + sum);
}
