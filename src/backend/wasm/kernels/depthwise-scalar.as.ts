import { Geometry } from './geometry.as';

/**
 * Depthwise convolutions of any filter, stride and channel multiplier, one number at a time, edges clipped:
 * for the shapes that no MobileNet has.
 */
export function scalarForward(
  g: Geometry,
  x: usize,
  filter: usize,
  bias: usize,
  y: usize,
  low: f32,
  high: f32,
): void {
  const multiplier = g.outChannels / g.inChannels;
  for (let picture = 0; picture < g.batch; picture++) {
    for (let row = 0; row < g.outHeight; row++) {
      for (let column = 0; column < g.outWidth; column++) {
        for (let channel = 0; channel < g.outChannels; channel++) {
          let sum: f32 = bias == 0 ? 0 : load<f32>(bias + (<usize>channel << 2));
          for (let i = 0; i < g.filterHeight; i++) {
            const inRow = row * g.strideHeight - g.padTop + i;
            if (inRow < 0 || inRow >= g.inHeight) continue;
            for (let j = 0; j < g.filterWidth; j++) {
              const inColumn = column * g.strideWidth - g.padLeft + j;
              if (inColumn < 0 || inColumn >= g.inWidth) continue;
              const value = float(x, input(g, picture, inRow, inColumn, channel / multiplier));
              sum += value * float(filter, (i * g.filterWidth + j) * g.outChannels + channel);
            }
          }
          if (sum < low) sum = low;
          if (sum > high) sum = high;
          store<f32>(y + (<usize>output(g, picture, row, column, channel) << 2), sum);
        }
      }
    }
  }
}

/** dx of the same convolutions: each input gathers what it went into. */
export function scalarInputGradient(g: Geometry, dy: usize, filter: usize, dx: usize): void {
  const multiplier = g.outChannels / g.inChannels;
  for (let picture = 0; picture < g.batch; picture++) {
    for (let inRow = 0; inRow < g.inHeight; inRow++) {
      for (let inColumn = 0; inColumn < g.inWidth; inColumn++) {
        for (let channel = 0; channel < g.inChannels; channel++) {
          let sum: f32 = 0;
          for (let i = 0; i < g.filterHeight; i++) {
            const row = outputOf(inRow + g.padTop - i, g.strideHeight, g.outHeight);
            if (row < 0) continue;
            for (let j = 0; j < g.filterWidth; j++) {
              const column = outputOf(inColumn + g.padLeft - j, g.strideWidth, g.outWidth);
              if (column < 0) continue;
              for (let m = channel * multiplier; m < (channel + 1) * multiplier; m++) {
                const gradient = float(dy, output(g, picture, row, column, m));
                sum += gradient * float(filter, (i * g.filterWidth + j) * g.outChannels + m);
              }
            }
          }
          store<f32>(dx + (<usize>input(g, picture, inRow, inColumn, channel) << 2), sum);
        }
      }
    }
  }
}

/** dFilter += that of the same convolutions; each image's sum is made before it joins the total. */
export function scalarFilterGradient(g: Geometry, x: usize, dy: usize, dFilter: usize): void {
  const multiplier = g.outChannels / g.inChannels;
  for (let i = 0; i < g.filterHeight; i++) {
    for (let j = 0; j < g.filterWidth; j++) {
      for (let channel = 0; channel < g.outChannels; channel++) {
        let total: f32 = 0;
        for (let picture = 0; picture < g.batch; picture++) {
          let sum: f32 = 0;
          for (let row = 0; row < g.outHeight; row++) {
            const inRow = row * g.strideHeight - g.padTop + i;
            if (inRow < 0 || inRow >= g.inHeight) continue;
            for (let column = 0; column < g.outWidth; column++) {
              const inColumn = column * g.strideWidth - g.padLeft + j;
              if (inColumn < 0 || inColumn >= g.inWidth) continue;
              const value = float(x, input(g, picture, inRow, inColumn, channel / multiplier));
              sum += value * float(dy, output(g, picture, row, column, channel));
            }
          }
          total += sum;
        }
        const target = dFilter + (<usize>((i * g.filterWidth + j) * g.outChannels + channel) << 2);
        store<f32>(target, load<f32>(target) + total);
      }
    }
  }
}

@inline
function float(base: usize, index: i32): f32 {
  return load<f32>(base + (<usize>index << 2));
}

@inline
function input(g: Geometry, picture: i32, row: i32, column: i32, channel: i32): i32 {
  return ((picture * g.inHeight + row) * g.inWidth + column) * g.inChannels + channel;
}

@inline
function output(g: Geometry, picture: i32, row: i32, column: i32, channel: i32): i32 {
  return ((picture * g.outHeight + row) * g.outWidth + column) * g.outChannels + channel;
}

/**
 * The output position that a tap at `distance` from its window's start belongs to, or -1 if there is none.
 */
@inline
function outputOf(distance: i32, stride: i32, size: i32): i32 {
  return distance >= 0 && distance % stride == 0 && distance / stride < size ? distance / stride : -1;
}
