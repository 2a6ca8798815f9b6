/** target = 0, `count` floats. From JavaScript, filling shared memory takes ten times as long. */
export function clear(target: usize, count: i32): void {
  memory.fill(target, 0, <usize>count << 2);
}

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

/** values = 0 where the activations did not lie strictly between the bounds. */
export function maskInPlace(values: usize, activations: usize, count: i32, low: f32, high: f32): void {
  for (const end = values + (<usize>count << 2); values < end; values += 4, activations += 4) {
    const activation = load<f32>(activations);
    if (!(activation > low && activation < high)) store<f32>(values, 0);
  }
}

/**
 * SGD with momentum on the sum of `rows` gradients, which lie `rowBytes` apart and are added in this order:
 * g += weightDecay w; v = momentum v + g; w -= learningRate v.
 */
export function sgdMomentum(
  weight: usize,
  velocity: usize,
  gradient: usize,
  rows: i32,
  rowBytes: usize,
  count: i32,
  learningRate: f32,
  momentum: f32,
  weightDecay: f32,
): void {
  const rate4 = f32x4.splat(learningRate);
  const momentum4 = f32x4.splat(momentum);
  const decay4 = f32x4.splat(weightDecay);
  const end = weight + (<usize>count << 2);
  for (; weight + 16 <= end; weight += 16, velocity += 16, gradient += 16) {
    let sum = v128.load(gradient);
    let row = gradient;
    for (let i = 1; i < rows; i++) sum = f32x4.add(sum, v128.load((row += rowBytes)));
    const w = v128.load(weight);
    sum = f32x4.add(sum, f32x4.mul(decay4, w));
    const v = f32x4.add(f32x4.mul(momentum4, v128.load(velocity)), sum);
    v128.store(velocity, v);
    v128.store(weight, f32x4.sub(w, f32x4.mul(rate4, v)));
  }
  for (; weight < end; weight += 4, velocity += 4, gradient += 4) {
    let sum = load<f32>(gradient);
    let row = gradient;
    for (let i = 1; i < rows; i++) sum += load<f32>((row += rowBytes));
    const w = load<f32>(weight);
    const v = momentum * load<f32>(velocity) + (sum + weightDecay * w);
    store<f32>(velocity, v);
    store<f32>(weight, w - learningRate * v);
  }
}
