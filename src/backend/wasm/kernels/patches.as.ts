import { filterDepth, Geometry } from './geometry.as';

/**
 * Convolution as a matrix product: one row per output position, holding the patch of the image under the
 * filter in the order of the filter's own layout (row, column, channel), zeros where it overhangs.
 */
export function gatherPatches(g: Geometry, image: usize, patches: usize, first: i32, count: i32): void {
  const runFloats = g.filterWidth * g.inChannels;
  const rowFloats = g.inWidth * g.inChannels;
  const end = first + count;
  let target = patches;
  for (let position = first; position < end; ) {
    // The rest of one output row: all of it shares its rows of the image.
    const column = position % g.outWidth;
    const line = position / g.outWidth;
    const y = (line % g.outHeight) * g.strideHeight - g.padTop;
    const picture = image + (<usize>((line / g.outHeight) * g.inHeight * rowFloats) << 2);
    const stop = min(g.outWidth, column + end - position);
    position += stop - column;
    const xEnd = stop * g.strideWidth - g.padLeft;
    for (let x = column * g.strideWidth - g.padLeft; x < xEnd; x += g.strideWidth) {
      const from = min(max(-x, 0), g.filterWidth);
      const to = max(min(g.inWidth - x, g.filterWidth), from);
      const source = picture + (<usize>(y * rowFloats + (x + from) * g.inChannels) << 2);
      for (let i = 0; i < g.filterHeight; i++) {
        const inside = y + i >= 0 && y + i < g.inHeight ? to - from : 0;
        if (inside == g.filterWidth) {
          copy(target, source + (<usize>(i * rowFloats) << 2), runFloats);
        } else {
          const before = inside > 0 ? from * g.inChannels : runFloats;
          const floats = inside * g.inChannels;
          clear(target, before);
          copy(target + (<usize>before << 2), source + (<usize>(i * rowFloats) << 2), floats);
          clear(target + (<usize>(before + floats) << 2), runFloats - before - floats);
        }
        target += <usize>runFloats << 2;
      }
    }
  }
}

/** The transpose of `gatherPatches`: adds each patch to the image where it was taken from. */
export function scatterPatches(g: Geometry, patches: usize, image: usize, first: i32, count: i32): void {
  const runFloats = g.filterWidth * g.inChannels;
  const patchBytes = <usize>filterDepth(g) << 2;
  for (let position = first; position < first + count; position++) {
    const column = position % g.outWidth;
    const row = (position / g.outWidth) % g.outHeight;
    const picture = position / (g.outWidth * g.outHeight);
    const x = column * g.strideWidth - g.padLeft;
    const from = min(max(-x, 0), g.filterWidth);
    const to = max(min(g.inWidth - x, g.filterWidth), from);
    const patch = patches + <usize>(position - first) * patchBytes;
    for (let i = 0; i < g.filterHeight; i++) {
      const y = row * g.strideHeight - g.padTop + i;
      if (y < 0 || y >= g.inHeight || from == to) continue;
      const pixel = (picture * g.inHeight + y) * g.inWidth + x + from;
      const target = image + (<usize>(pixel * g.inChannels) << 2);
      add(target, patch + (<usize>(i * runFloats + from * g.inChannels) << 2), (to - from) * g.inChannels);
    }
  }
}

/**
 * Runs are a few floats long: loops beat memory.copy and memory.fill, which are calls out of wasm. The
 * last vector of a run overlaps the one before it.
 */
@inline
function copy(target: usize, source: usize, floats: i32): void {
  if (floats < 4) {
    for (let at: usize = 0; at < <usize>floats << 2; at += 4) store<f32>(target + at, load<f32>(source + at));
    return;
  }
  const last = <usize>(floats - 4) << 2;
  for (let at: usize = 0; at < last; at += 16) v128.store(target + at, v128.load(source + at));
  v128.store(target + last, v128.load(source + last));
}

function clear(target: usize, floats: i32): void {
  for (let i = 0; i < floats; i++) store<f32>(target + (<usize>i << 2), 0);
}

function add(target: usize, source: usize, floats: i32): void {
  let i = 0;
  for (; i + 4 <= floats; i += 4) {
    v128.store(target, f32x4.add(v128.load(target), v128.load(source)));
    target += 16;
    source += 16;
  }
  for (; i < floats; i++) {
    store<f32>(target, load<f32>(target) + load<f32>(source));
    target += 4;
    source += 4;
  }
}
