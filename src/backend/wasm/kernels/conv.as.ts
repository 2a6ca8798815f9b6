import { filterDepth, Geometry, isPointwise, positions } from './geometry.as';
import { packColumns, packTransposed, panelColumns } from './pack.as';
import { gatherPatches, scatterPatches } from './patches.as';
import { accumulateOuter, blockRows, multiplyRows, OUTER_ROWS, outerScratchBytes } from './product.as';

/** Scratch for any of the three functions below, in bytes. */
export function convScratchBytes(g: Geometry): i32 {
  const depth = filterDepth(g);
  const columns = panelColumns(g.outChannels);
  const forward = 4 * (columns + columns * depth + blockRows(depth) * depth);
  const input = 4 * panelColumns(depth) * (1 + g.outChannels) + 4 * blockRows(g.outChannels) * depth;
  const filter = 4 * OUTER_ROWS * depth + outerScratchBytes(g.outChannels);
  return max(forward, max(input, filter));
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
