import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { openEngine } from '../../src/engine/open-engine.js';
import type { NetworkSetup } from '../../src/engine/params.js';
import { LocalEngine } from '../../src/engine/tfjs/local-engine.js';
import { WasmEngine } from '../../src/engine/wasm/engine.js';
import { loadBackbone } from '../../src/model/load/backbone.js';
import { resolveWeights } from '../../src/model/load/weights.js';
import { initHead } from '../../src/model/network.js';
import type { StepRecord } from '../../src/runs/documents.js';
import type { Schedule } from '../../src/schedule/schedule.js';
import { type TrainingBatch, trainStepGroups, trainSteps } from '../../src/workbench/steps.js';
import { randomBatch } from '../unit/engine/random-batch.js';
import { normalizedSetup, smallSetup } from '../unit/engine/small-networks.js';
import { BACKEND, IS_TFJS, onCpu, relativeError, startBoth } from './backend-under-test.js';

// Three steps of the bundled MobileNetV2 against plain JavaScript: 53 layers deep, rounding grows from layer to layer.
const LOSS = 1e-5;
const WEIGHTS = 1e-4;
const VELOCITIES = 2e-3;

beforeAll(startBoth);

test('three steps of the real network, and what it then says', async () => {
  const setup = await realNetwork();
  const own = await threeSteps(await openEngine(setup, 6, 2));
  const expected = await onCpu(() => threeSteps(new LocalEngine(setup, 4)));
  expect(relativeError(own.losses, expected.losses)).toBeLessThan(LOSS);
  expect(relativeError(own.logits, expected.logits)).toBeLessThan(WEIGHTS);
  for (const [name, values] of expected.state.weights) {
    expect(relativeError(own.state.weights.get(name) ?? [], values), name).toBeLessThan(WEIGHTS);
  }
  // Gradients of single layers may nearly cancel; as a whole they must not differ.
  const flat = (velocities: ReadonlyMap<string, Float32Array>) =>
    [...velocities.values()].flatMap((v) => [...v]);
  expect(relativeError(flat(own.state.velocities), flat(expected.state.velocities))).toBeLessThan(VELOCITIES);
}, 600_000);

test.each(['V1', 'V2', 'narrow V2'] as const)(
  'three steps of a small Mobile%s with batch norm in training mode, its statistics, and what it then says',
  async (network) => {
    const setup = normalizedSetup(network, 0);
    const own = await threeSteps(await openEngine(setup, 6, 2));
    const expected = await onCpu(() => threeSteps(new LocalEngine(setup, 6)));
    expect(relativeError(own.losses, expected.losses)).toBeLessThan(LOSS);
    expect(relativeError(own.logits, expected.logits)).toBeLessThan(WEIGHTS);
    for (const part of ['weights', 'statistics'] as const) {
      expect(own.state[part]?.size).toBe(expected.state[part]?.size);
      for (const [name, values] of expected.state[part] ?? []) {
        expect(relativeError(own.state[part]?.get(name) ?? [], values), name).toBeLessThan(WEIGHTS);
      }
    }
  },
);

test.runIf(IS_TFJS)('a batch in slices', async () => {
  const setup = smallSetup('V1', 0);
  const own = await threeSteps(new LocalEngine(setup, 4));
  const expected = await onCpu(() => threeSteps(new LocalEngine(setup, 4)));
  expect(relativeError(own.losses, expected.losses)).toBeLessThan(LOSS);
  for (const [name, values] of expected.state.weights) {
    expect(relativeError(own.state.weights.get(name) ?? [], values), name).toBeLessThan(WEIGHTS);
  }
});

test.runIf(BACKEND === 'wasm')('memory does not grow from step to step', async () => {
  const engine = await engineOf();
  if (!(engine instanceof WasmEngine)) throw new Error('not wasm');
  const { memory } = engine['heap'];
  await engine.logits(randomBatch(4).input);
  const within = memory.buffer.byteLength;
  for await (const { step } of trainSteps(engine, batches(6), constant(6, 0.01), START)) {
    expect(memory.buffer.byteLength, `step ${step}`).toBe(within);
  }
});

describe.runIf(IS_TFJS)('tensors', () => {
  test.each(['to the end', 'with a break', 'with a throw'])('are given back by a run %s', async (how) => {
    const before = tf.memory().numTensors;
    const engine = new LocalEngine(smallSetup('V2', 0), 4);
    await engine.logits(randomBatch(4).input);
    const within = tf.memory().numTensors;
    const run = async () => {
      for await (const { step } of trainSteps(engine, batches(6), constant(6, 0.01), START)) {
        expect(tf.memory().numTensors).toBe(within);
        if (step === 3 && how === 'with a break') break;
        if (step === 3 && how === 'with a throw') throw new Error('stop');
      }
    };
    await run().catch((error: Error) => expect(error.message).toBe('stop'));
    expect(tf.memory().numTensors).toBe(within);
    await engine.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('are given back by steps with batch norm in training mode', async () => {
    const before = tf.memory().numTensors;
    const engine = new LocalEngine(normalizedSetup('V2', 1), 4);
    const within = tf.memory().numTensors;
    for await (const { step } of trainSteps(engine, batches(3), constant(3, 0.01), START)) {
      expect(tf.memory().numTensors, `step ${step}`).toBe(within);
    }
    await engine.logits(randomBatch(4).input);
    await engine.restore(await engine.snapshot());
    expect(tf.memory().numTensors).toBe(within);
    await engine.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('of losses that nobody read go with the engine', async () => {
    const before = tf.memory().numTensors;
    const engine = new LocalEngine(smallSetup('V2', 0), 4);
    const failing = trainStepGroups(engine, batches(3, new Error('no more')), constant(9, 0.01), START);
    await expect(collect(failing)).rejects.toThrow('no more');
    await engine.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('losses read late', () => {
  test('are the same as those read at once, complete and in order', async () => {
    const promptly = await collect(trainSteps(await engineOf(), batches(23), constant(23, 0.01), START));
    const groups = await collect(trainStepGroups(await engineOf(), batches(23), constant(23, 0.01), START));
    expect(groups.flat()).toEqual(promptly);
    const sizes = groups.map((group) => group.length);
    const device = BACKEND === 'webgpu' || BACKEND === 'tensorflow';
    expect(sizes).toEqual(device ? [10, 10, 3] : Array.from({ length: 23 }, () => 1));
  });

  test('are all read when a signal comes', async () => {
    const stop = new AbortController();
    const stopping = batches(20, undefined, (i) => i === 4 && stop.abort());
    const position = { ...START, signal: stop.signal };
    const records = (
      await collect(trainStepGroups(await engineOf(), stopping, constant(20, 0.01), position))
    ).flat();
    expect(records.map(({ step }) => step)).toEqual([0, 1, 2, 3]);
  });

  test('name the step where the loss stopped being a number', async () => {
    const rising: Schedule<null> = {
      ...constant(10, 0.01),
      at: (_, step) => ({ learningRate: step < 3 ? 0.01 : 1e30, momentum: 0.9 }),
    };
    const firstBroken = (records: readonly StepRecord[]) =>
      records.find(({ loss }) => !Number.isFinite(loss))?.step;
    const promptly = await collect(trainSteps(await engineOf(), batches(10), rising, START));
    const groups = await collect(trainStepGroups(await engineOf(), batches(10), rising, START));
    expect(firstBroken(promptly)).toBeGreaterThan(3);
    expect(firstBroken(groups.flat())).toBe(firstBroken(promptly));
  });
});

const START = { epoch: 1, firstStep: 0, scheduleState: null };

function constant(totalSteps: number, learningRate: number): Schedule<null> {
  return {
    totalSteps,
    initialState: null,
    at: () => ({ learningRate, momentum: 0.9 }),
    observe: () => null,
  };
}

async function* batches(
  n: number,
  error?: Error,
  before?: (i: number) => void,
): AsyncGenerator<TrainingBatch> {
  for (let i = 0; i < n; i++) {
    before?.(i);
    yield randomBatch(4, i);
  }
  if (error) throw error;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function engineOf(): Promise<Engine> {
  const engine = await openEngine(smallSetup('V2', 0), 4, 1);
  onTestFinished(() => engine.dispose());
  return engine;
}

async function realNetwork(): Promise<NetworkSetup> {
  const { backbone, parameters } = await loadBackbone(resolveWeights('mobilenet_v2_0.35_224'));
  return {
    backbone,
    parameters,
    head: initHead(backbone.features, 3, 0),
    firstTrained: 0,
    imageSize: 32,
    labelSmoothing: 0.1,
    weightDecay: 1e-4,
    headLrMultiplier: 10,
  };
}

async function threeSteps(engine: Engine) {
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) {
    const { input, labels } = randomBatch(6, step);
    losses.push((await engine.step(input, labels, { learningRate: 1e-3, momentum: 0.9 })).loss);
  }
  const logits = await engine.logits(randomBatch(4, 9).input);
  const state = await engine.snapshot();
  await engine.dispose();
  return { losses, logits, state };
}
