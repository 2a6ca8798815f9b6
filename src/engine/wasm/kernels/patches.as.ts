import { floats, Geometry } from './geometry.as';

/**
 * Convolution as a matrix product: one row per output position, holding the patch of the image under the
 * filter in the order of the filter's own layout (row, column, channel), zeros where it overhangs.
 */
export function gatherPatches(g: Geometry, image: usize, patches: usize, first: i32, count: i32): void {
  // Read once: as far as the compiler knows, every store could change them.
  const inWidth = g.inWidth;
  const inHeight = g.inHeight;
  const inChannels = g.inChannels;
  const outWidth = g.outWidth;
  const filterWidth = g.filterWidth;
  const filterHeight = g.filterHeight;
  const stride = g.stride;
  const runFloats = filterWidth * inChannels;
  const runBytes = floats(runFloats);
  const rowBytes = floats(inWidth * inChannels);
  const end = first + count;
  let target = patches;
  for (let position = first; position < end; ) {
    // The rest of one output row: all of it shares its rows of the image.
    const column = position % outWidth;
    const line = position / outWidth;
    const y = (line % g.outHeight) * stride - g.padTop;
    const rows = image + <usize>((line / g.outHeight) * inHeight + y) * rowBytes;
    const upright = y >= 0 && y + filterHeight <= inHeight;
    const stop = min(outWidth, column + end - position);
    position += stop - column;
    const xEnd = stop * stride - g.padLeft;
    for (let x = column * stride - g.padLeft; x < xEnd; x += stride) {
      const from = min(max(-x, 0), filterWidth);
      const to = max(min(inWidth - x, filterWidth), from);
      let source = rows + floats((x + from) * inChannels);
      if (upright && to - from == filterWidth) {
        for (let i = 0; i < filterHeight; i++, target += runBytes, source += rowBytes) {
          copy(target, source, runFloats);
        }
        continue;
      }
      for (let i = 0; i < filterHeight; i++, source += rowBytes) {
        const inside = y + i >= 0 && y + i < inHeight ? to - from : 0;
        const before = inside > 0 ? from * inChannels : runFloats;
        const kept = inside * inChannels;
        clear(target, before);
        copy(target + floats(before), source, kept);
        clear(target + floats(before + kept), runFloats - before - kept);
        target += runBytes;
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
