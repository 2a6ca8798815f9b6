import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDefaults, type Settings } from '../../src/config/settings.js';
import { startBackend } from '../../src/engine/backends/choose.js';
import { fingerprint } from '../../src/engine/params.js';
import { WasmEngine } from '../../src/engine/wasm/engine.js';
import { adviseRate, finderConfig } from '../../src/find-lr/find-lr.js';
import { rangeTest } from '../../src/find-lr/range-test.js';
import type { StepRecord } from '../../src/runs/documents.js';
import { fixed } from '../../src/schedule/fixed.js';
import { epochBatches, openRunEngine } from '../../src/workbench/run-engine.js';
import { trainSteps } from '../../src/workbench/steps.js';
import { describeEnvironment, wholeBench, type Workbench } from '../../src/workbench/bench.js';
import { openWorkbench } from '../../src/workbench/workbench.js';
import { tinyImages } from './tiny-images.js';

const quiet = { emit: () => undefined, signal: new AbortController().signal };

describe('the fingerprint', () => {
  it('tells any two states apart that differ in one bit of a weight or of a momentum buffer', () => {
    const values = fc.float32Array({ minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(values, fc.nat(), fc.nat(31), fc.boolean(), (given, at, bit, inWeights) => {
        const state = (weights: Float32Array, velocities: Float32Array) => ({
          weights: new Map([['head/kernel', weights]]),
          velocities: new Map([['head/kernel', velocities]]),
        });
        const changed = given.slice();
        new Uint32Array(changed.buffer)[at % given.length]! ^= 1 << bit;
        const before = fingerprint(state(given, given));
        expect(fingerprint(state(given.slice(), given.slice()))).toBe(before);
        expect(fingerprint(inWeights ? state(changed, given) : state(given, changed))).not.toBe(before);
      }),
    );
  });
});

describe('a range test in the middle of a training', () => {
  let dir: string;
  let settings: Settings;
  beforeAll(async () => {
    await startBackend('wasm');
    dir = await mkdtemp(join(tmpdir(), 'onecycle-trace-'));
    await tinyImages(dir, { train: 24, valid: 8 });
    settings = { ...readDefaults().settings, data: dir, imageSize: 32, batchSize: 8, steps: 12, seeds: 1 };
    return () => rm(dir, { recursive: true, force: true });
  });

  it.each([
    ['last:3', 'fold'],
    ['all', 'fold'],
    ['head', 'fold'],
    ['last:3', 'train'],
  ] as const)(
    'moves neither weights nor momenta, neither the order nor the pictures, and takes no memory of it: %s, batch norm: %s',
    async (trainable, batchNorm) => {
      const undisturbed = await trained(async () => undefined);
      const disturbed = await trained(async (bench, own, engine) => {
        const held = async () => ({
          state: fingerprint(await engine.snapshot()),
          bytes: engine['heap'].memory.buffer.byteLength,
        });
        const before = await held();
        const { points } = await rangeTest(bench, finderConfig(bench, own), {
          ...quiet,
          workers: 1,
        });
        expect(points.length).toBeGreaterThan(8);
        expect(await held()).toEqual(before);
      });
      expect(disturbed).toEqual(undisturbed);

      /** An epoch of six steps with something between the third and the fourth. */
      async function trained(
        between: (bench: Workbench, own: Settings, engine: WasmEngine) => Promise<void>,
      ): Promise<{ records: StepRecord[]; state: string }> {
        const own = { ...settings, trainable, batchNorm };
        const bench = await openWorkbench(own, quiet);
        const config = finderConfig(bench, own);
        const engine = await openRunEngine(bench, config, 1);
        if (!(engine instanceof WasmEngine)) throw new Error('not wasm');
        const schedule = fixed({ totalSteps: 6, learningRate: 1e-3, momentum: 0.9, decay: { kind: 'none' } });
        const position = { epoch: 1, firstStep: 0, scheduleState: schedule.initialState };
        const records: StepRecord[] = [];
        for await (const record of trainSteps(
          engine,
          epochBatches(bench, engine, config, 1, 0),
          schedule,
          position,
        )) {
          records.push(record);
          if (records.length === 3) await between(bench, own, engine);
        }
        const state = fingerprint(await engine.snapshot());
        await engine.dispose();
        bench.close();
        expect(records).toHaveLength(6);
        return { records, state };
      }
    },
  );

  it('asked for by train, is given up with the reason for which it was interrupted', async () => {
    const bench = await openWorkbench(settings, quiet);
    const signal = AbortSignal.abort('the user left');
    const context = {
      ...quiet,
      environment: describeEnvironment(await startBackend('wasm')),
      signal,
      workers: 1,
    };
    await expect(adviseRate(wholeBench(bench), settings, context)).rejects.toBe('the user left');
    bench.close();
  });
});
