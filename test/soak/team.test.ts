import { expect, test } from 'vitest';
import { WHOLE } from '../../src/data/images/image.js';
import type { NetworkInput } from '../../src/engine/engine.js';
import { fingerprint } from '../../src/engine/params.js';
import { randomBatch, randomImage } from '../unit/engine/random-batch.js';
import { smallSetup } from '../unit/engine/small-networks.js';
import { engineOf } from '../unit/engine/wasm-teams.js';

const STEPS = 4000;
/** Steps between two evaluations, whose images grow: memory is made larger while threads wait. */
const EVALUATE = 250;

// Jobs of a few microseconds: threads come early, late and between two of them, and lie down to sleep or not.
test(`${STEPS} steps of more threads than cores have the bits of one thread`, async () => {
  const setup = smallSetup('V2', 2);
  const states = [];
  for (const threads of [1, 2, 5]) {
    const engine = await engineOf(setup, { threads, sliceSize: 1, batchSize: 40 });
    const seen = [];
    for (let step = 0; step < STEPS; step++) {
      const { input, labels } = randomBatch(1 + ((step * 7) % 40), step % 10);
      await engine.step(input, labels, { learningRate: 1e-4, momentum: 0.9 });
      if (step % EVALUATE === 0) seen.push(...(await engine.logits(largeImages(step))));
    }
    states.push({ seen, state: fingerprint(await engine.snapshot()) });
  }
  expect(states[0]!.seen.every(Number.isFinite)).toBe(true);
  expect(states[1]).toEqual(states[0]);
  expect(states[2]).toEqual(states[0]);
}, 600_000);

function largeImages(step: number): NetworkInput {
  const side = 20 + step / 10;
  const images = [0, 1, 2].map((i) => randomImage(side, side, step + i));
  return { kind: 'images', images, boxes: images.map(() => WHOLE) };
}
