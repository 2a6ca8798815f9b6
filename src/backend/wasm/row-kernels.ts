import { util, type KernelFunc } from '@tensorflow/tfjs-core';
import type { CopyToRowAttributes, SumRowsAttributes } from '../gradient-rows.js';
import type { Heap } from './heap.js';

type Arguments = Parameters<KernelFunc>[0];

/** The kernels of gradient-rows.ts: the heap's values are copied straight from and to other memory. */
export function rowKernels(heap: Heap): ReadonlyMap<string, KernelFunc> {
  return new Map([
    ['CopyToRow', (args) => copyToRow(heap, args)],
    ['SumRows', (args) => sumRows(heap, args)],
  ] satisfies [string, KernelFunc][]);
}

function copyToRow(heap: Heap, args: Arguments): [] {
  const { row } = args.attrs as unknown as CopyToRowAttributes;
  for (const { address, from, to } of places(heap, args, row)) {
    row.set(heap.floats(address, to - from), from);
  }
  return [];
}

function sumRows(heap: Heap, args: Arguments): [] {
  const { rows } = args.attrs as unknown as SumRowsAttributes;
  const [first, ...others] = rows;
  if (first === undefined) throw new Error('There are no rows to sum.');
  for (const { address, from, to } of places(heap, args, ...rows)) {
    const count = to - from;
    heap.floats(address, count).set(first.subarray(from, to));
    const scratch = heap.scratch(count * Float32Array.BYTES_PER_ELEMENT);
    for (const row of others) {
      heap.floats(scratch, count).set(row.subarray(from, to));
      heap.kernels.addInPlace(address, scratch, count);
    }
  }
  return [];
}

/** Where each input lies on the heap and in the rows. */
function places(heap: Heap, { inputs }: Arguments, ...rows: readonly Float32Array[]) {
  let end = 0;
  const found = Object.values(inputs).map((tensor) => {
    if (tensor?.dtype !== 'float32') throw new Error('Rows hold float32 tensors alone.');
    const from = end;
    end += util.sizeFromShape(tensor.shape);
    return { address: heap.address(tensor), from, to: end };
  });
  for (const { length } of rows) {
    util.assert(length === end, () => `A row of ${length} values for tensors of ${end}.`);
  }
  return found;
}
