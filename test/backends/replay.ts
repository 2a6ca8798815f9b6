import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { recorderOf } from '../../src/engine/backends/replay.js';
import { fingerprint, type NetworkSetup } from '../../src/engine/params.js';
import { LocalEngine } from '../../src/engine/tfjs/local-engine.js';
import { randomBatch } from '../unit/engine/random-batch.js';
import { normalizedSetup, smallSetup } from '../unit/engine/small-networks.js';
import { BACKEND, startBoth } from './backend-under-test.js';

beforeAll(startBoth);

/** Full batches, a last one of an epoch, and one of a third shape, for which no recording is kept. */
const SIZES = [8, 8, 8, 5, 8, 5, 5, 3, 3, 3, 8];

describe.runIf(BACKEND === 'webgpu')('a replayed step', () => {
  test.each<[string, NetworkSetup]>([
    ['in slices', smallSetup('V2', 0)],
    ['from features', smallSetup('V1', 2)],
    ['of the head alone', smallSetup('V2', 5)],
    ['with batch norm in training mode', normalizedSetup('V2', 0)],
    ['with class weights', { ...smallSetup('V2', 3), classWeights: [0.5, 1, 3] }],
  ])('%s has the bits of one that is computed as it comes', async (_, setup) => {
    const before = tf.memory().numTensors;
    const [replaying, plain] = [new LocalEngine(setup, 4), new LocalEngine(setup, 4)];
    plain['replays'].run = (inputs, work) => [...work(inputs)];
    const within = tf.memory().numTensors;
    for (const [step, size] of SIZES.entries()) {
      const { input, labels } = randomBatch(size, step);
      const rates = { learningRate: 0.02 / (step + 1), momentum: 0.95 - 0.05 * step };
      const expected = await plain.step(input, labels, rates);
      expect(await replaying.step(input, labels, rates), `step ${step}`).toEqual(expected);
      // What was read of a weight before a step is not taken for its value after it.
      expect(fingerprint(await replaying.snapshot())).toBe(fingerprint(await plain.snapshot()));
      expect(tf.memory().numTensors).toBe(within);
    }
    expect(replaying['replays']['recordings'].size).toBe(2);
    const { input } = randomBatch(6, 99);
    expect(await replaying.logits(input)).toEqual(await plain.logits(input));
    await Promise.all([replaying.dispose(), plain.dispose()]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('goes on from a restored state', async () => {
    const [first, second] = [
      new LocalEngine(smallSetup('V2', 0), 4),
      new LocalEngine(smallSetup('V2', 0), 4),
    ];
    const { input, labels } = randomBatch(4);
    const rates = { learningRate: 0.01, momentum: 0.9 };
    const steps = async (engine: LocalEngine, count: number) => {
      for (let i = 0; i < count; i++) await engine.step(input, labels, rates);
      return fingerprint(await engine.snapshot());
    };
    await steps(first, 4);
    const state = await first.snapshot();
    const expected = await steps(first, 4);
    await steps(second, 4);
    await second.restore(state);
    expect(await steps(second, 4)).toBe(expected);
    await Promise.all([first.dispose(), second.dispose()]);
  });

  test('gives each of several steps a loss of its own', async () => {
    const [late, promptly] = [
      new LocalEngine(smallSetup('V2', 0), 4),
      new LocalEngine(smallSetup('V2', 0), 4),
    ];
    const rates = { learningRate: 0.01, momentum: 0.9 };
    const begun = [];
    const expected = [];
    for (let step = 0; step < 6; step++) {
      const { input, labels } = randomBatch(4, step);
      begun.push(await late.late!.begin(input, labels, rates));
      expected.push((await promptly.step(input, labels, rates)).loss);
    }
    const losses = [];
    for (const { loss } of begun) losses.push(await loss());
    expect(losses).toEqual(expected);
    expect(new Set(losses).size).toBe(6);
    await Promise.all([late.dispose(), promptly.dispose()]);
  });

  test('leaves the device as it was where recording fails', async () => {
    const recorder = recorderOf(tf.backend())!;
    const x = tf.ones([4]);
    const failing = () => {
      throw new Error('half way');
    };
    expect(() => recorder.record([x], failing)).toThrow('half way');
    const { results, recording } = recorder.record([x], ([same]) => [tf.add(same!, 1)]);
    const again = recording.replay([tf.fill([4], 2)]);
    expect([...(await results[0]!.data())]).toEqual([2, 2, 2, 2]);
    expect([...(await again[0]!.data())]).toEqual([3, 3, 3, 3]);
    expect(() => recording.replay([tf.ones([5])])).toThrow(/made for \[4\]/);
    recording.dispose();
  });
});

/** Where a backend records nothing. */
test.runIf(BACKEND !== 'webgpu')('no recordings', () => {
  expect(recorderOf(tf.backend())).toBeUndefined();
});
