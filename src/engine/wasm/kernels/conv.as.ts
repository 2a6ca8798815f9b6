import { addColumnSums } from './column-sums.as';
import { filterDepth, floats, Geometry, isPointwise, positions } from './geometry.as';
import { packColumns, packTransposed } from './pack.as';
import { gatherPatches } from './patches.as';
import { accumulateOuter, blockRows, multiplyRows, OUTER_ROWS, outerScratchBytes } from './product.as';

/** Scratch for either pass, in bytes. */
export function convScratchBytes(g: Geometry): i32 {
  const depth = filterDepth(g);
  const patches = isPointwise(g) ? 0 : 4 * max(blockRows(depth), OUTER_ROWS) * depth;
  return patches + outerScratchBytes(g.outChannels);
}

/** The filter as `convForward` wants it: panels of 8 columns, filled up with zeros. */
export function packFilter(g: Geometry, filter: usize, panels: usize): void {
  packColumns(filter, panels, filterDepth(g), g.outChannels);
}

/** The filter's transpose as `convBackward` wants it. */
export function packFilterTransposed(g: Geometry, filter: usize, panels: usize): void {
  packTransposed(filter, panels, g.outChannels, filterDepth(g));
}

/** y = clamp(conv(x, filter) + bias, low, high), with the filter in panels and the bias filled up to whole ones. */
export function convForward(
  g: Geometry,
  images: i32,
  x: usize,
  panels: usize,
  bias: usize,
  y: usize,
  scratch: usize,
  low: f32,
  high: f32,
): void {
  const depth = filterDepth(g);
  const columns = g.outChannels;
  const rows = images * positions(g);
  if (isPointwise(g)) {
    multiplyRows(x, panels, bias, y, rows, depth, columns, low, high, false);
    return;
  }
  const block = blockRows(depth);
  for (let start = 0; start < rows; start += block) {
    const count = min(block, rows - start);
    const target = y + floats(start * columns);
    gatherPatches(g, x, scratch, start, count);
    multiplyRows(scratch, panels, bias, target, count, depth, columns, low, high, false);
  }
}

/**
 * The gradients of a convolution from dy, the gradient of its sums before the activation.
 *
 * dFilter and dBias are added to. The input's gradient takes the place of the input x, 0 where x did not lie strictly
 * between `low` and `high`; so that is the gradient of what came before x's activation. It is left out where `panels` is 0,
 * and only a pointwise convolution has it.
 * @param panels the transposed filter
 * @param zeros as many zeros as the input has channels, to whole panels
 */
export function convBackward(
  g: Geometry,
  images: i32,
  x: usize,
  dy: usize,
  panels: usize,
  dFilter: usize,
  dBias: usize,
  zeros: usize,
  scratch: usize,
  low: f32,
  high: f32,
): void {
  const width = filterDepth(g);
  const columns = g.outChannels;
  const rows = images * positions(g);
  const direct = isPointwise(g);
  const rest = direct ? scratch : scratch + floats(OUTER_ROWS * width);
  // In blocks of rows: what one product reads still lies in the cache for the next.
  for (let start = 0; start < rows; start += OUTER_ROWS) {
    const count = min(OUTER_ROWS, rows - start);
    const gradient = dy + floats(start * columns);
    const input = x + floats(start * width);
    addColumnSums(gradient, dBias, count, columns);
    if (!direct) gatherPatches(g, x, scratch, start, count);
    accumulateOuter(direct ? input : scratch, gradient, dFilter, count, width, columns, rest);
    if (panels == 0) continue;
    multiplyRows(gradient, panels, zeros, input, count, columns, width, low, high, true);
  }
}
