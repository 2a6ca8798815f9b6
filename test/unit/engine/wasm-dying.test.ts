import { describe, expect, test } from 'vitest';
import { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { InputKind, Op } from '../../../src/engine/wasm/job-board.js';
import { RunError } from '../../../src/errors.js';
import { opened, RATES } from './engine-runs.js';
import { randomBatch } from './random-batch.js';
import { normalizedSetup, smallSetup } from './small-networks.js';
import { BATCH, engineOf, SLICE } from './wasm-teams.js';

const { input, labels } = randomBatch(BATCH);

async function expectDead(engine: WasmEngine): Promise<void> {
  for (const asked of [
    () => engine.step(input, labels, RATES),
    () => engine.features(input),
    () => engine.logits(input),
    // Weights may be half updated.
    () => engine.snapshot(),
  ]) {
    await expect(asked()).rejects.toThrow(RunError);
    await expect(asked()).rejects.toThrow(/worker thread died.*fewer --workers/);
  }
}

describe('a thread that dies', () => {
  test('between two steps: an error each time', async () => {
    const engine = await engineOf(smallSetup('V2', 3), { threads: 2 });
    await engine.step(input, labels, RATES);
    await engine['team']['workers'][0]!.terminate();
    await expectDead(engine);
  });

  test('before it has begun: an error each time', async () => {
    const layout = { sliceSize: SLICE, batchSize: BATCH, threads: 2 };
    const engine = await opened(WasmEngine.open(smallSetup('V2', 3), layout));
    await engine['team']['workers'][0]!.terminate();
    await expectDead(engine);
  });

  test.each([
    ['of a job of one phase, of two threads', smallSetup('V2', 3), 2],
    ['of a job of many phases, of three threads', normalizedSetup('V2', 0), 3],
  ])('while it works: an error, never a silent wait, %s', async (_, setup, threads) => {
    const engine = await engineOf(setup, { threads });
    const dying = engine['team']['workers'][0]!.terminate();
    const steps = async () => {
      // It may finish a few more.
      for (let step = 0; step < 10_000; step++) await engine.step(input, labels, RATES);
    };
    await expect(steps()).rejects.toThrow(/worker thread died.*fewer --workers/);
    await dying;
    await expectDead(engine);
  });
});

test('a thread that fails is an error with its reason, and again at the next job', async () => {
  const engine = await engineOf(smallSetup('V2', 3), { threads: 2, firstRests: true });
  // Where these logits are to go no memory is.
  const job = { op: Op.logits, items: 1, images: 1, kind: InputKind.images, output: 2 ** 31 };
  const failing = engine['team'].run(job);
  await expect(failing).rejects.toThrow(RunError);
  await expect(failing).rejects.toThrow(/A worker thread failed: .*array/);
  await expect(engine.logits(input)).rejects.toThrow(/A worker thread failed/);
});

test('where the first thread fails, the others wait for it in vain: an error at the next job too', async () => {
  const engine = await engineOf(smallSetup('V2', 3), { threads: 2 });
  const work = () => {
    throw new Error('broken');
  };
  Object.assign(engine['member'], { work });
  await expect(engine.logits(input)).rejects.toThrow('broken');
  await expect(engine.logits(input)).rejects.toThrow(RunError);
  await expect(engine.step(input, labels, RATES)).rejects.toThrow('The engine failed: broken');
});
