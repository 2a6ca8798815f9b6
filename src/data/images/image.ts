/** A decoded photograph: 8-bit RGB, upright, rows top to bottom. */
export interface DecodedImage {
  /** height x width x 3 bytes; lies on a SharedArrayBuffer where the cache is in memory. */
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
  /** Whether decoding made it smaller (then its short side is 1.25 x the image size). */
  readonly downscaled: boolean;
}

/** What a crop is chosen from: an image without its pixels. */
export type ImageSize = Omit<DecodedImage, 'pixels'>;

/**
 * The part of an image that becomes a network input, in fractions of height and width, as
 * `tf.image.cropAndResize` takes it: 0 is the first row's centre, 1 the last row's. x1 > x2 mirrors.
 */
export interface CropBox {
  readonly y1: number;
  readonly x1: number;
  readonly y2: number;
  readonly x2: number;
}

/** The whole image as it is. */
export const WHOLE: CropBox = { y1: 0, x1: 0, y2: 1, x2: 1 };

/** Images to feed to the network, as plain data that may cross threads. */
export interface Batch {
  readonly images: readonly DecodedImage[];
  readonly boxes: readonly CropBox[];
  /** Class of each image, 0 to classes - 1. */
  readonly labels: Int32Array;
  /** Position of each image in the list (training or validation) it was drawn from. */
  readonly indices: Int32Array;
  /** View of each image, 0 to K - 1; -1 where augmentation is drawn afresh or not at all. */
  readonly views: Int32Array;
}
