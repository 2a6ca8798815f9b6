import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startWasm } from '../../../src/backend/wasm/start.js';
import type { Engine } from '../../../src/training/engine.js';
import { fingerprint } from '../../../src/training/fingerprint.js';
import { LocalEngine } from '../../../src/training/local-engine.js';
import { openEngine } from '../../../src/training/open-engine.js';
import { ParallelEngine } from '../../../src/training/parallel-engine.js';
import type { ReplicaSetup } from '../../../src/training/replica.js';
import { randomBatch } from './random-batch.js';
import { smallSetup } from './small-networks.js';

tf.enableProdMode();

const SLICE = 3;
const BATCH = 8;
/** Full batches, and last ones of an epoch: of one slice, of two, of a single image. */
const SIZES = [8, 8, 5, 3, 1, 7];

beforeAll(async () => {
  await startWasm();
});

function opened<E extends Engine>(engine: E): E {
  onTestFinished(() => engine.dispose());
  return engine;
}

const teams = (setup: ReplicaSetup): Engine[] => [
  opened(new LocalEngine(setup, SLICE)),
  ...[1, 2, 3].map((workers) => opened(new ParallelEngine(setup, SLICE, BATCH, workers))),
];

/** Losses and the state's bits after each step. */
async function trainOn(engine: Engine): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (const [step, size] of SIZES.entries()) {
    const { input, labels } = randomBatch(size, step);
    const rates = { learningRate: 0.001 * (step + 1), momentum: 0.9 - 0.01 * step };
    const { loss, rates: held } = await engine.step(input, labels, rates);
    expect(held).toEqual(rates);
    seen.push({ loss, state: fingerprint(await engine.snapshot()) });
  }
  return seen;
}

const bits = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

describe.each([
  ['V1', 0],
  ['V1', 2],
  ['V2', 3],
  ['V2', 5],
] as const)('%s trained from block %i', (version, firstTrained) => {
  test('one thread, and teams of 1, 2 and 3, have the same bits after every step', async () => {
    const [alone = [], ...others] = await Promise.all(teams(smallSetup(version, firstTrained)).map(trainOn));
    expect(alone).toHaveLength(SIZES.length);
    expect(new Set(alone.map((step) => JSON.stringify(step))).size).toBe(SIZES.length);
    for (const other of others) expect(other).toEqual(alone);
  });
});

test('features and logits have the same bits however many compute them', async () => {
  const [alone, ...others] = teams(smallSetup('V2', 3));
  const { input } = randomBatch(11);
  const features = await alone!.features(input);
  const logits = await alone!.logits(input);
  expect(features.length).toBe(11 * 4 * 4 * 10);
  expect(logits.length).toBe(11 * 3);
  for (const other of others) {
    expect(bits(await other.features(input)).equals(bits(features))).toBe(true);
    expect(bits(await other.logits(input)).equals(bits(logits))).toBe(true);
  }
  // Logits from stored features are those from images.
  const stored = { kind: 'features', values: features, shape: alone!.featureShape } as const;
  for (const engine of [alone!, ...others])
    expect(bits(await engine.logits(stored)).equals(bits(logits))).toBe(true);
});

test('an image has the same features whatever shares its slice', async () => {
  const setup = smallSetup('V2', 3);
  const { input } = randomBatch(7);
  const [whole, ...parts] = await Promise.all(
    [7, 1, 2, 4].map((size) => opened(new LocalEngine(setup, size)).features(input)),
  );
  for (const part of parts) expect(bits(part).equals(bits(whole!))).toBe(true);
});

test('training from stored features takes the same steps as from images', async () => {
  const setup = smallSetup('V1', 2);
  const [fromImages, fromFeatures] = [setup, setup].map((s) => opened(new LocalEngine(s, SLICE)));
  for (let step = 0; step < 3; step++) {
    const { input, labels } = randomBatch(BATCH, step);
    const rates = { learningRate: 0.01, momentum: 0.9 };
    const values = await fromFeatures!.features(input);
    const stored = { kind: 'features', values, shape: fromFeatures!.featureShape } as const;
    const outcomes = [
      await fromImages!.step(input, labels, rates),
      await fromFeatures!.step(stored, labels, rates),
    ];
    expect(outcomes[1]).toEqual(outcomes[0]);
  }
  expect(fingerprint(await fromFeatures!.snapshot())).toBe(fingerprint(await fromImages!.snapshot()));
});

test('slices are summed: other slices give the same step to rounding', async () => {
  const setup = smallSetup('V2', 0);
  const { input, labels } = randomBatch(BATCH);
  const states = [];
  for (const size of [BATCH, SLICE, 1]) {
    const engine = opened(new LocalEngine(setup, size));
    const { loss } = await engine.step(input, labels, { learningRate: 0.01, momentum: 0.9 });
    states.push({ loss, ...(await engine.snapshot()) });
  }
  const [whole, ...others] = states;
  for (const { loss, velocities } of others) {
    expect(loss).toBeCloseTo(whole!.loss, 5);
    for (const [name, expected] of whole!.velocities) {
      const largest = Math.max(...expected.map(Math.abs));
      velocities.get(name)!.forEach((value, i) => {
        expect(Math.abs(value - expected[i]!), name).toBeLessThan(1e-4 * largest + 1e-6);
      });
    }
  }
});

test('a restored state goes on with the same bits, alone and in a team', async () => {
  const setup = smallSetup('V2', 3);
  const [first, alone, team] = [
    opened(new LocalEngine(setup, SLICE)),
    opened(new LocalEngine(setup, SLICE)),
    opened(new ParallelEngine(setup, SLICE, BATCH, 2)),
  ];
  await trainOn(first);
  const state = await first.snapshot();
  const before = fingerprint(state);
  const rest = await trainOn(first);
  // The snapshot is a copy: the steps after it left it alone.
  expect(fingerprint(state)).toBe(before);
  for (const other of [alone, team]) {
    await other.restore(state);
    expect(fingerprint(await other.snapshot())).toBe(before);
    expect(await trainOn(other)).toEqual(rest);
  }
});

test('a state of another network is refused', async () => {
  const engine = opened(new LocalEngine(smallSetup('V2', 3), SLICE));
  const other = await opened(new LocalEngine(smallSetup('V2', 4), SLICE)).snapshot();
  await expect(engine.restore(other)).rejects.toThrow(/does not fit the network at c\/expand\/kernel/);
});

describe('which engine is opened', () => {
  test.each([
    // Slices are of 8 images here: more threads than slices would have nothing to do.
    [32, 1, 1],
    [32, 2, 2],
    [32, 16, 4],
    [8, 4, 1],
    [9, 4, 2],
    [1, 4, 1],
  ])('batch %i, %i workers asked: %i', (batchSize, asked, workers) => {
    const engine = opened(openEngine(smallSetup('V2', 5), batchSize, asked));
    expect(engine.workers).toBe(workers);
    expect(engine instanceof LocalEngine).toBe(workers === 1);
  });

  test('slices do not depend on the workers', () => {
    const sizes = [1, 2, 3].map((workers) => opened(openEngine(smallSetup('V2', 0), 30, workers)).sliceSize);
    expect(sizes).toEqual([8, 8, 8]);
  });
});

describe('tensors', () => {
  const rates = { learningRate: 0.01, momentum: 0.9 };

  test.each(['cpu', 'wasm'])('are all given back on %s', async (backend) => {
    await tf.setBackend(backend);
    onTestFinished(async () => void (await tf.setBackend('wasm')));
    const before = tf.memory().numTensors;
    for (const first of [0, 3, 5]) {
      const engine = new LocalEngine(smallSetup('V2', first), SLICE);
      const held = tf.memory().numTensors;
      const { input, labels } = randomBatch(BATCH);
      for (let step = 0; step < 2; step++) await engine.step(input, labels, rates);
      await engine.features(input);
      await engine.logits(input);
      await engine.restore(await engine.snapshot());
      expect(tf.memory().numTensors).toBe(held);
      await engine.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  test.each([
    ['alone', (setup: ReplicaSetup) => new LocalEngine(setup, SLICE)],
    ['in a team', (setup: ReplicaSetup) => new ParallelEngine(setup, SLICE, BATCH, 2)],
  ])('are given back where a step throws half way, %s', async (_, open) => {
    const before = tf.memory().numTensors;
    const engine = opened(open(smallSetup('V2', 3)));
    const held = tf.memory().numTensors;
    const { input, labels } = randomBatch(BATCH);
    if (input.kind !== 'images') throw new Error('not images');
    // The last slice has fewer boxes than images.
    const broken = { ...input, boxes: input.boxes.slice(0, BATCH - 1) };
    await expect(engine.step(broken, labels, rates)).rejects.toThrow();
    expect(tf.memory().numTensors).toBe(held);
    // The engine is as good as before.
    const state = fingerprint(await engine.snapshot());
    await engine.step(input, labels, rates);
    expect(fingerprint(await engine.snapshot())).not.toBe(state);
    expect(tf.memory().numTensors).toBe(held);
    await engine.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a thread that dies', () => {
  const rates = { learningRate: 0.01, momentum: 0.9 };

  test('while it works and before it is asked: an error each time, never a silent wait', async () => {
    const engine = opened(new ParallelEngine(smallSetup('V2', 3), SLICE, BATCH, 2));
    const { input, labels } = randomBatch(BATCH);
    await engine.step(input, labels, rates);
    const waiting = engine.step(input, labels, rates);
    void engine['remotes'][0]!['thread'].terminate();
    await expect(waiting).rejects.toThrow(/worker thread died.*fewer --workers/);
    await expect(engine.step(input, labels, rates)).rejects.toThrow(/worker thread died/);
    await expect(engine.logits(input)).rejects.toThrow(/worker thread died/);
  });
});
