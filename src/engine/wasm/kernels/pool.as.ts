import { finish, finishOne } from './tile.as';

/** pooled[images, channels] = the mean of x[images, positions, channels] over the positions. */
export function poolForward(x: usize, pooled: usize, images: i32, positions: i32, channels: i32): void {
  const scale: f32 = 1 / <f32>positions;
  const rowBytes = <usize>channels << 2;
  for (let image = 0; image < images; image++) {
    let c = 0;
    for (; c + 4 <= channels; c += 4) {
      let at = x + (<usize>c << 2);
      let sum = f32x4.splat(0);
      for (let position = 0; position < positions; position++) {
        sum = f32x4.add(sum, v128.load(at));
        at += rowBytes;
      }
      v128.store(pooled, f32x4.mul(sum, f32x4.splat(scale)));
      pooled += 16;
    }
    for (; c < channels; c++) {
      let at = x + (<usize>c << 2);
      let sum: f32 = 0;
      for (let position = 0; position < positions; position++) {
        sum += load<f32>(at);
        at += rowBytes;
      }
      store<f32>(pooled, sum * scale);
      pooled += 4;
    }
    x += <usize>positions * rowBytes;
  }
}

/** The gradient of what came before the activations in x, from that of their mean: it takes their place. */
export function poolBackward(
  x: usize,
  dPooled: usize,
  images: i32,
  positions: i32,
  channels: i32,
  low: f32,
  high: f32,
): void {
  const scale: f32 = 1 / <f32>positions;
  const floor = f32x4.splat(low);
  const ceiling = f32x4.splat(high);
  for (let image = 0; image < images; image++) {
    for (let position = 0; position < positions; position++) {
      let gradient = dPooled;
      let c = 0;
      for (; c + 4 <= channels; c += 4) {
        const share = f32x4.mul(v128.load(gradient), f32x4.splat(scale));
        v128.store(x, finish(share, x, floor, ceiling, true));
        gradient += 16;
        x += 16;
      }
      for (; c < channels; c++) {
        store<f32>(x, finishOne(load<f32>(gradient) * scale, x, low, high, true));
        gradient += 4;
        x += 4;
      }
    }
    dPooled += <usize>channels << 2;
  }
}
