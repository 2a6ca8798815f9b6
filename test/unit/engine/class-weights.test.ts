import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import { batchWeight, type NetworkSetup } from '../../../src/engine/params.js';
import { LocalEngine } from '../../../src/engine/tfjs/local-engine.js';
import { balancedWeights } from '../../../src/workbench/run-engine.js';
import { opened, RATES, trainOn } from './engine-runs.js';
import { relativeError } from './guarded-heap.js';
import { randomBatch } from './random-batch.js';
import { NETWORKS, normalizedSetup, smallSetup } from './small-networks.js';
import { BATCH, engineOf, SLICE, teams } from './wasm-teams.js';

const WEIGHTS = [0.4, 1, 6];
const weighted = (setup: NetworkSetup): NetworkSetup => ({ ...setup, classWeights: WEIGHTS });
const HEAD = NETWORKS.V2.blocks.length;

const SETUPS: readonly (readonly [string, NetworkSetup, number])[] = [
  ['all trained', smallSetup('V2', 0), SLICE],
  ['a part trained', smallSetup('V1', 2), SLICE],
  ['the head alone', smallSetup('V2', HEAD), SLICE],
  // Elsewhere than in threads a batch for batch norm is one slice.
  ['batch norm in training mode', normalizedSetup('V2', 0, 16), BATCH],
];

tf.enableProdMode();

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe.each(SETUPS)('%s', (_, setup, slice) => {
  test('the engines agree to rounding', async () => {
    const seen = [];
    for (const engine of [
      await engineOf(weighted(setup), { threads: 2 }),
      await opened(new LocalEngine(weighted(setup), slice)),
    ]) {
      seen.push({ losses: await lossesOf(engine), state: await engine.snapshot() });
    }
    const [own, other] = seen;
    expect(relativeError(own!.losses, other!.losses)).toBeLessThan(1e-4);
    for (const [name, values] of other!.state.weights) {
      expect(relativeError(own!.state.weights.get(name)!, values), name).toBeLessThan(1e-4);
    }
  });

  test('the bits are the same whichever threads compute, and others than without weights', async () => {
    const [alone, ...others] = await teams(weighted(setup));
    // No batch of one image: it has no variance for batch norm.
    const sizes = [8, 5, 3, 7];
    const expected = await trainOn(alone!, sizes);
    for (const other of others) expect(await trainOn(other, sizes)).toEqual(expected);
    expect(await trainOn(await engineOf(setup), sizes)).not.toEqual(expected);
  });
});

test('weights of 1 change no bit', async () => {
  const [, setup] = SETUPS[0]!;
  const ones = await engineOf({ ...setup, classWeights: [1, 1, 1] });
  expect(await trainOn(ones, [8, 5])).toEqual(await trainOn(await engineOf(setup), [8, 5]));
});

/** Of three batches whose slices hold other classes than the whole. */
async function lossesOf(engine: Engine): Promise<Float32Array> {
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) {
    const { input, labels } = randomBatch(8, step);
    losses.push((await engine.step(input, labels, { learningRate: 0.002, momentum: 0.9 })).loss);
  }
  return Float32Array.from(losses);
}

test('an image that weighs as three is a step as three of it are', async () => {
  const setup = smallSetup('V2', 3);
  const { input, labels } = randomBatch(2);
  const [first, second] = [0, 1].map((i) => ({ image: input.images[i]!, box: input.boxes[i]! }));
  const four = [first!, second!, second!, second!];
  const engine = await engineOf({ ...setup, classWeights: [1, 3, 1] });
  const whole = await engineOf(setup);
  const one = await engine.step(input, labels, RATES);
  const three = await whole.step(
    { kind: 'images', images: four.map(({ image }) => image), boxes: four.map(({ box }) => box) },
    Int32Array.of(labels[0]!, labels[1]!, labels[1]!, labels[1]!),
    RATES,
  );
  expect(labels).toEqual(Int32Array.of(0, 1));
  expect(one.loss).toBeCloseTo(three.loss, 5);
  const [own, other] = [await engine.snapshot(), await whole.snapshot()];
  for (const [name, values] of other.velocities) {
    expect(relativeError(own.velocities.get(name)!, values), name).toBeLessThan(1e-4);
  }
});

test('a batch of one image is the same step whatever it weighs', async () => {
  const setup = smallSetup('V2', HEAD);
  const { input, labels } = randomBatch(1);
  const [plain, heavy] = [await engineOf(setup), await engineOf({ ...setup, classWeights: [7, 1, 1] })];
  expect((await heavy.step(input, labels, RATES)).loss).toBeCloseTo(
    (await plain.step(input, labels, RATES)).loss,
    5,
  );
  const [own, other] = [await heavy.snapshot(), await plain.snapshot()];
  for (const [name, values] of other.velocities) {
    expect(relativeError(own.velocities.get(name)!, values), name).toBeLessThan(1e-5);
  }
});

test('what a batch weighs', () => {
  expect(batchWeight(Int32Array.of(0, 2, 2, 1), undefined)).toBe(4);
  expect(batchWeight(Int32Array.of(0, 2, 2, 1), WEIGHTS)).toBeCloseTo(13.4, 12);
});

describe('balanced weights', () => {
  const samples = (...counts: number[]) =>
    counts.flatMap((count, label) => Array.from({ length: count }, () => ({ label })));
  const weightsOf = (...counts: number[]) =>
    balancedWeights({
      classNames: counts.map(String),
      train: samples(...counts),
    } as unknown as Parameters<typeof balancedWeights>[0]);

  test("are scikit-learn's: n / (classes n_c)", () => {
    // compute_class_weight('balanced', classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2]) is 10/18, 10/9 and 10/3.
    expect(weightsOf(6, 3, 1)).toEqual([10 / 18, 10 / 9, 10 / 3]);
    expect(weightsOf(4, 4)).toEqual([1, 1]);
  });

  test('have a mean of 1 over the images, and leave out classes without any', () => {
    const counts = [100, 50, 0, 25, 12, 6];
    const weights = weightsOf(...counts);
    expect(weights[2]).toBe(0);
    expect(counts.reduce((sum, count, label) => sum + count * weights[label]!, 0) / 193).toBeCloseTo(1, 12);
    expect(weights[0]! * 100).toBeCloseTo(weights[5]! * 6, 9);
  });
});
