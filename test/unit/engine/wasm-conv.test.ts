import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { compileFused, compileSeparate } from '../../../src/engine/wasm/compile-kernels.js';
import { type ConvCase, type ConvInputs, hasInputGradient, inputsOf } from './conv-cases.js';
import { convOnCpu } from './conv-on-cpu.js';
import { convOnWasm } from './conv-on-wasm.js';
import { GuardedHeap, relativeError } from './guarded-heap.js';

/** Sums of up to some thousand products in float32 differ by their order. */
const ROUNDING = 2e-5;

function expectAgreement(guarded: GuardedHeap, shape: ConvCase): void {
  const inputs = inputsOf(shape);
  const expected = convOnCpu(shape, inputs);
  const actual = convOnWasm(guarded, shape, inputs);
  expect(actual.dz !== undefined).toBe(hasInputGradient(shape));
  // A sum that rounds to the other side of an activation's corner would move a gradient by one whole dy; with these
  // sequences of values that is all but impossible.
  for (const name of ['y', 'dFilter', 'dBias', 'dz'] as const) {
    const result = actual[name];
    if (result !== undefined) expect(relativeError(result, expected[name]!), name).toBeLessThan(ROUNDING);
  }
}

const anywhere = {
  images: fc.integer({ min: 1, max: 3 }),
  side: fc.integer({ min: 1, max: 13 }),
  channels: fc.integer({ min: 1, max: 40 }),
  before: fc.boolean(),
  after: fc.boolean(),
};

const pointwise = fc.record({
  ...anywhere,
  kind: fc.constant('conv' as const),
  filters: fc.integer({ min: 1, max: 40 }),
  window: fc.constant([1, 1] as const),
  stride: fc.constant(1 as const),
});

const patches = fc.record({
  ...anywhere,
  kind: fc.constant('conv' as const),
  channels: fc.integer({ min: 1, max: 20 }),
  filters: fc.integer({ min: 1, max: 20 }),
  window: fc.constantFrom([3, 3] as const, [3, 3] as const, [5, 5] as const, [2, 3] as const),
  stride: fc.constantFrom(1 as const, 2 as const),
});

const vectors = fc.record({
  ...anywhere,
  kind: fc.constant('depthwise' as const),
  channels: fc.integer({ min: 1, max: 10 }).map((quads) => 4 * quads),
  window: fc.constant([3, 3] as const),
  stride: fc.constantFrom(1 as const, 2 as const),
});

const scalars = fc.record({
  ...anywhere,
  kind: fc.constant('depthwise' as const),
  window: fc.constantFrom([3, 3] as const, [5, 5] as const, [2, 3] as const, [1, 1] as const),
  stride: fc.constantFrom(1 as const, 2 as const),
});

// The second is there on processors that can fuse.
const builds = [await compileSeparate(), await compileFused()].filter((build) => build !== undefined);

describe.each(builds)('$arithmetic multiply-add', (build) => {
  let guarded: GuardedHeap;

  beforeAll(async () => {
    guarded = await GuardedHeap.open(Promise.resolve(build));
  });

  test.each<[string, fc.Arbitrary<ConvCase>]>([
    ['pointwise convolutions, whose gradient replaces their input', pointwise],
    ['convolutions over patches, which hand no gradient on', patches],
    [
      'depthwise convolutions of whole vectors',
      vectors.map((shape) => ({ ...shape, filters: shape.channels })),
    ],
    ['other depthwise ones', scalars.map((shape) => ({ ...shape, filters: shape.channels }))],
  ])('%s equal those of plain JavaScript, and write nothing else', (_, shapes) => {
    fc.assert(
      fc.property(shapes, (shape) => expectAgreement(guarded, shape)),
      { numRuns: 200, seed: 1 },
    );
  });

  test.each([
    ['a stem', 'conv', 31, 3, 16, 3, 2],
    ['patches of many channels', 'conv', 12, 40, 33, 3, 1],
    ['pointwise over several blocks of rows', 'conv', 21, 96, 9, 1, 1],
    ['pointwise over few rows with many channels', 'conv', 3, 112, 130, 1, 1],
    ['depthwise over several bands of rows', 'depthwise', 29, 40, 40, 3, 1],
    ['depthwise over several bands of columns', 'depthwise', 20, 256, 256, 3, 1],
    ['depthwise over several bands at stride 2, an odd side', 'depthwise', 31, 40, 40, 3, 2],
    ['depthwise over several bands at stride 2, an even side', 'depthwise', 30, 64, 64, 3, 2],
  ] as const)('large: %s', (_, kind, side, channels, filters, window, stride) => {
    const shape = { kind, side, channels, filters, window: [window, window], stride } as const;
    expectAgreement(guarded, { ...shape, images: 2, before: true, after: true });
  });

  test.each([
    ['conv', 5, 9, 7, 1],
    ['conv', 8, 12, 16, 1],
    ['depthwise', 6, 8, 8, 3],
    ['depthwise', 6, 7, 7, 3],
  ] as const)(
    'an input whose gradient nobody asks for is left alone: %s of side %i, channels %i to %i, window %i',
    (kind, side, channels, filters, window) => {
      const square = { kind, side, channels, filters, window: [window, window], stride: 1 } as const;
      const shape = { ...square, images: 2, before: true, after: true };
      const inputs = inputsOf(shape);
      const { dz, ...others } = convOnWasm(guarded, shape, inputs, { handOn: false });
      expect(dz).toBeUndefined();
      expect({ ...others, dz: convOnWasm(guarded, shape, inputs).dz }).toEqual(
        convOnWasm(guarded, shape, inputs),
      );
    },
  );

  test('an image has the same bits in any batch, forward and backward', () => {
    const any = fc.oneof(
      ...[pointwise, patches].map((shapes): fc.Arbitrary<ConvCase> => shapes),
      ...[vectors, scalars].map((shapes) => shapes.map((shape) => ({ ...shape, filters: shape.channels }))),
    );
    fc.assert(
      fc.property(any, (shape) => {
        const inputs = inputsOf(shape);
        const together = convOnWasm(guarded, shape, inputs);
        const alone = Array.from({ length: shape.images }, (_, i) =>
          convOnWasm(guarded, { ...shape, images: 1 }, ofImage(inputs, shape.images, i)),
        );
        expect(alone.flatMap(({ y }) => [...y])).toEqual([...together.y]);
        expect(alone.flatMap(({ dz }) => [...(dz ?? [])])).toEqual([...(together.dz ?? [])]);
      }),
      { numRuns: 100, seed: 2 },
    );
  });
});

function ofImage(inputs: ConvInputs, images: number, i: number): ConvInputs {
  const part = (all: Float32Array) =>
    all.subarray((i * all.length) / images, ((i + 1) * all.length) / images);
  return { ...inputs, z: part(inputs.z), dy: part(inputs.dy) };
}
