import { z } from 'zod';
import { UsageError } from '../errors/errors.js';
import { describe, type LayerNode } from './layer-graph.js';

/** Zeros around an image: [[top, bottom], [left, right]] pixels. */
export type Padding = readonly [readonly [number, number], readonly [number, number]];

interface Window {
  /** Height and width of the input in pixels. */
  readonly size: number;
  readonly kernel: readonly [number, number];
  readonly stride: number;
}

const both = z.number().transform((n): [number, number] => [n, n]);
const side = z.union([both, z.tuple([z.number(), z.number()])]);
const paddingSchema = z.union([
  z.number().transform((n): [[number, number], [number, number]] => [
    [n, n],
    [n, n],
  ]),
  z.tuple([side, side]),
]);

/** What a ZeroPadding2D layer adds; throws UsageError where its option is none. */
export function zeroPaddingOf(layer: LayerNode): Padding {
  const parsed = paddingSchema.safeParse(layer.config['padding'] ?? 1);
  if (!parsed.success) throw new UsageError(`${describe(layer)}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/**
 * TensorFlow's 'same': as many zeros as make the output ceil(size / stride), the odd one after the
 * image. At even sizes and stride 2 that is [0, 1] for a 3 x 3 window, at odd sizes [1, 1].
 */
export function samePadding({ size, kernel, stride }: Window): Padding {
  const outputSize = Math.ceil(size / stride);
  const along = (window: number): [number, number] => {
    const total = Math.max((outputSize - 1) * stride + window - size, 0);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  };
  return [along(kernel[0]), along(kernel[1])];
}

/**
 * Throws UsageError unless zero padding and the convolution's own option together pad as 'same' does at
 * this input size. Symmetric padding before stride 2 (PyTorch's, and that of the oldest Keras weights) puts
 * every window one pixel further up and left: the weights would run, and be worse without a word.
 */
export function requireSamePadding(
  layer: LayerNode,
  window: Window,
  own: 'same' | 'valid',
  zeros?: Padding,
): void {
  if (own === 'same' && zeros === undefined) return;
  const wanted = samePadding(window);
  const found = zeros ?? [
    [0, 0],
    [0, 0],
  ];
  if (own === 'valid' && JSON.stringify(found) === JSON.stringify(wanted)) return;
  throw new UsageError(
    `${describe(layer)}: expected padding like 'same', which is ${JSON.stringify(wanted)} at ${window.size} pixels with ` +
      `stride ${window.stride}, found '${own}' after zero padding of ${JSON.stringify(found)}; convert the weights from a ` +
      'network that pads as TensorFlow does.',
  );
}
