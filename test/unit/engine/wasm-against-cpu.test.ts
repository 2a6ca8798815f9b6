import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import { LocalEngine } from '../../../src/engine/tfjs/local-engine.js';
import { relativeError } from './guarded-heap.js';
import { opened } from './engine-runs.js';
import { randomBatch } from './random-batch.js';
import { NETWORKS, smallSetup } from './small-networks.js';
import { engineOf, SLICE } from './wasm-teams.js';

// Three steps, each on from the other's rounding.
const ROUNDING = 1e-4;

tf.enableProdMode();

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const CASES = (['V1', 'V2', 'narrow V2'] as const).flatMap((network) =>
  [16, 17].flatMap((size) =>
    Array.from(
      { length: NETWORKS[network].blocks.length + 1 },
      (_, first) => [network, size, first] as const,
    ),
  ),
);

describe('the engine of the processor and the one of plain JavaScript agree to rounding', () => {
  test.each(CASES)('%s at %i pixels, trained from block %i', async (network, size, first) => {
    const setup = smallSetup(network, first, size);
    const own = await results(await engineOf(setup, { threads: 2 }));
    const expected = await results(await opened(new LocalEngine(setup, SLICE)));
    expect(own.featureShape).toEqual(expected.featureShape);
    expect(relativeError(own.losses, expected.losses)).toBeLessThan(ROUNDING);
    expect(relativeError(own.features, expected.features)).toBeLessThan(ROUNDING);
    expect(relativeError(own.logits, expected.logits)).toBeLessThan(ROUNDING);
    expect([...own.state.weights.keys()]).toEqual([...expected.state.weights.keys()]);
    for (const part of ['weights', 'velocities'] as const) {
      for (const [name, values] of expected.state[part]) {
        expect(relativeError(own.state[part].get(name)!, values), `${part} ${name}`).toBeLessThan(ROUNDING);
      }
    }
  });
});

/** Of three steps, and what the network then says of other images. */
async function results(engine: Engine) {
  const losses = [];
  for (let step = 0; step < 3; step++) {
    const { input, labels } = randomBatch(8, step);
    losses.push((await engine.step(input, labels, { learningRate: 0.002, momentum: 0.9 })).loss);
  }
  const { input } = randomBatch(5, 9);
  return {
    losses: Float32Array.from(losses),
    features: await engine.features(input),
    featureShape: engine.featureShape,
    logits: await engine.logits(input),
    state: await engine.snapshot(),
  };
}
