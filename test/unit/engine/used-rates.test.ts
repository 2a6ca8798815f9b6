import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import { fingerprint } from '../../../src/engine/params.js';
import { LocalEngine } from '../../../src/engine/tfjs/local-engine.js';
import type { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { type JobOrder, Op } from '../../../src/engine/wasm/job-board.js';
import { opened, RATES } from './engine-runs.js';
import { randomBatch } from './random-batch.js';
import { smallSetup } from './small-networks.js';
import { BATCH, engineOf, SLICE } from './wasm-teams.js';

// What is recorded as rate and momentum of a step is what its update used, not what the step was asked for.

tf.enableProdMode();
beforeAll(async () => {
  await tf.setBackend('cpu');
});

const { input, labels } = randomBatch(BATCH);
const OTHER = { learningRate: 0.003, momentum: 0.25 };
const setup = smallSetup('V2', 3);

/** Does something else in place of the job that updates the weights. */
function atUpdate(engine: WasmEngine, instead: (run: () => Promise<void>) => Promise<void>): void {
  const team = engine['team'];
  const run = team.run.bind(team);
  team.run = (job: JobOrder) => (job.op === Op.update ? instead(async () => run(job)) : run(job));
}

describe.each([
  ['one thread', { threads: 1 }],
  ['two threads', { threads: 2 }],
  ['one of two threads', { threads: 2, firstRests: true }],
])('a wasm step on %s', (_, team) => {
  test('tells the rates that were on the board when the weights were updated, whatever stood there else', async () => {
    const [engine, expected] = [await engineOf(setup, team), await engineOf(setup)];
    atUpdate(engine, async (run) => {
      engine['board'].rates = OTHER;
      await run();
      engine['board'].rates = RATES;
    });
    for (let step = 0; step < 2; step++) {
      expect((await engine.step(input, labels, RATES)).rates).toEqual(OTHER);
      await expected.step(input, labels, OTHER);
    }
    expect(fingerprint(await engine.snapshot())).toBe(fingerprint(await expected.snapshot()));
  });

  test('fails where no weights were updated, or not all', async () => {
    for (const items of [0, 4]) {
      const engine = await engineOf(setup, team);
      const run = engine['team'].run.bind(engine['team']);
      engine['team'].run = (job) => run(job.op === Op.update ? { ...job, items } : job);
      await expect(engine.step(input, labels, RATES)).rejects.toThrow(
        /one rate and one momentum for all weights/,
      );
    }
  });
});

test.each<[string, () => Promise<Engine>]>([
  ['wasm', () => engineOf(setup, { threads: 2 })],
  ['tfjs', () => opened(new LocalEngine(setup, SLICE))],
])('the rates that %s tells explain what became of the weights', async (_, open) => {
  const engine = await open();
  for (let step = 0; step < 3; step++) await engine.step(input, labels, RATES);
  const before = await engine.snapshot();
  const { rates } = await engine.step(input, labels, OTHER);
  const after = await engine.snapshot();
  // The same step from velocities of 0: they become g alone, and before they became m v + g.
  const still = new Map([...before.velocities].map(([name, { length }]) => [name, new Float32Array(length)]));
  await engine.restore({ ...before, velocities: still });
  await engine.step(input, labels, OTHER);
  const gradients = (await engine.snapshot()).velocities;
  for (const [name, weights] of after.weights) {
    const multiplier = name.startsWith('head/') ? setup.headLrMultiplier : 1;
    const velocities = after.velocities.get(name)!;
    const moved = weights.map((weight, i) => before.weights.get(name)![i]! - weight);
    const kept = velocities.map((velocity, i) => velocity - gradients.get(name)![i]!);
    expect(slope(velocities, moved) / (rates.learningRate * multiplier), name).toBeCloseTo(1, 3);
    expect(slope(before.velocities.get(name)!, kept) / rates.momentum, name).toBeCloseTo(1, 3);
  }
});

/** The factor k of y = k x, by least squares. */
function slope(x: Float32Array, y: Float32Array): number {
  const products = x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return products / x.reduce((sum, value) => sum + value ** 2, 0);
}
