import '@tensorflow/tfjs-backend-cpu';
import {
  backend,
  conv2d,
  getBackend,
  getKernel,
  matMul,
  memory,
  setBackend,
  tensor1d,
  tensor2d,
  tensor3d,
  tensor4d,
  variable,
  type Tensor,
  zerosLike,
  type Tensor1D,
  type Tensor4D,
  type Variable,
} from '@tensorflow/tfjs-core';
import { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, test } from 'vitest';
import { addInPlace, convBackward, convForward, sgdUpdate } from '../../../src/backend/conv.js';
import { registerTrainingKernels } from '../../../src/backend/wasm/register.js';
import { startWasm } from '../../../src/backend/wasm/start.js';

beforeAll(async () => {
  await startWasm();
});

const ramp = (count: number) => Float32Array.from({ length: count }, (_, i) => ((i * 7) % 11) / 5 - 1);

function layer(kind: 'conv' | 'depthwise'): { x: Tensor4D; filter: Variable; bias: Variable } {
  const x = tensor4d(ramp(2 * 5 * 5 * 8), [2, 5, 5, 8]);
  const filter =
    kind === 'conv' ? tensor4d(ramp(3 * 3 * 8 * 6), [3, 3, 8, 6]) : tensor4d(ramp(72), [3, 3, 8, 1]);
  const bias = tensor1d(ramp(kind === 'conv' ? 6 : 8));
  const made = { x, filter: variable(filter), bias: variable(bias) };
  filter.dispose();
  bias.dispose();
  return made;
}

describe.each(['cpu', 'wasm'])('on %s', (name) => {
  test('SGD follows the rule with momentum and weight decay', async () => {
    await setBackend(name);
    const weight = variable(tensor1d([1, -2, 0.5]));
    const velocity = variable(tensor1d([0, 0.5, -1]));
    const gradient = tensor1d([0.5, 1, -0.25]);
    // lr 0.5, momentum 0.5, decay 0.25, all exact in binary. g + decay w = [0.75, 0.5, -0.125];
    // v = 0.5 v + that = [0.75, 0.75, -0.625]; w - 0.5 v = [0.625, -2.375, 0.8125].
    sgdUpdate(weight, velocity, gradient, { learningRate: 0.5, momentum: 0.5, weightDecay: 0.25 });
    expect([...velocity.dataSync()]).toEqual([0.75, 0.75, -0.625]);
    expect([...weight.dataSync()]).toEqual([0.625, -2.375, 0.8125]);
    expect([...gradient.dataSync()]).toEqual([0.5, 1, -0.25]);
    addInPlace(weight, gradient);
    expect([...weight.dataSync()]).toEqual([1.125, -1.375, 0.5625]);
    for (const tensor of [weight, velocity, gradient]) tensor.dispose();
  });

  test.each(['conv', 'depthwise'] as const)(
    'a training step of a %s layer keeps no tensors',
    async (kind) => {
      await setBackend(name);
      const { x, filter, bias } = layer(kind);
      const velocity = variable(zerosLike(filter));
      const before = memory();
      for (let step = 0; step < 3; step++) {
        const options = { kind, stride: 2, relu6: step !== 1 };
        const y = convForward(x, filter as Tensor4D, bias as Tensor1D, options);
        const { dx, dFilter, dBias } = convBackward(
          { x, y, dy: y, filter: filter as Tensor4D },
          options,
          step > 0,
        );
        expect(dx?.shape).toEqual(step > 0 ? x.shape : undefined);
        expect(dFilter.shape).toEqual(filter.shape);
        expect(dBias.shape).toEqual(bias.shape);
        sgdUpdate(filter, velocity, dFilter, { learningRate: 0.1, momentum: 0.9, weightDecay: 0 });
        for (const tensor of [y, dx, dFilter, dBias]) tensor?.dispose();
      }
      expect(memory().numTensors).toBe(before.numTensors);
      expect(memory().numBytes).toBe(before.numBytes);
      for (const tensor of [x, filter, bias, velocity]) tensor.dispose();
    },
  );
});

test.each(['conv', 'depthwise'] as const)('%s: convBackward is alike on both backends', async (kind) => {
  const results: number[][] = [];
  for (const name of ['cpu', 'wasm']) {
    await setBackend(name);
    const { x, filter, bias } = layer(kind);
    const options = { kind, stride: 1, relu6: true };
    const y = convForward(x, filter as Tensor4D, bias as Tensor1D, options);
    const { dx, dFilter, dBias } = convBackward({ x, y, dy: y, filter: filter as Tensor4D }, options, true);
    results.push([y, dx!, dFilter, dBias].flatMap((tensor) => [...tensor.dataSync()]));
  }
  results[1]!.forEach((value, i) => {
    expect(Math.abs(value - results[0]![i]!)).toBeLessThan(1e-3);
  });
});

test('a filter that was updated in place is used by the next forward pass, fused or not', async () => {
  await setBackend('wasm');
  const x = tensor4d([1, 2], [1, 1, 1, 2]);
  const filter = variable(tensor4d([3, 5], [1, 1, 2, 1]));
  const bias = tensor1d([0.5]);
  const options = { kind: 'conv', stride: 1, relu6: false } as const;
  // 1 x 3 + 2 x 5 + 0.5; then with [4, 4]: 1 x 4 + 2 x 4 + 0.5.
  expect(convForward(x, filter as Tensor4D, bias, options).dataSync()[0]).toBe(13.5);
  expect(conv2d(x, filter as Tensor4D, 1, 'same').dataSync()[0]).toBe(13);
  addInPlace(filter, tensor4d([1, -1], [1, 1, 2, 1]));
  expect(convForward(x, filter as Tensor4D, bias, options).dataSync()[0]).toBe(12.5);
  expect(conv2d(x, filter as Tensor4D, 1, 'same').dataSync()[0]).toBe(12);
});

test('a matrix that was updated in place is used by the next product', async () => {
  await setBackend('wasm');
  const a = tensor2d([1, 2], [1, 2]);
  const b = variable(tensor2d([3, 5], [2, 1]));
  expect(matMul(a, b).dataSync()[0]).toBe(13);
  addInPlace(b, tensor2d([1, -1], [2, 1]));
  expect(matMul(a, b).dataSync()[0]).toBe(12);
});

test.each([
  [false, false],
  [true, false],
  [false, true],
  [true, true],
])('matrix products are those of plain sums: transposes %s, %s', async (transposeA, transposeB) => {
  await setBackend('wasm');
  const [rows, depth, columns] = [5, 7, 11];
  const a = ramp(rows * depth);
  const b = ramp(depth * columns).reverse();
  const left = tensor3d(a, transposeA ? [1, depth, rows] : [1, rows, depth]);
  const right = tensor2d(b, transposeB ? [columns, depth] : [depth, columns]);
  const product = matMul(left, right as Tensor, transposeA, transposeB);
  expect(product.shape).toEqual([1, rows, columns]);
  product.dataSync().forEach((value, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let k = 0; k < depth; k++) {
      sum +=
        a[transposeA ? k * rows + row : row * depth + k]! *
        b[transposeB ? column * depth + k : k * columns + column]!;
    }
    expect(value).toBeCloseTo(sum, 5);
  });
});

test('shapes that do not fit are refused, not read from elsewhere in the heap', async () => {
  await setBackend('wasm');
  const x = tensor4d(ramp(8), [1, 2, 2, 2]);
  const filter = tensor4d(ramp(9), [1, 1, 3, 3]);
  const options = { kind: 'conv', stride: 1, relu6: false } as const;
  expect(() => convForward(x, filter, tensor1d([1, 2, 3]), options)).toThrow(/does not fit/);
  const narrow = tensor4d(ramp(4), [1, 1, 2, 2]);
  expect(() => convBackward({ x, y: narrow, dy: narrow, filter: narrow }, options, true)).toThrow(/shape/i);
});

test('NaN and infinity pass through a convolution with ReLU6 as they do elsewhere', async () => {
  await setBackend('wasm');
  const x = tensor4d([NaN, Infinity, -Infinity, 7], [4, 1, 1, 1]);
  const options = { kind: 'conv', stride: 1, relu6: true } as const;
  const y = convForward(x, tensor4d([1], [1, 1, 1, 1]), tensor1d([0]), options);
  expect([...y.dataSync()]).toEqual([NaN, 6, 0, 6]);
});

test('registering again changes nothing, and dilation goes to the backend itself', async () => {
  await setBackend('wasm');
  const kernel = getKernel('FusedConv2D', 'wasm');
  await registerTrainingKernels();
  expect(getKernel('FusedConv2D', 'wasm')).toBe(kernel);
  // [1, 2, 3, 4, 5] with taps two apart: 1 + 3, 2 + 4, 3 + 5.
  const y = conv2d(
    tensor4d([1, 2, 3, 4, 5], [1, 1, 5, 1]),
    tensor4d([1, 1], [1, 2, 1, 1]),
    1,
    'valid',
    'NHWC',
    [1, 2],
  );
  expect([...y.dataSync()]).toEqual([4, 6, 8]);
});

test('a full heap is an error that says so, and the backend lives on', async () => {
  await setBackend('wasm');
  expect(getBackend()).toBe('wasm');
  const wasm = backend();
  if (!(wasm instanceof BackendWasm)) throw new Error('not wasm');
  const held: ReturnType<typeof wasm.makeOutput>[] = [];
  // A gibibyte each: the fourth cannot fit into 4 GB. Nothing is written, so no memory is really used.
  const fill = () => {
    for (let i = 0; i < 4; i++) held.push(wasm.makeOutput([2 ** 28], 'float32'));
  };
  expect(fill).toThrow(/wasm heap \(4 GB\) is full/);
  for (const { dataId } of held) wasm.disposeData(dataId);
  const y = convForward(tensor4d([2], [1, 1, 1, 1]), tensor4d([3], [1, 1, 1, 1]), tensor1d([1]), {
    kind: 'conv',
    stride: 1,
    relu6: false,
  });
  expect(y.dataSync()[0]).toBe(7);
});
