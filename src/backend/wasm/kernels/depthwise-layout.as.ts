import { BAND_BYTES, fours } from './band.as';
import { Geometry } from './geometry.as';

/** Whether the vector kernels apply: three columns, stride 1 or 2, one output per channel, whole vectors. */
export function isFast(g: Geometry): bool {
  return g.filterWidth == 3 && g.strideWidth <= 2 && g.inChannels == g.outChannels && g.inChannels % 4 == 0;
}

/** Columns of a padded input row, so that whole tiles of four outputs may read it. */
export function bandWidth(g: Geometry): i32 {
  return max(g.padLeft + g.inWidth, (fours(g.outWidth) - 1) * g.strideWidth + g.filterWidth);
}

/** Columns of a padded row of output gradients when the input gradient is made from it. */
export function gradientWidth(g: Geometry): i32 {
  return max(g.filterWidth + g.outWidth, fours(g.inWidth) + g.padLeft + g.filterWidth);
}

/** Scratch for any of the functions below, in bytes. */
export function depthwiseScratchBytes(g: Geometry): i32 {
  const pixel = g.inChannels * 4;
  const halo = g.filterHeight + g.strideHeight;
  const row = pixel * (max(bandWidth(g), gradientWidth(g)) + fours(g.outWidth));
  const filters = pixel * (2 + g.filterHeight * g.filterWidth);
  const bands = filters + 2 * BAND_BYTES + (halo + 1 + g.strideHeight) * row;
  return bands + groupPictures(g) * outputBytes(g);
}

/** Bytes of one image's output. */
@inline
export function outputBytes(g: Geometry): i32 {
  return g.outHeight * g.outWidth * g.outChannels * 4;
}

/**
 * Images whose masked gradients are made at a time, so that they lie in the L2 cache where one of them does.
 */
export function groupPictures(g: Geometry): i32 {
  return max(1, min(g.batch, 262144 / outputBytes(g)));
}
