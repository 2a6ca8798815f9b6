/**
 * The shapes of one convolution, NHWC, in the order in which geometry.ts writes them: consecutive i32.
 * A padding is the number of zeros before the first row or column; those behind follow from the sizes.
 */
@unmanaged
export class Geometry {
  inHeight: i32;
  inWidth: i32;
  inChannels: i32;
  outHeight: i32;
  outWidth: i32;
  outChannels: i32;
  filterHeight: i32;
  filterWidth: i32;
  stride: i32;
  padTop: i32;
  padLeft: i32;
}

/** Output positions of one image. */
@inline
export function positions(g: Geometry): i32 {
  return g.outHeight * g.outWidth;
}

/** Inputs that one output of a full convolution sums: the rows of the filter as a matrix. */
@inline
export function filterDepth(g: Geometry): i32 {
  return g.filterHeight * g.filterWidth * g.inChannels;
}

/** Whether the convolution is the plain product of the image, as a matrix of pixels, with the filter. */
export function isPointwise(g: Geometry): bool {
  return g.filterHeight * g.filterWidth * g.stride == 1;
}

/** Bytes of that many floats. */
@inline
export function floats(count: i32): usize {
  return <usize>count << 2;
}
