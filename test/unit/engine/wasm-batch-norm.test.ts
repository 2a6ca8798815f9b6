import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import type { FeatureInput } from '../../../src/engine/engine.js';
import { fingerprint, type TrainedState } from '../../../src/engine/params.js';
import type { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { randomStream } from '../../../src/random.js';
import { BatchNormReference, type FeatureBatch } from './batch-norm-reference.js';
import { bits, RATES, trainOn } from './engine-runs.js';
import { relativeError } from './guarded-heap.js';
import { randomBatch } from './random-batch.js';
import { NETWORKS, normalizedSetup } from './small-networks.js';
import { BATCH, engineOf, teams } from './wasm-teams.js';

const ROUNDING = 1e-4;

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

/**
 * Errors in proportion to the largest value of the unit: the next batch norm takes away nearly all that a shift before a pointwise
 * convolution does, so that the shift's own gradient consists of what two large numbers differ by.
 */
function expectClose(found: ReadonlyMap<string, Float32Array>, expected: ReadonlyMap<string, Float32Array>): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  const unitOf = (name: string) => name.slice(0, name.lastIndexOf('/') + 1);
  for (const [name, values] of expected) {
    const unit = [...expected].filter(([other]) => unitOf(other) === unitOf(name));
    const scale = Math.max(...unit.flatMap(([, numbers]) => [...numbers].map(Math.abs)));
    const worst = Math.max(...values.map((value, i) => Math.abs(value - found.get(name)![i]!)));
    expect(worst / scale, name).toBeLessThan(ROUNDING);
  }
}

const CASES = (['V1', 'V2', 'narrow V2'] as const).flatMap((network) =>
  [16, 17].flatMap((size) =>
    (['all', 'every second'] as const).flatMap((normalized) =>
      NETWORKS[network].blocks.map((_, first) => [network, size, first, normalized] as const),
    ),
  ),
);

describe('three steps are those of plain operations on the whole mini-batch', () => {
  test.each(CASES)('%s at %i pixels, trained from block %i, batch norm in %s', async (network, size, first, normalized) => {
    const setup = normalizedSetup(network, first, size, normalized);
    const engine = await engineOf(setup, { threads: 2 });
    const reference = new BatchNormReference(setup, engine.featureShape);
    // Three slices, two, and three again, the last one smaller.
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
  });
});
