import type { CropBox, DecodedImage } from '../data/images/image.js';

/** What a batch or a slice of it brings to the network. */
export type NetworkInput = ImageInput | FeatureInput;

/** Images, each with the part of it that the network sees. */
export interface ImageInput {
  readonly kind: 'images';
  readonly images: readonly DecodedImage[];
  readonly boxes: readonly CropBox[];
}

/** Outputs of the frozen part, n x h x w x c values; `shape` is that of one image. */
export interface FeatureInput {
  readonly kind: 'features';
  readonly values: Float32Array;
  readonly shape: FeatureShape;
}

/** Height, width and channels of one image's features. */
export type FeatureShape = readonly [number, number, number];

/** Images from..to of an input, sharing its memory. */
export function sliceInput(input: NetworkInput, from: number, to: number): NetworkInput {
  if (input.kind === 'images') {
    return { kind: 'images', images: input.images.slice(from, to), boxes: input.boxes.slice(from, to) };
  }
  const [h, w, c] = input.shape;
  return { ...input, values: input.values.subarray(from * h * w * c, to * h * w * c) };
}

/** Images in an input. */
export function inputLength(input: NetworkInput): number {
  if (input.kind === 'images') return input.images.length;
  const [h, w, c] = input.shape;
  return input.values.length / (h * w * c);
}
