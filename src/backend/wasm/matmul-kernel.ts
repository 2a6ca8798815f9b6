import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import { convInfo, prepare, type KernelArguments } from './conv-arguments.js';
import type { Heap } from './heap.js';

/**
 * `BatchMatMul` of two float32 matrices, either of them transposed but not both; undefined for anything else. A matrix
 * product is a convolution of one pixel, and a transposed one a gradient of it. The backend's own keeps a packed
 * copy of the right matrix, so that one updated in place would be multiplied with its old values.
 */
export function matMul(heap: Heap, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const { a, b } = inputs;
  const transposeA = attrs?.['transposeA'] === true;
  const transposeB = attrs?.['transposeB'] === true;
  if (!a || !b || (transposeA && transposeB) || !isMatrix(a) || !isMatrix(b)) return undefined;
  const [depth = 0, rows = 0] = transposeA ? a.shape.slice(-2) : a.shape.slice(-2).reverse();
  const [columns = 0, inner = 0] = transposeB ? b.shape.slice(-2) : b.shape.slice(-2).reverse();
  util.assert(depth === inner, () => `matMul: inner sizes ${depth} and ${inner} differ.`);
  const outer = a.shape.length > b.shape.length ? a.shape : b.shape;
  const out = heap.output([...outer.slice(0, -2), rows, columns]);
  const [left, right] = [heap.address(a), heap.address(b)];
  const { kernels } = heap;
  if (transposeA) {
    const [geometry, scratch] = preparePixels(heap, depth, rows, columns);
    kernels.convFilterGradient(geometry, left, right, heap.address(out), scratch);
  } else if (transposeB) {
    const [geometry, scratch] = preparePixels(heap, rows, columns, depth);
    kernels.convInputGradient(geometry, left, right, heap.address(out), scratch);
  } else {
    const [geometry, scratch] = preparePixels(heap, rows, depth, columns);
    kernels.convForward(geometry, left, right, 0, heap.address(out), scratch, -Infinity, Infinity);
  }
  return out;
}

function isMatrix({ dtype, shape }: TensorInfo): boolean {
  return (
    dtype === 'float32' && shape.slice(0, -2).every((size) => size === 1) && util.sizeFromShape(shape) > 0
  );
}

/** A 1 x 1 convolution of `pixels` pixels. */
function preparePixels(heap: Heap, pixels: number, ins: number, outs: number): [number, number] {
  const info = convInfo([1, pixels, 1, ins], [1, 1, ins, outs], { strides: 1, pad: 'valid' }, 'conv');
  return prepare(heap, info, 'conv');
}
