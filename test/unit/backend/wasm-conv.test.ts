import '@tensorflow/tfjs-backend-cpu';
import {
  engine,
  grads,
  setBackend,
  tensor,
  tensor1d,
  tensor4d,
  tidy,
  type NamedAttrMap,
  type Tensor,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { registerFusedGradients, type ConvKind } from '../../../src/backend/fused-gradient.js';
import { startWasm } from '../../../src/backend/wasm/start.js';

type Padding =
  'same' | 'valid' | number | [[number, number], [number, number], [number, number], [number, number]];

interface Case {
  readonly kind: ConvKind;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Output channels of a full convolution, channel multiplier of a depthwise one. */
  readonly filters: number;
  readonly kernel: readonly [number, number];
  readonly strides: [number, number];
  readonly pad: Padding;
  readonly activation: 'linear' | 'relu' | 'relu6';
}

beforeAll(async () => {
  await startWasm();
});

/** Values in [-scale, scale) that depend on nothing but their number and place (a Weyl sequence). */
function values(count: number, scale: number, phase: number): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, i) => (((i + phase) * 0.6180339887) % 1) * 2 * scale - scale,
  );
}

/** Output and the three gradients, by ordinary tf.grads, on one backend. */
async function runFused(backend: string, shape: Case): Promise<Float32Array[]> {
  await setBackend(backend);
  registerFusedGradients();
  const forward = (x: Tensor4D, filter: Tensor4D, bias: Tensor4D): Tensor4D =>
    engine().runKernel(
      shape.kind === 'conv' ? 'FusedConv2D' : 'FusedDepthwiseConv2D',
      { x, filter, bias },
      { ...attributes(shape), activation: shape.activation },
    );
  return tidy(() => {
    const { x, filter, bias } = inputs(shape);
    const y = forward(x, filter, bias);
    const dy = tensor(values(y.size, 1, 11), y.shape);
    return [y, ...grads(forward as never)([x, filter, bias], dy)].map(read);
  });
}

/** Output and two gradients of the kernels that tf.conv2d and tf.depthwiseConv2d are made of. */
async function runPlain(backend: string, shape: Case): Promise<Float32Array[]> {
  await setBackend(backend);
  const [forward, backInput, backFilter] =
    shape.kind === 'conv'
      ? ['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter']
      : [
          'DepthwiseConv2dNative',
          'DepthwiseConv2dNativeBackpropInput',
          'DepthwiseConv2dNativeBackpropFilter',
        ];
  return tidy(() => {
    const { x, filter } = inputs(shape);
    const y: Tensor4D = engine().runKernel(forward!, { x, filter }, attributes(shape));
    const dy = tensor(values(y.size, 1, 11), y.shape);
    const dx: Tensor4D = engine().runKernel(
      backInput!,
      { dy, filter },
      { ...attributes(shape), inputShape: x.shape },
    );
    const dFilter: Tensor4D = engine().runKernel(
      backFilter!,
      { x, dy },
      { ...attributes(shape), filterShape: filter.shape },
    );
    return [y, dx, dFilter].map(read);
  });
}

function attributes({ strides, pad }: Case): NamedAttrMap {
  return { strides, pad, dataFormat: 'NHWC', dilations: [1, 1] };
}

function inputs(shape: Case): { x: Tensor4D; filter: Tensor4D; bias: Tensor4D } {
  const { kind, batch, height, width, channels, filters, kernel } = shape;
  const taps = kernel[0] * kernel[1] * (kind === 'conv' ? channels : 1);
  const weights = values(kernel[0] * kernel[1] * channels * filters, 4 / Math.sqrt(taps), 7);
  return {
    x: tensor4d(values(batch * height * width * channels, 3, 1), [batch, height, width, channels]),
    filter: tensor4d(weights, [kernel[0], kernel[1], channels, filters]),
    bias: tensor1d(values(kind === 'conv' ? filters : channels * filters, 1, 3)) as unknown as Tensor4D,
  };
}

function read(result: Tensor): Float32Array {
  return (result.dataSync() as Float32Array).slice();
}

/** The largest difference in proportion to the largest value. */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  let scale = 1e-3;
  let worst = 0;
  expected.forEach((value, i) => {
    scale = Math.max(scale, Math.abs(value));
    worst = Math.max(worst, Math.abs(value - actual[i]!));
    if (!Number.isFinite(actual[i]!)) worst = Infinity;
  });
  return worst / scale;
}

async function expectAgreement(
  run: (backend: string, shape: Case) => Promise<Float32Array[]>,
  shape: Case,
): Promise<void> {
  const expected = await run('cpu', shape);
  const actual = await run('wasm', shape);
  expect(actual.length).toBe(expected.length);
  // A value that rounds to the other side of an activation's corner would move a gradient by one whole dy; with these
  // sequences of values that is all but impossible.
  expected.forEach((result, i) =>
    expect(relativeError(actual[i]!, result), `result ${i}`).toBeLessThan(1e-4),
  );
}

const explicit = fc
  .tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2))
  .map(([top, bottom, left, right]): Padding => [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ]);

const cases: fc.Arbitrary<Case> = fc
  .record({
    kind: fc.constantFrom<ConvKind>('conv', 'depthwise'),
    batch: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 1, max: 13 }),
    width: fc.integer({ min: 1, max: 13 }),
    channels: fc.integer({ min: 1, max: 20 }),
    filters: fc.integer({ min: 1, max: 20 }),
    kernel: fc.constantFrom<[number, number]>([1, 1], [2, 2], [3, 3], [5, 5], [3, 3], [2, 3], [1, 3]),
    strides: fc.constantFrom<[number, number]>([1, 1], [2, 2], [1, 2], [2, 1]),
    pad: fc.oneof(fc.constantFrom<Padding>('same', 'valid', 1), explicit),
    activation: fc.constantFrom('linear' as const, 'relu' as const, 'relu6' as const),
  })
  // The vector kernels take whole vectors of channels: without this they would be tried once in four.
  .map((shape) =>
    shape.filters % 3 === 0 ? { ...shape, channels: Math.ceil(shape.channels / 4) * 4 } : shape,
  )
  .map((shape) =>
    shape.kind === 'depthwise' ? { ...shape, filters: shape.filters % 5 === 0 ? 2 : 1 } : shape,
  )
  // The filter must fit somewhere.
  .filter(({ height, width, kernel, pad }) => pad === 'same' || (height >= kernel[0] && width >= kernel[1]));

test('fused convolutions and their gradients, of any shape, equal those of the cpu backend', async () => {
  const property = fc.asyncProperty(cases, (shape) => expectAgreement(runFused, shape));
  await fc.assert(property, { numRuns: 250, seed: 1 });
});

test('so do plain convolutions and their gradient kernels', async () => {
  const property = fc.asyncProperty(cases, (shape) => expectAgreement(runPlain, shape));
  await fc.assert(property, { numRuns: 200, seed: 2 });
});

const base = { batch: 2, strides: [1, 1], pad: 'same', activation: 'relu6' } as const;
test.each<[string, Case]>([
  [
    'stem: 3 x 3, stride 2, 3 channels in',
    {
      ...base,
      kind: 'conv',
      height: 33,
      width: 32,
      channels: 3,
      filters: 16,
      kernel: [3, 3],
      strides: [2, 2],
    },
  ],
  [
    'pointwise over several blocks of rows',
    {
      ...base,
      kind: 'conv',
      height: 20,
      width: 21,
      channels: 96,
      filters: 9,
      kernel: [1, 1],
      strides: [1, 1],
    },
  ],
  [
    'pointwise, more outputs than rows',
    {
      ...base,
      kind: 'conv',
      height: 3,
      width: 3,
      channels: 112,
      filters: 130,
      kernel: [1, 1],
      strides: [1, 1],
    },
  ],
  [
    'full 3 x 3 with many channels',
    {
      ...base,
      kind: 'conv',
      height: 9,
      width: 7,
      channels: 40,
      filters: 33,
      kernel: [3, 3],
      strides: [1, 1],
    },
  ],
  [
    'depthwise over several bands, stride 1',
    {
      ...base,
      kind: 'depthwise',
      height: 29,
      width: 31,
      channels: 40,
      filters: 1,
      kernel: [3, 3],
      strides: [1, 1],
    },
  ],
  [
    'depthwise over several bands, stride 2',
    {
      ...base,
      kind: 'depthwise',
      height: 30,
      width: 31,
      channels: 40,
      filters: 1,
      kernel: [3, 3],
      strides: [2, 2],
    },
  ],
])('%s', async (_, shape) => {
  await expectAgreement(runFused, shape);
  await expectAgreement(runPlain, shape);
});

test.each<ConvKind>(['conv', 'depthwise'])('an image has the same bits in any batch: %s', async (kind) => {
  await setBackend('wasm');
  for (const [size, channels, kernel, stride] of [
    [7, 20, 1, 1],
    [9, 3, 3, 2],
    [12, 16, 3, 1],
    [5, 24, 3, 2],
    [3, 40, 3, 1],
  ] as const) {
    const images = values(3 * size * size * channels, 2, 5);
    const filters = kind === 'conv' ? 11 : 1;
    const weights = values(kernel * kernel * channels * filters, 1, 2);
    const forward = (data: Float32Array, batch: number) =>
      tidy(() => {
        const x = tensor4d(data, [batch, size, size, channels]);
        const filter = tensor4d(weights, [kernel, kernel, channels, filters]);
        const attributes = { strides: [stride, stride], pad: 'same', dataFormat: 'NHWC', dilations: [1, 1] };
        const name = kind === 'conv' ? 'FusedConv2D' : 'FusedDepthwiseConv2D';
        const y = engine().runKernel(
          name,
          { x, filter },
          { ...attributes, activation: 'linear' },
        ) as Tensor4D;
        return [...y.dataSync()];
      });
    const together = forward(images, 3);
    const length = images.length / 3;
    const alone = [0, 1, 2].flatMap((i) => forward(images.subarray(i * length, (i + 1) * length), 1));
    expect(together).toEqual(alone);
  }
});
