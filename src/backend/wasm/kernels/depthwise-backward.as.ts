import { addFilterGradient } from './depthwise-filter.as';
import { depthwiseInputGradient } from './depthwise-input.as';
import { groupPictures, outputBytes } from './depthwise-layout.as';
import { activationGradient } from './elementwise.as';
import { Geometry } from './geometry.as';

/** dFilter = the gradient with respect to the filter. */
export function depthwiseFilterGradient(
  g: Geometry,
  x: usize,
  dy: usize,
  dFilter: usize,
  scratch: usize,
): void {
  memory.fill(dFilter, 0, filterBytes(g));
  addFilterGradient(g, x, dy, dFilter, scratch);
}

@inline
function filterBytes(g: Geometry): usize {
  return <usize>(g.filterHeight * g.filterWidth * g.outChannels) << 2;
}

/**
 * All gradients of y = clamp(depthwise(x, filter) + bias, 0, high) from that of y, some images at a time.
 * dx = 0 leaves the input's gradient out; y = 0 means that there was no activation.
 */
export function depthwiseBackward(
  g: Geometry,
  x: usize,
  y: usize,
  dy: usize,
  filter: usize,
  dx: usize,
  dFilter: usize,
  dBias: usize,
  scratch: usize,
  high: f32,
): void {
  const batch = g.batch;
  const group = groupPictures(g);
  const pictureRows = g.outHeight * g.outWidth;
  const pictureBytes = <usize>outputBytes(g);
  const inBytes = <usize>(g.inHeight * g.inWidth * g.inChannels) << 2;
  const rest = scratch + <usize>group * pictureBytes;
  memory.fill(dFilter, 0, filterBytes(g));
  memory.fill(dBias, 0, <usize>g.outChannels << 2);
  for (let start = 0; start < batch; start += group) {
    const count = min(group, batch - start);
    const offset = <usize>start * pictureBytes;
    const dPre = y == 0 ? dy + offset : scratch;
    const mask: usize = y == 0 ? 0 : scratch;
    activationGradient(dy + offset, y + offset, mask, dBias, count * pictureRows, g.outChannels, high);
    // The geometry is the caller's for this call alone: it stands for the group meanwhile.
    g.batch = count;
    addFilterGradient(g, x + <usize>start * inBytes, dPre, dFilter, rest);
    if (dx != 0) depthwiseInputGradient(g, dPre, filter, dx + <usize>start * inBytes, rest);
  }
  g.batch = batch;
}
