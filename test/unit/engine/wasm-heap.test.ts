import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileKernels, instantiateKernels } from '../../../src/engine/wasm/compile-kernels.js';
import { floatsAt, Heap } from '../../../src/engine/wasm/heap.js';
import { RunError } from '../../../src/errors.js';
import { type ConvCase, inputsOf } from './conv-cases.js';
import { convOnWasm } from './conv-on-wasm.js';
import { GuardedHeap } from './guarded-heap.js';

test('buffers are zeros on cache lines of their own, with room for a vector behind the last', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 8 }), (sizes) => {
      const heap = new Heap();
      const buffers = sizes.map((bytes) => {
        const address = heap.allocate(bytes);
        expect(address).toBeGreaterThan(0);
        expect(address % 64).toBe(0);
        expect(heap.memory.buffer.byteLength).toBeGreaterThanOrEqual(address + bytes + 32);
        const buffer = new Uint8Array(heap.memory.buffer, address, bytes);
        expect(buffer.every((byte) => byte === 0)).toBe(true);
        return buffer.fill(1);
      });
      expect(buffers.map(({ length }) => length)).toEqual(sizes);
    }),
    { numRuns: 20 },
  );
});

test('of the memories of closed heaps the largest is taken first', () => {
  const heaps = [10_000, 3_000_000, 200_000].map((bytes) => {
    const heap = new Heap();
    heap.allocate(bytes);
    return heap;
  });
  for (const heap of heaps) heap.close();
  const next = heaps.map(() => new Heap().memory);
  expect(next).toEqual([heaps[1], heaps[2], heaps[0]].map((heap) => heap!.memory));
});

test("the memory of a closed heap is the next one's, all zeros again", () => {
  const first = new Heap();
  const sizes = [100, 70_000, 5];
  for (const bytes of sizes) {
    const address = first.allocate(bytes);
    new Uint8Array(first.memory.buffer, address, bytes).fill(1);
  }
  first.close();
  const second = new Heap();
  expect(second.memory).toBe(first.memory);
  // Over what was written before and beyond it.
  const buffers = [30, 64, 69_000, 3000, 200_000].map((bytes) => {
    const address = second.allocate(bytes);
    return new Uint8Array(second.memory.buffer, address, bytes);
  });
  for (const buffer of buffers) {
    expect(buffer.every((byte) => byte === 0)).toBe(true);
    buffer.fill(2);
  }
  // The third one's zeros are over what either of them wrote.
  second.close();
  const third = new Heap();
  const all = new Uint8Array(third.memory.buffer, third.allocate(280_000), 280_000);
  expect(all.every((byte) => byte === 0)).toBe(true);
});

test('a full heap is an error that says so, and the heap lives on', async () => {
  const heap = new Heap();
  const kernels = await instantiateKernels((await compileKernels()).module, heap.memory);
  const first = heap.allocateFloats(3);
  floatsAt(heap.memory, first, 3).set([1, 2, 3]);
  // A gibibyte each: the fourth cannot fit into 4 GB. Nothing is written, so no memory is really used.
  const fill = () => {
    for (let i = 0; i < 4; i++) heap.allocate(2 ** 30);
  };
  expect(fill).toThrow(RunError);
  expect(fill).toThrow(/wasm heap \(4 GB\) is full: 1024\.0 MiB could not be allocated on top of 3\.0 GiB/);
  const second = heap.allocateFloats(3);
  floatsAt(heap.memory, second, 3).set([10, 20, 30]);
  kernels.addInPlace(second, first, 3);
  expect([...floatsAt(heap.memory, second, 3)]).toEqual([11, 22, 33]);
});

test('the kernels compute the same beyond 2 GiB, where addresses have their highest bit set', async () => {
  const [low, high] = [await GuardedHeap.open(), await GuardedHeap.open()];
  // Nothing is written there either.
  expect(high.heap.allocate(2 ** 31)).toBeLessThan(2 ** 31);
  expect(high.heap.allocate(0)).toBeGreaterThan(2 ** 31);
  const square = { images: 2, side: 7, channels: 12, filters: 12, before: true, after: true } as const;
  const cases: ConvCase[] = [
    { ...square, kind: 'conv', window: [1, 1], stride: 1 },
    { ...square, kind: 'conv', window: [3, 3], stride: 2 },
    { ...square, kind: 'depthwise', window: [3, 3], stride: 1 },
    { ...square, kind: 'depthwise', window: [5, 5], stride: 2 },
  ];
  for (const shape of cases) {
    const inputs = inputsOf(shape);
    expect(convOnWasm(high, shape, inputs)).toEqual(convOnWasm(low, shape, inputs));
  }
});
