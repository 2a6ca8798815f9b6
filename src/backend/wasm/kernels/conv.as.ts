import { activationGradient } from './elementwise.as';
import { filterDepth, Geometry, isPointwise, positions } from './geometry.as';
import { packColumns, packTransposed, panelColumns } from './pack.as';
import { gatherPatches, scatterPatches } from './patches.as';
import { accumulateOuter, blockRows, multiplyRows, OUTER_ROWS, outerScratchBytes } from './product.as';

/** Scratch for any of the functions below, in bytes. */
export function convScratchBytes(g: Geometry): i32 {
  const depth = filterDepth(g);
  const columns = panelColumns(g.outChannels);
  const forward = 4 * (columns + columns * depth + blockRows(depth) * depth);
  const input = 4 * panelColumns(depth) * (1 + g.outChannels) + 4 * blockRows(g.outChannels) * depth;
  const filter = 4 * OUTER_ROWS * depth + outerScratchBytes(g.outChannels);
  const backward =
    4 * panelColumns(depth) * (1 + g.outChannels) +
    4 * OUTER_ROWS * (g.outChannels + depth) +
    outerScratchBytes(g.outChannels);
  return max(max(forward, input), max(filter, backward));
}

/** y = clamp(conv(x, filter) + bias, low, high); bias 0 means none. */
export function convForward(
  g: Geometry,
  x: usize,
  filter: usize,
  bias: usize,
  y: usize,
  scratch: usize,
  low: f32,
  high: f32,
): void {
  const depth = filterDepth(g);
  const columns = g.outChannels;
  const rows = positions(g);
  const panels = scratch + ((<usize>panelColumns(columns)) << 2);
  memory.fill(scratch, 0, panels - scratch);
  if (bias != 0) memory.copy(scratch, bias, (<usize>columns) << 2);
  packColumns(filter, panels, depth, columns);
  if (isPointwise(g)) {
    multiplyRows(x, panels, scratch, y, rows, depth, columns, low, high);
    return;
  }
  const patches = panels + ((<usize>(panelColumns(columns) * depth)) << 2);
  const block = blockRows(depth);
  for (let start = 0; start < rows; start += block) {
    const count = min(block, rows - start);
    gatherPatches(g, x, patches, start, count);
    const target = y + ((<usize>(start * columns)) << 2);
    multiplyRows(patches, panels, scratch, target, count, depth, columns, low, high);
  }
}

/** dx = the gradient with respect to the input: dy . filter^T, each patch added where it came from. */
export function convInputGradient(g: Geometry, dy: usize, filter: usize, dx: usize, scratch: usize): void {
  const columns = filterDepth(g);
  const depth = g.outChannels;
  const rows = positions(g);
  const panels = scratch + ((<usize>panelColumns(columns)) << 2);
  // The product wants a bias: this one is nought.
  memory.fill(scratch, 0, panels - scratch);
  packTransposed(filter, panels, depth, columns);
  if (isPointwise(g)) {
    multiplyRows(dy, panels, scratch, dx, rows, depth, columns, -Infinity, Infinity);
    return;
  }
  memory.fill(dx, 0, (<usize>(g.batch * g.inHeight * g.inWidth * g.inChannels)) << 2);
  const patches = panels + ((<usize>(panelColumns(columns) * depth)) << 2);
  const block = blockRows(depth);
  for (let start = 0; start < rows; start += block) {
    const count = min(block, rows - start);
    const source = dy + ((<usize>(start * depth)) << 2);
    multiplyRows(source, panels, scratch, patches, count, depth, columns, -Infinity, Infinity);
    scatterPatches(g, patches, dx, start, count);
  }
}

/** dFilter = the gradient with respect to the filter: patches^T . dy. */
export function convFilterGradient(g: Geometry, x: usize, dy: usize, dFilter: usize, scratch: usize): void {
  const depth = filterDepth(g);
  const columns = g.outChannels;
  const rows = positions(g);
  memory.fill(dFilter, 0, (<usize>(depth * columns)) << 2);
  if (isPointwise(g)) {
    accumulateOuter(x, dy, dFilter, rows, depth, columns, scratch);
    return;
  }
  const rest = scratch + ((<usize>(OUTER_ROWS * depth)) << 2);
  for (let start = 0; start < rows; start += OUTER_ROWS) {
    const count = min(OUTER_ROWS, rows - start);
    gatherPatches(g, x, scratch, start, count);
    accumulateOuter(scratch, dy + ((<usize>(start * columns)) << 2), dFilter, count, depth, columns, rest);
  }
}

/**
 * All gradients of y = clamp(conv(x, filter) + bias, 0, high) from that of y, in one walk over the
 * positions: what comes before the activation is made for 128 positions at a time and used while it lies in
 * the cache. dx = 0 leaves the input's gradient out; y = 0 means that there was no activation.
 */
export function convBackward(
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
  const width = filterDepth(g);
  const depth = g.outChannels;
  const rows = positions(g);
  const direct = isPointwise(g);
  const panels = scratch + (<usize>panelColumns(width) << 2);
  const masked = panels + (<usize>(panelColumns(width) * depth) << 2);
  const patches = masked + (<usize>(OUTER_ROWS * depth) << 2);
  const rest = patches + (<usize>(OUTER_ROWS * width) << 2);
  memory.fill(scratch, 0, panels - scratch);
  memory.fill(dFilter, 0, <usize>(width * depth) << 2);
  memory.fill(dBias, 0, <usize>depth << 2);
  if (dx != 0) {
    packTransposed(filter, panels, depth, width);
    if (!direct) memory.fill(dx, 0, <usize>(g.batch * g.inHeight * g.inWidth * g.inChannels) << 2);
  }
  for (let start = 0; start < rows; start += OUTER_ROWS) {
    const count = min(OUTER_ROWS, rows - start);
    const offset = <usize>(start * depth) << 2;
    const dPre = y == 0 ? dy + offset : masked;
    activationGradient(dy + offset, y + offset, y == 0 ? 0 : masked, dBias, count, depth, high);
    const inOffset = <usize>(start * width) << 2;
    if (!direct) gatherPatches(g, x, patches, start, count);
    accumulateOuter(direct ? x + inOffset : patches, dPre, dFilter, count, width, depth, rest);
    if (dx == 0) continue;
    const target = direct ? dx + inOffset : patches;
    multiplyRows(dPre, panels, scratch, target, count, depth, width, -Infinity, Infinity);
    if (!direct) scatterPatches(g, patches, dx, start, count);
  }
}
