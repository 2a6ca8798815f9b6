import type { Heap } from './heap.js';

/** A convolution with 'same' padding, for one image. */
export interface ConvShape {
  /** Height and width of the input. */
  readonly side: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Height and width of the filter. */
  readonly window: readonly [number, number];
  readonly stride: number;
}

/** Writes a convolution's sizes where the kernels read them, in the order of the class in kernels/geometry.as.ts. */
export function writeGeometry(
  heap: Heap,
  { side, inChannels, outChannels, window, stride }: ConvShape,
): number {
  const out = outputSide(side, stride);
  const [top, left] = window.map((size) => Math.max(0, (out - 1) * stride + size - side) >> 1);
  const integers = [side, side, inChannels, out, out, outChannels, ...window, stride, top ?? 0, left ?? 0];
  const address = heap.allocate(integers.length * Int32Array.BYTES_PER_ELEMENT);
  new Int32Array(heap.memory.buffer, address, integers.length).set(integers);
  return address;
}

/** Height and width of the output. */
export function outputSide(side: number, stride: number): number {
  return Math.ceil(side / stride);
}

/** Columns rounded up to whole panels of 8, in which filters are packed. */
export function panelColumns(columns: number): number {
  return Math.ceil(columns / 8) * 8;
}
