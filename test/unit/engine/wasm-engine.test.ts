import { describe, expect, test } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import { fingerprint } from '../../../src/engine/params.js';
import { bits, expectRefusedWhole, RATES, trainOn } from './engine-runs.js';
import { randomBatch } from './random-batch.js';
import { smallSetup } from './small-networks.js';
import { BATCH, engineOf, SLICE, teams } from './wasm-teams.js';

test.each([
  ['V1', 0],
  ['V1', 2],
  ['V2', 0],
  ['V2', 3],
  ['V2', 5],
  ['narrow V2', 0],
] as const)(
  '%s trained from block %i: the bits are the same whichever threads compute',
  async (version, first) => {
    const [alone, ...others] = await teams(smallSetup(version, first));
    const expected = await trainOn(alone!);
    for (const other of others) expect(await trainOn(other)).toEqual(expected);
  },
);

describe('a batch of more slices than gradients are held for', () => {
  test('is summed in rounds, with the same bits whichever threads compute', async () => {
    const [alone, ...others] = await teams(smallSetup('V2', 0), { sliceSize: 1, batchSize: 70 });
    // 32 rows at first, then 31 to a round: one round, exactly one, one slice more, two, two and three.
    const expected = await trainOn(alone!, [31, 32, 33, 40, 63, 70]);
    for (const other of others) expect(await trainOn(other, [31, 32, 33, 40, 63, 70])).toEqual(expected);
  });

  test('is the same step to rounding as in fewer slices', async () => {
    const setup = smallSetup('V2', 0);
    const { input, labels } = randomBatch(70);
    const states = [];
    for (const sliceSize of [1, 10]) {
      const engine = await engineOf(setup, { sliceSize, batchSize: 70 });
      const { loss } = await engine.step(input, labels, RATES);
      states.push({ loss, velocities: (await engine.snapshot()).velocities });
    }
    const [small, large] = states;
    expect(small!.loss).toBeCloseTo(large!.loss, 5);
    expectClose(small!.velocities, large!.velocities);
  });
});

test('features and logits have the same bits however many compute them, also more images than fit a batch', async () => {
  const [alone, ...others] = await teams(smallSetup('V2', 3));
  for (const images of [1, 11, 150]) {
    const { input } = randomBatch(images);
    const features = await alone!.features(input);
    const logits = await alone!.logits(input);
    expect(features.length).toBe(images * 4 * 4 * 10);
    expect(logits.length).toBe(images * 3);
    for (const other of others) {
      expect(bits(await other.features(input))).toBe(bits(features));
      expect(bits(await other.logits(input))).toBe(bits(logits));
    }
    // Logits from stored features are those from images.
    const stored = { kind: 'features', values: features, shape: alone!.featureShape } as const;
    for (const engine of [alone!, ...others]) expect(bits(await engine.logits(stored))).toBe(bits(logits));
  }
});

test('an image has the same features and logits whatever shares its slice', async () => {
  const setup = smallSetup('V2', 3);
  const { input } = randomBatch(7);
  const seen = [];
  for (const sliceSize of [7, 1, 2, 4]) {
    const engine = await engineOf(setup, { sliceSize });
    seen.push([bits(await engine.features(input)), bits(await engine.logits(input))]);
  }
  expect(new Set(seen.map((values) => values.join())).size).toBe(1);
});

test.each([
  ['V1', 2],
  ['V2', 3],
  ['V2', 5],
] as const)('%s from block %i: stored features take the same steps as images', async (version, first) => {
  const [fromImages, fromFeatures] = await teams(smallSetup(version, first));
  for (let step = 0; step < 3; step++) {
    const { input, labels } = randomBatch(BATCH, step);
    const values = await fromFeatures!.features(input);
    const stored = { kind: 'features', values, shape: fromFeatures!.featureShape } as const;
    const expected = await fromImages!.step(input, labels, RATES);
    expect(await fromFeatures!.step(stored, labels, RATES)).toEqual(expected);
  }
  expect(fingerprint(await fromFeatures!.snapshot())).toBe(fingerprint(await fromImages!.snapshot()));
});

test('slices are summed: other slices give the same step to rounding', async () => {
  const setup = smallSetup('V2', 0);
  const { input, labels } = randomBatch(BATCH);
  const states = [];
  for (const sliceSize of [BATCH, SLICE, 1]) {
    const engine = await engineOf(setup, { sliceSize });
    const { loss } = await engine.step(input, labels, RATES);
    states.push({ loss, velocities: (await engine.snapshot()).velocities });
  }
  const [whole, ...others] = states;
  for (const { loss, velocities } of others) {
    expect(loss).toBeCloseTo(whole!.loss, 5);
    expectClose(velocities, whole!.velocities);
  }
});

test('what is computed between two steps does not change the next', async () => {
  const [busy, quiet] = await teams(smallSetup('V2', 3));
  const expected = await trainOn(quiet!);
  const { input } = randomBatch(70, 9);
  const disturbed: Engine = Object.assign(Object.create(busy!) as Engine, {
    step: async (...step: Parameters<Engine['step']>) => {
      await busy!.features(input);
      await busy!.logits(input);
      return busy!.step(...step);
    },
  });
  expect(await trainOn(disturbed)).toEqual(expected);
});

test('memory is taken once: it does not grow from batch to batch', async () => {
  const engine = await engineOf(smallSetup('V2', 3), { threads: 2 });
  const bytes = () => engine['heap']['top'];
  const { input, labels } = randomBatch(BATCH);
  const opened = bytes();
  const values = await engine.features(input);
  const stored = { kind: 'features', values, shape: engine.featureShape } as const;
  const work = async () => {
    await engine.features(input);
    for (const given of [input, stored]) {
      await engine.step(given, labels, RATES);
      await engine.logits(given);
    }
    await engine.restore(await engine.snapshot());
  };
  await work();
  const within = bytes();
  expect(within).toBeGreaterThan(opened);
  for (let time = 0; time < 5; time++) await work();
  expect(bytes()).toBe(within);
});

test('a restored state goes on with the same bits, alone and in a team', async () => {
  const setup = smallSetup('V2', 3);
  const [first, alone, team] = await teams(setup);
  await trainOn(first!);
  const state = await first!.snapshot();
  const before = fingerprint(state);
  const logits = await first!.logits(randomBatch(4).input);
  const rest = await trainOn(first!);
  // The snapshot is a copy: the steps after it left it alone.
  expect(fingerprint(state)).toBe(before);
  for (const other of [alone!, team!, first!]) {
    await other.restore(state);
    expect(fingerprint(await other.snapshot())).toBe(before);
    expect(bits(await other.logits(randomBatch(4).input))).toBe(bits(logits));
    expect(await trainOn(other)).toEqual(rest);
  }
});

test('a state of another network is refused', async () => {
  const engine = await engineOf(smallSetup('V2', 3));
  const other = await (await engineOf(smallSetup('V2', 4))).snapshot();
  await expect(engine.restore(other)).rejects.toThrow(/does not fit the network at c\/expand\/kernel/);
});

test.each(['weights', 'velocities'] as const)(
  'a state whose last %s do not fit leaves all as it was',
  async (part) => {
    await expectRefusedWhole(await engineOf(smallSetup('V2', 3)), await engineOf(smallSetup('V2', 3)), part);
  },
);

test('calls that overlap are answered one after another', async () => {
  const [engine, other] = await teams(smallSetup('V2', 3));
  const batches = [randomBatch(BATCH, 1), randomBatch(BATCH, 2), randomBatch(BATCH, 3)] as const;
  const ask = [
    () => engine!.logits(batches[0].input),
    () => engine!.step(batches[1].input, batches[1].labels, RATES),
    () => engine!.features(batches[2].input),
    () => engine!.logits(batches[1].input),
  ];
  const together = await Promise.all(ask.map((call) => call()));
  const apart = [
    await other!.logits(batches[0].input),
    await other!.step(batches[1].input, batches[1].labels, RATES),
    await other!.features(batches[2].input),
    await other!.logits(batches[1].input),
  ];
  expect(together).toEqual(apart);
  expect(fingerprint(await engine!.snapshot())).toBe(fingerprint(await other!.snapshot()));
});

test('a residual connection that its gradient cannot be had of is refused', async () => {
  const setup = smallSetup('V2', 0);
  const [stem, block, ...rest] = setup.backbone.blocks;
  const alone = { ...block!, units: block!.units.slice(2), residual: true };
  const activated = { ...block!, units: block!.units.slice(0, 2), residual: true };
  for (const strange of [alone, activated]) {
    const backbone = { ...setup.backbone, blocks: [stem!, strange, ...rest] };
    await expect(engineOf({ ...setup, backbone })).rejects.toThrow(/a adds its input after an activation/);
  }
});

function expectClose(
  found: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, Float32Array>,
): void {
  for (const [name, values] of expected) {
    const largest = Math.max(...values.map(Math.abs));
    found.get(name)!.forEach((value, i) => {
      expect(Math.abs(value - values[i]!), name).toBeLessThan(1e-4 * largest + 1e-6);
    });
  }
}
