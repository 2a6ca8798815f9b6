import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import type { FeatureInput } from '../../../src/engine/engine.js';
import { fingerprint, type TrainedState } from '../../../src/engine/params.js';
import type { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { randomStream } from '../../../src/random.js';
import {
  BatchNormReference,
  expectClose,
  expectTorchSteps,
  type FeatureBatch,
  ROUNDING,
  torchSetup,
} from './batch-norm-reference.js';
import { bits, RATES, trainOn } from './engine-runs.js';
import { relativeError } from './guarded-heap.js';
import { randomBatch } from './random-batch.js';
import { NETWORKS, normalizedSetup } from './small-networks.js';
import { BATCH, engineOf, teams } from './wasm-teams.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** Random features of the shape that an engine takes. */
function batchOf(engine: WasmEngine, images: number, seed: number): FeatureBatch & { input: FeatureInput } {
  const stream = randomStream(seed, 'features');
  const shape = engine.featureShape;
  const length = images * shape[0] * shape[1] * shape[2];
  const values = Float32Array.from({ length }, () => 2 * stream.uniform() - 1);
  const labels = Int32Array.from({ length: images }, () => stream.integer(3));
  return { values, labels, input: { kind: 'features', values, shape } };
}

const CASES = (['V1', 'V2', 'wide V2', 'sixfold V2', 'narrow V2'] as const)
  .flatMap((network) =>
    [16, 17].flatMap((size) =>
      (['all', 'every second'] as const).flatMap((normalized) =>
        NETWORKS[network].blocks.map((_, first) => [network, size, first, normalized] as const),
      ),
    ),
  )
  .filter(([network, , , normalized]) => !/wide|sixfold/u.test(network) || normalized === 'all');

describe('three steps are those of plain operations on the whole mini-batch', () => {
  test.each(CASES)(
    '%s at %i pixels, trained from block %i, batch norm in %s',
    async (network, size, first, normalized) => {
      const setup = normalizedSetup(network, first, size, normalized);
      const engine = await engineOf(setup, { threads: 2 });
      const reference = new BatchNormReference(setup, engine.featureShape);
      // Four parts, three, and four again, the last ones smaller.
      for (const [step, images] of [8, 5, 7].entries()) {
        const batch = batchOf(engine, images, step);
        const rates = { learningRate: 0.01, momentum: step === 0 ? 0 : 0.9 };
        const { loss } = await engine.step(batch.input, batch.labels, rates);
        const expected = reference.step(batch, rates);
        const state = await engine.snapshot();
        expect(Math.abs(loss / expected.loss - 1)).toBeLessThan(ROUNDING);
        expectClose(state.velocities, expected.state.velocities);
        expectClose(state.weights, expected.state.weights);
        expectClose(state.statistics!, expected.state.statistics);
      }
      const { values, input } = batchOf(engine, 11, 9);
      expect(relativeError(await engine.logits(input), reference.logits(values))).toBeLessThan(ROUNDING);
    },
  );
});

// So large that several blocks of rows make an image, and several bands a depthwise convolution of it; the sides odd and even.
test.each([
  ['V2', 112],
  ['V2', 113],
  ['narrow V2 of 8 channels', 144],
  ['narrow V2 of 8 channels', 146],
] as const)('a step of %s at %i pixels is that of plain operations', async (network, size) => {
  const setup = normalizedSetup(network, 0, size);
  const engine = await engineOf(setup, { sliceSize: 1, batchSize: 2 });
  const reference = new BatchNormReference(setup, engine.featureShape);
  const batch = batchOf(engine, 2, 0);
  const { loss } = await engine.step(batch.input, batch.labels, RATES);
  const expected = reference.step(batch, RATES);
  const { velocities, statistics } = await engine.snapshot();
  expect(Math.abs(loss / expected.loss - 1)).toBeLessThan(ROUNDING);
  expectClose(velocities, expected.state.velocities);
  expectClose(statistics!, expected.state.statistics);
});

test('a large mean of what is computed anew takes no digits from its variance', async () => {
  const setup = normalizedSetup('V2', 2);
  const engine = await engineOf(setup);
  const reference = new BatchNormReference(setup, engine.featureShape);
  const { values, labels } = batchOf(engine, 8, 0);
  const batch = { values: values.map((value) => value + 30), labels };
  const input = { kind: 'features', values: batch.values, shape: engine.featureShape } as const;
  await engine.step(input, labels, RATES);
  const expected = reference.step(batch, RATES);
  const { velocities, statistics } = await engine.snapshot();
  expectClose(velocities, expected.state.velocities);
  expectClose(statistics!, expected.state.statistics);
});

test("three steps are those of PyTorch's BatchNorm2d in training mode", async () => {
  await expectTorchSteps(await engineOf(torchSetup(), { threads: 2 }));
});

describe('with batch norm in training mode', () => {
  test.each([
    ['V1', 0, 'all'],
    ['V1', 2, 'every second'],
    ['V2', 0, 'all'],
    ['V2', 3, 'all'],
    ['V2', 4, 'every second'],
    ['wide V2', 0, 'all'],
    ['sixfold V2', 0, 'all'],
    ['narrow V2', 0, 'all'],
  ] as const)(
    '%s trained from block %i, in %s: the bits are the same whichever threads compute',
    async (network, first, normalized) => {
      const [alone, ...others] = await teams(normalizedSetup(network, first, 16, normalized));
      const expected = await trainOn(alone!);
      const { input } = randomBatch(70, 9);
      const logits = bits(await alone!.logits(input));
      for (const other of others) {
        expect(await trainOn(other)).toEqual(expected);
        expect(bits(await other.logits(input))).toBe(logits);
      }
    },
  );

  test('a batch of more slices than gradients are held for has the same bits whichever threads compute', async () => {
    const [alone, ...others] = await teams(normalizedSetup('V2', 0), { sliceSize: 1, batchSize: 70 });
    const expected = await trainOn(alone!, [31, 32, 33, 64, 65, 70]);
    for (const other of others) expect(await trainOn(other, [31, 32, 33, 64, 65, 70])).toEqual(expected);
  });

  test('slices have the statistics of the whole batch: other slices give the same step to rounding', async () => {
    const setup = normalizedSetup('V2', 0);
    const { input, labels } = randomBatch(70);
    const states = [];
    for (const sliceSize of [70, 3, 1]) {
      const engine = await engineOf(setup, { sliceSize, batchSize: 70 });
      await engine.step(input, labels, RATES);
      states.push(await engine.snapshot());
    }
    const [whole, ...others] = states;
    for (const { velocities, statistics } of others) {
      expectClose(velocities, whole!.velocities);
      expectClose(statistics!, whole!.statistics!);
    }
  });

  test.each([1, 3, 4])('stored features of %i frozen blocks take the same steps as images', async (first) => {
    const [fromImages, fromFeatures] = await teams(normalizedSetup('V2', first));
    for (let step = 0; step < 3; step++) {
      const { input, labels } = randomBatch(BATCH, step);
      const values = await fromFeatures!.features(input);
      const stored = { kind: 'features', values, shape: fromFeatures!.featureShape } as const;
      const expected = await fromImages!.step(input, labels, RATES);
      expect(await fromFeatures!.step(stored, labels, RATES)).toEqual(expected);
    }
    expect(fingerprint(await fromFeatures!.snapshot())).toBe(fingerprint(await fromImages!.snapshot()));
  });

  test('what is evaluated between two steps does not change the next, and sees the steps before', async () => {
    const [busy, quiet] = await teams(normalizedSetup('V2', 2));
    const { input, labels } = randomBatch(BATCH);
    const seen = [];
    for (let step = 0; step < 3; step++) {
      const { input: others } = randomBatch(70, 9);
      seen.push(bits(await busy!.logits(others)), bits(await busy!.logits(input)));
      expect(await busy!.step(input, labels, RATES)).toEqual(await quiet!.step(input, labels, RATES));
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(fingerprint(await busy!.snapshot())).toBe(fingerprint(await quiet!.snapshot()));
  });

  test('memory is taken once', async () => {
    const engine = await engineOf(normalizedSetup('V2', 2), { threads: 2 });
    const work = async () => {
      const { input, labels } = randomBatch(BATCH);
      await engine.step(input, labels, RATES);
      await engine.logits(input);
      await engine.restore(await engine.snapshot());
    };
    await work();
    const within = engine['heap']['top'];
    for (let time = 0; time < 3; time++) await work();
    expect(engine['heap']['top']).toBe(within);
  });

  test('the running statistics start as they were given, and evaluations use them', async () => {
    const setup = normalizedSetup('V2', 3);
    const engine = await engineOf(setup);
    const { statistics } = await engine.snapshot();
    expect([...statistics!.keys()].slice(0, 3)).toEqual([
      'c/expand/mean',
      'c/expand/variance',
      'c/depthwise/mean',
    ]);
    expect(statistics!.size).toBe(8);
    for (const [name, values] of statistics!) expect(values).toEqual(setup.parameters.get(name)!.values);
    const { values, input } = batchOf(engine, 5, 1);
    const reference = new BatchNormReference(setup, engine.featureShape);
    expect(relativeError(await engine.logits(input), reference.logits(values))).toBeLessThan(ROUNDING);
  });

  test('a restored state goes on with the same bits, alone and in a team', async () => {
    const [first, alone, team] = await teams(normalizedSetup('V2', 2, 16, 'every second'));
    await trainOn(first!);
    const state = await first!.snapshot();
    const before = fingerprint(state);
    const logits = bits(await first!.logits(randomBatch(4).input));
    const rest = await trainOn(first!);
    expect(fingerprint(state)).toBe(before);
    for (const other of [alone!, team!, first!]) {
      await other.restore(state);
      expect(fingerprint(await other.snapshot())).toBe(before);
      expect(bits(await other.logits(randomBatch(4).input))).toBe(logits);
      expect(await trainOn(other)).toEqual(rest);
    }
  });

  test.each<[string, (statistics: Map<string, Float32Array>) => TrainedState['statistics']]>([
    ['no statistics', () => undefined],
    ['none of the last unit', (held) => (held.delete('last/conv/variance'), held)],
    ['statistics of other lengths', (held) => held.set('last/conv/variance', new Float32Array(13))],
  ])('a state with %s is refused and changes nothing', async (_, strange) => {
    const setup = normalizedSetup('V2', 3);
    const [engine, other] = [await engineOf(setup), await engineOf(setup)];
    await trainOn(other);
    const { weights, velocities, statistics } = await other.snapshot();
    const before = fingerprint(await engine.snapshot());
    const logits = bits(await engine.logits(randomBatch(4).input));
    const changed = strange(new Map(statistics));
    await expect(
      engine.restore({ weights, velocities, ...(changed && { statistics: changed }) }),
    ).rejects.toThrow(/saved state does not fit the network at (c\/expand\/mean|last\/conv\/variance)/);
    expect(fingerprint(await engine.snapshot())).toBe(before);
    expect(bits(await engine.logits(randomBatch(4).input))).toBe(logits);
  });

  test('a batch of one value a channel has no variance, and is refused before the step', async () => {
    // At 2 pixels the stem leaves one position.
    const engine = await engineOf(normalizedSetup('V2', 0, 2));
    const before = fingerprint(await engine.snapshot());
    const one = randomBatch(1);
    await expect(engine.step(one.input, one.labels, RATES)).rejects.toThrow(UsageError);
    await expect(engine.step(one.input, one.labels, RATES)).rejects.toThrow(
      /more than one value per channel, but a batch of 1 image at 2 pixels leaves 1 at stem\/conv\./,
    );
    expect(fingerprint(await engine.snapshot())).toBe(before);
    const two = randomBatch(2);
    const { loss } = await engine.step(two.input, two.labels, RATES);
    expect(loss).toBeGreaterThan(0);
  });
});
