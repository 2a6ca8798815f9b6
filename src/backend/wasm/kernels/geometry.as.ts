/**
 * The shapes of one convolution, NHWC, in the order in which the caller writes them: consecutive i32.
 * A padding is the number of zeros before the first row or column; those behind follow from the sizes.
 */
@unmanaged
export class Geometry {
  batch: i32;
  inHeight: i32;
  inWidth: i32;
  inChannels: i32;
  outHeight: i32;
  outWidth: i32;
  outChannels: i32;
  filterHeight: i32;
  filterWidth: i32;
  strideHeight: i32;
  strideWidth: i32;
  padTop: i32;
  padLeft: i32;
}

/** Output positions of the whole batch. */
@inline
export function positions(g: Geometry): i32 {
  return g.batch * g.outHeight * g.outWidth;
}

/** Inputs that one output of a full convolution sums: the rows of the filter as a matrix. */
@inline
export function filterDepth(g: Geometry): i32 {
  return g.filterHeight * g.filterWidth * g.inChannels;
}

/** Whether the convolution is the plain product of the image, as a matrix of pixels, with the filter. */
export function isPointwise(g: Geometry): bool {
  return (
    g.filterHeight * g.filterWidth * g.strideHeight * g.strideWidth == 1 &&
    g.inHeight == g.outHeight &&
    g.inWidth == g.outWidth &&
    (g.padTop | g.padLeft) == 0
  );
}
