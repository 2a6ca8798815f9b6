import { engine, getBackend, getKernel, type NamedAttrMap, type Tensor4D } from '@tensorflow/tfjs-core';

/** What the kernel takes; sizes in pixels, boxes in fractions as `tf.image.cropAndResize` takes them. */
export interface ImageInputAttributes {
  readonly images: readonly {
    readonly pixels: Uint8Array;
    readonly height: number;
    readonly width: number;
  }[];
  readonly boxes: readonly {
    readonly y1: number;
    readonly x1: number;
    readonly y2: number;
    readonly x2: number;
  }[];
  readonly size: number;
}

/**
 * Crops, mirrors and resizes images straight from their bytes to [n, size, size, 3] in [-1, 1], in one kernel; undefined
 * where the backend has none.
 */
export function fusedImageInput(attributes: ImageInputAttributes): Tensor4D | undefined {
  if (!getKernel('ImageInput', getBackend())) return undefined;
  // tfjs types attributes as numbers and strings, and passes them on as they are.
  return engine().runKernel('ImageInput', {}, attributes as unknown as NamedAttrMap);
}
