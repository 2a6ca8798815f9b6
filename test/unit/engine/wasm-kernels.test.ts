import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { convOnWasm } from './conv-on-wasm.js';
import { GuardedHeap, spread } from './guarded-heap.js';

let guarded: GuardedHeap;

beforeAll(async () => {
  guarded = await GuardedHeap.open();
});

const f = Math.fround;
/** Around the lengths of vectors. */
const lengths = fc.integer({ min: 0, max: 21 });
/** Of very different sizes, so that another order of a sum gives other bits. */
const uneven = (count: number, phase: number) =>
  spread(count, -1, 1, phase).map((value, i) => value * 10 ** ((i + phase) % 7));

describe('elementwise', () => {
  test('addInPlace adds each value to its own', () => {
    fc.assert(
      fc.property(lengths, (length) => {
        const [target, source] = [uneven(length, 1), uneven(length, 2)];
        const [held, added] = [guarded.put(target), guarded.put(source)];
        guarded.kernels.addInPlace(held.address, added.address, length);
        expect(held.values).toEqual(target.map((value, i) => value + source[i]!));
        expect(added.values).toEqual(source);
        guarded.expectIntact();
      }),
    );
  });

  test('clear leaves zeros, and nothing else', () => {
    for (const length of [0, 1, 15, 16, 1000]) {
      const held = guarded.put(uneven(length, 1));
      guarded.kernels.clear(held.address, length);
      expect(held.values).toEqual(new Float32Array(length));
      guarded.expectIntact();
    }
  });

  test('maskInPlace keeps what belongs to activations strictly between the bounds', () => {
    const activations = [-1, 0, 1e-30, 3, 5.999, 6, 7, NaN, Infinity, -Infinity, 2];
    const values = activations.map((_, i) => (i === 3 ? NaN : i + 1));
    const [held, given] = [guarded.put(values), guarded.put(activations)];
    guarded.kernels.maskInPlace(held.address, given.address, values.length, 0, 6);
    expect([...held.values]).toEqual([0, 0, 3, NaN, 5, 0, 0, 0, 0, 0, 11]);
    guarded.expectIntact();
  });
});

describe('sgdMomentum', () => {
  const step = (
    {
      weight,
      velocity,
      rows,
    }: Record<'weight' | 'velocity', ArrayLike<number>> & { rows: ArrayLike<number>[] },
    { learningRate, momentum, weightDecay }: Record<'learningRate' | 'momentum' | 'weightDecay', number>,
  ) => {
    const [w, v] = [guarded.put(weight), guarded.put(velocity)];
    // Rows lie further apart than they are long: between them are the gradients of other parameters.
    const apart = weight.length + 3;
    const g = guarded.put(rows.flatMap((row) => [...Array.from(row), 1e30, 1e30, 1e30]));
    const before = g.values.slice();
    guarded.kernels.sgdMomentum(
      w.address,
      v.address,
      g.address,
      rows.length,
      apart * 4,
      weight.length,
      learningRate,
      momentum,
      weightDecay,
    );
    expect(g.values).toEqual(before);
    guarded.expectIntact();
    return { weight: [...w.values], velocity: [...v.values] };
  };

  test('by hand: the sum of the rows, weight decay, momentum, then the step', () => {
    // lr 0.5, momentum 0.5, decay 0.25, all exact in binary. Rows sum to g = [0.5, 1, -0.25, 2, 0];
    // g + decay w = [0.75, 0.5, -0.125, 3, 1]; v = 0.5 v + that; w - 0.5 v.
    const before = {
      weight: [1, -2, 0.5, 4, 4],
      velocity: [0, 0.5, -1, 2, 0],
      rows: [
        [0.25, 2, -0.5, 1, 1],
        [0.25, -1, 0.25, 1, -1],
      ],
    };
    expect(step(before, { learningRate: 0.5, momentum: 0.5, weightDecay: 0.25 })).toEqual({
      velocity: [0.75, 0.75, -0.625, 4, 1],
      weight: [0.625, -2.375, 0.8125, 2, 3.5],
    });
  });

  test('adds the rows in their order and rounds every operation to float32', () => {
    const rates = { learningRate: f(0.01), momentum: f(0.9), weightDecay: f(1e-2) };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 13 }), fc.integer({ min: 1, max: 6 }), (length, count) => {
        const [weight, velocity] = [uneven(length, 3), uneven(length, 4)];
        const rows = Array.from({ length: count }, (_, row) => uneven(length, 5 + row));
        const expected = { weight: [] as number[], velocity: [] as number[] };
        weight.forEach((w, i) => {
          const sum = rows.map((row) => row[i]!).reduce((total, value) => f(total + value));
          const decayed = f(sum + f(rates.weightDecay * w));
          const v = f(f(rates.momentum * velocity[i]!) + decayed);
          expected.velocity.push(v);
          expected.weight.push(f(w - f(rates.learningRate * v)));
        });
        expect(step({ weight, velocity, rows }, rates)).toEqual(expected);
      }),
    );
  });
});

describe('the average over positions', () => {
  const [images, positions, channels] = [2, 3, 5];

  test('forward: the mean of each channel of each image', () => {
    const x = Float32Array.from({ length: images * positions * channels }, (_, i) => i * i);
    const [from, pooled] = [guarded.put(x), guarded.room(images * channels)];
    guarded.kernels.poolForward(from.address, pooled.address, images, positions, channels);
    pooled.values.forEach((mean, i) => {
      const [image, channel] = [Math.floor(i / channels), i % channels];
      const at = (position: number) => x[(image * positions + position) * channels + channel]!;
      expect(mean).toBeCloseTo((at(0) + at(1) + at(2)) / 3, 4);
    });
    expect(from.values).toEqual(x);
    guarded.expectIntact();
  });

  test('backward: an equal share to every position whose activation had a slope', () => {
    const activations = Float32Array.from({ length: images * positions * channels }, (_, i) => (i % 4) * 2);
    const dPooled = Float32Array.from({ length: images * channels }, (_, i) => 3 * (i + 1));
    const [x, given] = [guarded.put(activations), guarded.put(dPooled)];
    guarded.kernels.poolBackward(x.address, given.address, images, positions, channels, 0, 6);
    x.values.forEach((value, i) => {
      const share = dPooled[Math.floor(i / positions / channels) * channels + (i % channels)]! / 3;
      // Activations go through 0, 2, 4 and 6.
      expect(value).toBeCloseTo(i % 4 === 0 || i % 4 === 3 ? 0 : share, 5);
    });
    expect(given.values).toEqual(dPooled);
    guarded.expectIntact();
  });
});

describe('NaN and infinity', () => {
  // One image of one pixel, or one of each: all but the middle of a 3 x 3 filter lies outside.
  test.each([
    ['a pointwise convolution', { kind: 'conv', images: 4, channels: 1, filters: 1, window: [1, 1] }],
    ['a convolution over patches', { kind: 'conv', images: 4, channels: 1, filters: 1, window: [3, 3] }],
    ['a depthwise one of vectors', { kind: 'depthwise', images: 1, channels: 4, filters: 4, window: [3, 3] }],
    ['a depthwise one', { kind: 'depthwise', images: 4, channels: 1, filters: 1, window: [3, 3] }],
  ] as const)('pass through %s with ReLU6 as they do elsewhere', (_, shape) => {
    const taps = shape.window[0] * shape.window[1];
    const zeros = new Float32Array(taps * shape.channels);
    const { y, dz } = convOnWasm(
      guarded,
      { ...shape, side: 1, stride: 1, before: false, after: true },
      {
        z: Float32Array.of(NaN, Infinity, -Infinity, 7),
        filter: zeros.map((_, i) => (Math.floor(i / shape.channels) === (taps - 1) / 2 ? 1 : 0)),
        bias: new Float32Array(shape.filters),
        dy: Float32Array.of(1, 2, 3, 4),
        dFilter: zeros,
        dBias: new Float32Array(shape.filters),
      },
    );
    expect([...y]).toEqual([NaN, 6, 0, 6]);
    // None of them lay strictly between 0 and 6.
    if (dz !== undefined) expect([...dz]).toEqual([0, 0, 0, 0]);
  });
});
