import { Geometry } from './geometry.as';
import { finishOne } from './tile.as';

/** A depthwise convolution of one image, one number at a time, edges clipped: for channels that make no whole vectors. */
export function scalarForward(
  g: Geometry,
  x: usize,
  filter: usize,
  bias: usize,
  y: usize,
  low: f32,
  high: f32,
): void {
  for (let row = 0; row < g.outHeight; row++) {
    for (let column = 0; column < g.outWidth; column++) {
      for (let channel = 0; channel < g.outChannels; channel++) {
        let sum = load<f32>(bias + (<usize>channel << 2));
        for (let i = 0; i < g.filterHeight; i++) {
          const inRow = row * g.stride - g.padTop + i;
          if (inRow < 0 || inRow >= g.inHeight) continue;
          for (let j = 0; j < g.filterWidth; j++) {
            const inColumn = column * g.stride - g.padLeft + j;
            if (inColumn < 0 || inColumn >= g.inWidth) continue;
            sum += float(x, input(g, inRow, inColumn, channel)) * float(filter, tap(g, i, j, channel));
          }
        }
        const target = y + (<usize>output(g, row, column, channel) << 2);
        store<f32>(target, finishOne(sum, target, low, high, false));
      }
    }
  }
}

/** The input's gradient of one image in place of the input: each sums over the outputs that it went into. */
export function scalarInputGradient(
  g: Geometry,
  dy: usize,
  filter: usize,
  x: usize,
  low: f32,
  high: f32,
): void {
  for (let inRow = 0; inRow < g.inHeight; inRow++) {
    for (let inColumn = 0; inColumn < g.inWidth; inColumn++) {
      for (let channel = 0; channel < g.inChannels; channel++) {
        let sum: f32 = 0;
        for (let i = 0; i < g.filterHeight; i++) {
          const row = outputOf(inRow + g.padTop - i, g.stride, g.outHeight);
          if (row < 0) continue;
          for (let j = 0; j < g.filterWidth; j++) {
            const column = outputOf(inColumn + g.padLeft - j, g.stride, g.outWidth);
            if (column < 0) continue;
            sum += float(dy, output(g, row, column, channel)) * float(filter, tap(g, i, j, channel));
          }
        }
        const target = x + (<usize>input(g, inRow, inColumn, channel) << 2);
        store<f32>(target, finishOne(sum, target, low, high, true));
      }
    }
  }
}

/** dFilter += the filter's gradient from one image. */
export function scalarFilterGradient(g: Geometry, x: usize, dy: usize, dFilter: usize): void {
  for (let i = 0; i < g.filterHeight; i++) {
    for (let j = 0; j < g.filterWidth; j++) {
      for (let channel = 0; channel < g.outChannels; channel++) {
        let sum: f32 = 0;
        for (let row = 0; row < g.outHeight; row++) {
          const inRow = row * g.stride - g.padTop + i;
          if (inRow < 0 || inRow >= g.inHeight) continue;
          for (let column = 0; column < g.outWidth; column++) {
            const inColumn = column * g.stride - g.padLeft + j;
            if (inColumn < 0 || inColumn >= g.inWidth) continue;
            sum += float(x, input(g, inRow, inColumn, channel)) * float(dy, output(g, row, column, channel));
          }
        }
        const target = dFilter + (<usize>tap(g, i, j, channel) << 2);
        store<f32>(target, load<f32>(target) + sum);
      }
    }
  }
}

@inline
function float(base: usize, index: i32): f32 {
  return load<f32>(base + (<usize>index << 2));
}

@inline
function input(g: Geometry, row: i32, column: i32, channel: i32): i32 {
  return (row * g.inWidth + column) * g.inChannels + channel;
}

@inline
function output(g: Geometry, row: i32, column: i32, channel: i32): i32 {
  return (row * g.outWidth + column) * g.outChannels + channel;
}

@inline
function tap(g: Geometry, i: i32, j: i32, channel: i32): i32 {
  return (i * g.filterWidth + j) * g.outChannels + channel;
}

/**
 * The output position that a tap at `distance` from its window's start belongs to, or -1 if there is none.
 */
@inline
function outputOf(distance: i32, stride: i32, size: i32): i32 {
  return distance >= 0 && distance % stride == 0 && distance / stride < size ? distance / stride : -1;
}
