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
    const y = (line % g.outHeight) * g.stride - g.padTop;
    const picture = image + (<usize>((line / g.outHeight) * g.inHeight * rowFloats) << 2);
    const stop = min(g.outWidth, column + end - position);
    position += stop - column;
    const xEnd = stop * g.stride - g.padLeft;
    for (let x = column * g.stride - g.padLeft; x < xEnd; x += g.stride) {
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
