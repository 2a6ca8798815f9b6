import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { fingerprint } from '../../../src/engine/params.js';
import { LocalEngine } from '../../../src/engine/tfjs/local-engine.js';
import { bits, expectRefusedWhole, opened, RATES, trainOn } from './engine-runs.js';
import { randomBatch } from './random-batch.js';
import { smallSetup } from './small-networks.js';

tf.enableProdMode();

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const SLICE = 3;
const BATCH = 8;

test('an image has the same features whatever shares its slice', async () => {
  const setup = smallSetup('V2', 3);
  const { input } = randomBatch(7);
  const seen = [];
  for (const size of [7, 1, 2, 4]) {
    const engine = await opened(new LocalEngine(setup, size));
    seen.push(bits(await engine.features(input)));
  }
  expect(new Set(seen).size).toBe(1);
});

test('training from stored features takes the same steps as from images', async () => {
  const setup = smallSetup('V1', 2);
  const fromImages = await opened(new LocalEngine(setup, SLICE));
  const fromFeatures = await opened(new LocalEngine(setup, SLICE));
  for (let step = 0; step < 3; step++) {
    const { input, labels } = randomBatch(BATCH, step);
    const values = await fromFeatures.features(input);
    const stored = { kind: 'features', values, shape: fromFeatures.featureShape } as const;
    const expected = await fromImages.step(input, labels, RATES);
    expect(await fromFeatures.step(stored, labels, RATES)).toEqual(expected);
  }
  expect(fingerprint(await fromFeatures.snapshot())).toBe(fingerprint(await fromImages.snapshot()));
});

test('a restored state goes on with the same bits', async () => {
  const setup = smallSetup('V2', 3);
  const [first, other] = [
    await opened(new LocalEngine(setup, SLICE)),
    await opened(new LocalEngine(setup, SLICE)),
  ];
  await trainOn(first);
  const state = await first.snapshot();
  const before = fingerprint(state);
  const rest = await trainOn(first);
  // The snapshot is a copy: the steps after it left it alone.
  expect(fingerprint(state)).toBe(before);
  await other.restore(state);
  expect(fingerprint(await other.snapshot())).toBe(before);
  expect(await trainOn(other)).toEqual(rest);
});

test.each(['weights', 'velocities'] as const)(
  'a state whose last %s do not fit leaves all as it was',
  async (part) => {
    const setup = smallSetup('V2', 3);
    const [engine, trained] = [new LocalEngine(setup, SLICE), new LocalEngine(setup, SLICE)];
    await expectRefusedWhole(await opened(engine), await opened(trained), part);
  },
);

test('a state of another network is refused', async () => {
  const engine = await opened(new LocalEngine(smallSetup('V2', 3), SLICE));
  const other = await (await opened(new LocalEngine(smallSetup('V2', 4), SLICE))).snapshot();
  await expect(engine.restore(other)).rejects.toThrow(/does not fit the network at c\/expand\/kernel/);
});

describe('tensors', () => {
  test('are all given back', async () => {
    const before = tf.memory().numTensors;
    for (const first of [0, 3, 5]) {
      const engine = new LocalEngine(smallSetup('V2', first), SLICE);
      const held = tf.memory().numTensors;
      const { input, labels } = randomBatch(BATCH);
      for (let step = 0; step < 2; step++) await engine.step(input, labels, RATES);
      await engine.features(input);
      await engine.logits(input);
      await engine.restore(await engine.snapshot());
      expect(tf.memory().numTensors).toBe(held);
      await engine.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  test('are given back where a step throws half way', async () => {
    const before = tf.memory().numTensors;
    const engine = new LocalEngine(smallSetup('V2', 3), SLICE);
    const held = tf.memory().numTensors;
    const { input, labels } = randomBatch(BATCH);
    if (input.kind !== 'images') throw new Error('not images');
    // The last slice has fewer boxes than images.
    const broken = { ...input, boxes: input.boxes.slice(0, BATCH - 1) };
    await expect(engine.step(broken, labels, RATES)).rejects.toThrow();
    expect(tf.memory().numTensors).toBe(held);
    // The engine is as good as before.
    const state = fingerprint(await engine.snapshot());
    await engine.step(input, labels, RATES);
    expect(fingerprint(await engine.snapshot())).not.toBe(state);
    expect(tf.memory().numTensors).toBe(held);
    await engine.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
