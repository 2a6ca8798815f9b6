import { outputSide } from '../../../src/engine/shapes.js';
import { spread } from './guarded-heap.js';

/** A convolution as it stands in a network: after an activation and before one, ReLU6 or none. */
export interface ConvCase {
  readonly kind: 'conv' | 'depthwise';
  readonly images: number;
  readonly side: number;
  readonly channels: number;
  /** Output channels; of a depthwise convolution they are its input's. */
  readonly filters: number;
  readonly window: readonly [number, number];
  readonly stride: 1 | 2;
  readonly before: boolean;
  readonly after: boolean;
}

/** What goes in: z becomes the input x by the activation before it; dFilter and dBias are what gradients are added to. */
export interface ConvInputs {
  readonly z: Float32Array;
  readonly filter: Float32Array;
  readonly bias: Float32Array;
  readonly dy: Float32Array;
  readonly dFilter: Float32Array;
  readonly dBias: Float32Array;
}

/** What comes out: dz is the gradient of z, undefined where the kernels have none. */
export interface ConvResults {
  readonly y: Float32Array;
  readonly dFilter: Float32Array;
  readonly dBias: Float32Array;
  readonly dz: Float32Array | undefined;
}

/** A full convolution hands a gradient on where it is pointwise. */
export function hasInputGradient({ kind, window, stride }: ConvCase): boolean {
  return kind === 'depthwise' || window[0] * window[1] * stride === 1;
}

/** [height, width, in, out] or [height, width, channels, 1]. */
export function filterShape({ kind, window, channels, filters }: ConvCase): [number, number, number, number] {
  return [...window, channels, kind === 'conv' ? filters : 1];
}

/** Values on both sides of both corners of ReLU6, before as after. */
export function inputsOf(shape: ConvCase): ConvInputs {
  const { kind, images, side, channels, filters, window, stride } = shape;
  const scale = 3 / Math.sqrt(window[0] * window[1] * (kind === 'conv' ? channels : 1));
  const weights = filterShape(shape).reduce((product, size) => product * size);
  return {
    z: spread(images * side * side * channels, -3, 8, 1),
    filter: spread(weights, -scale, scale, 7),
    bias: spread(filters, -1, 2, 3),
    dy: spread(images * outputSide(side, stride) ** 2 * filters, -1, 1, 11),
    dFilter: spread(weights, -1, 1, 13),
    dBias: spread(filters, -1, 1, 17),
  };
}
