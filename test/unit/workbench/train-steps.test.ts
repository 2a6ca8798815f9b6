import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import { fingerprint } from '../../../src/engine/params.js';
import { LocalEngine } from '../../../src/engine/tfjs/local-engine.js';
import type { StepRecord } from '../../../src/runs/documents.js';
import { fixed } from '../../../src/schedule/fixed.js';
import { oneCycle } from '../../../src/schedule/one-cycle.js';
import type { Rates, Schedule } from '../../../src/schedule/schedule.js';
import { type TrainingBatch, trainSteps } from '../../../src/workbench/steps.js';
import { randomBatch } from '../engine/random-batch.js';
import { smallSetup } from '../engine/small-networks.js';

tf.enableProdMode();

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** An engine that trains the head alone: quick. */
function engineOf(): LocalEngine {
  const engine = new LocalEngine(smallSetup('V1', 4), 4);
  onTestFinished(() => engine.dispose());
  return engine;
}

/** Batches of 4 images, counting how many were taken and whether the source was closed. */
function source(length: number): {
  batches: AsyncGenerator<TrainingBatch>;
  taken: () => number;
  closed: () => boolean;
} {
  let taken = 0;
  let closed = false;
  async function* generate(): AsyncGenerator<TrainingBatch> {
    try {
      for (let i = 0; i < length; i++) {
        taken++;
        yield randomBatch(4, i);
      }
    } finally {
      closed = true;
    }
  }
  return { batches: generate(), taken: () => taken, closed: () => closed };
}

const start = { epoch: 1, firstStep: 0, scheduleState: null };

async function collect(steps: AsyncIterable<StepRecord>): Promise<StepRecord[]> {
  const records: StepRecord[] = [];
  for await (const record of steps) records.push(record);
  return records;
}

const cycle = (totalSteps: number): Schedule<null> => oneCycle({ totalSteps, maxLr: 0.05, pctStart: 0.35 });

describe('the recorded rates', () => {
  test("are the schedule's, step for step, with the momentum lowest where the rate is highest", async () => {
    const schedule = cycle(20);
    const records = await collect(trainSteps(engineOf(), source(20).batches, schedule, start));
    expect(records.map(({ step }) => step)).toEqual([...Array(20).keys()]);
    for (const { step, learningRate, momentum } of records)
      expect({ learningRate, momentum }).toEqual(schedule.at(null, step));
    const rates = records.map(({ learningRate }) => learningRate);
    const momenta = records.map(({ momentum }) => momentum);
    // pctStart x 20 - 1 = 6: the peak lies on a step.
    expect(rates.indexOf(Math.max(...rates))).toBe(6);
    expect(momenta.indexOf(Math.min(...momenta))).toBe(6);
    expect(rates[6]).toBe(0.05);
    expect(momenta[6]).toBe(0.85);
  });

  test('are what the engine says that it holds, not what it was told', async () => {
    const engine = engineOf();
    const deaf: Engine = Object.assign(Object.create(engine) as Engine, {
      step: async (...[input, labels]: Parameters<Engine['step']>) =>
        engine.step(input, labels, { learningRate: 0.5, momentum: 0.25 }),
    });
    const records = await collect(trainSteps(deaf, source(2).batches, cycle(20), start));
    for (const { learningRate, momentum } of records)
      expect({ learningRate, momentum }).toEqual({ learningRate: 0.5, momentum: 0.25 });
  });

  test('really move the weights: a step of the head at rate r moves it r times as far', async () => {
    const moved = async (learningRate: number): Promise<number> => {
      const engine = engineOf();
      const before = (await engine.snapshot()).weights.get('head/bias')!;
      const schedule = fixed({ totalSteps: 1, learningRate, momentum: 0 });
      await collect(trainSteps(engine, source(1).batches, schedule, start));
      return (await engine.snapshot()).weights.get('head/bias')![0]! - before[0]!;
    };
    expect((await moved(0.02)) / (await moved(0.01))).toBeCloseTo(2, 3);
  });
});

describe('the loop ends', () => {
  test.each([
    // [batches, steps of the schedule, records]
    [3, 20, 3],
    [20, 3, 3],
    [3, 3, 3],
    [0, 3, 0],
  ])('with %i batches and %i steps: %i records', async (batches, totalSteps, expected) => {
    const schedule = fixed({ totalSteps, learningRate: 0.01, momentum: 0.9 });
    expect(await collect(trainSteps(engineOf(), source(batches).batches, schedule, start))).toHaveLength(
      expected,
    );
  });

  test('between two steps when the signal comes, and closes its batches', async () => {
    const controller = new AbortController();
    const { batches, closed } = source(10);
    const engine = engineOf();
    const seen: number[] = [];
    const position = { ...start, signal: controller.signal };
    for await (const { step } of trainSteps(engine, batches, cycle(10), position)) {
      seen.push(step);
      if (step === 3) controller.abort();
    }
    expect(seen).toEqual([0, 1, 2, 3]);
    expect(closed()).toBe(true);
  });

  test('before the first step where the signal came earlier', async () => {
    const engine = engineOf();
    const before = fingerprint(await engine.snapshot());
    const position = { ...start, signal: AbortSignal.abort() };
    expect(await collect(trainSteps(engine, source(5).batches, cycle(5), position))).toEqual([]);
    expect(fingerprint(await engine.snapshot())).toBe(before);
  });
});

test('a later epoch goes on counting where the one before ended', async () => {
  const schedule = cycle(20);
  const position = { epoch: 3, firstStep: 8, scheduleState: null };
  const records = await collect(trainSteps(engineOf(), source(4).batches, schedule, position));
  expect(records.map(({ step, epoch }) => [step, epoch])).toEqual([
    [8, 3],
    [9, 3],
    [10, 3],
    [11, 3],
  ]);
  expect(records.map(({ learningRate }) => learningRate)).toEqual(
    [8, 9, 10, 11].map((step) => schedule.at(null, step).learningRate),
  );
});

test('the schedule is asked with its own state', async () => {
  const asked: unknown[] = [];
  const schedule: Schedule<string> = {
    totalSteps: 2,
    initialState: 'first',
    at: (state, step): Rates => {
      asked.push([state, step]);
      return { learningRate: 0.01, momentum: 0 };
    },
    observe: (state) => state,
  };
  const position = { epoch: 1, firstStep: 0, scheduleState: 'second' };
  await collect(trainSteps(engineOf(), source(2).batches, schedule, position));
  expect(asked).toEqual([
    ['second', 0],
    ['second', 1],
  ]);
});

test('a loss that is no number is a record like any other', async () => {
  const schedule = fixed({ totalSteps: 4, learningRate: 1e30, momentum: 0 });
  const records = await collect(trainSteps(engineOf(), source(4).batches, schedule, start));
  expect(Number.isFinite(records[0]!.loss)).toBe(true);
  expect(records.some(({ loss }) => !Number.isFinite(loss))).toBe(true);
  expect(records).toHaveLength(4);
});

describe('tensors are given back', () => {
  test.each([
    ['at the end', async (steps: AsyncGenerator<StepRecord>) => void (await collect(steps))],
    [
      'after a break',
      async (steps: AsyncGenerator<StepRecord>) => {
        for await (const { step } of steps) if (step === 1) break;
      },
    ],
    [
      'after a throw of the reader',
      async (steps: AsyncGenerator<StepRecord>) => {
        const read = async () => {
          for await (const { step } of steps) if (step === 1) throw new Error('the reader gave up');
        };
        await expect(read()).rejects.toThrow('the reader gave up');
      },
    ],
  ])('%s, and the batches are closed', async (_, read) => {
    const engine = engineOf();
    const { batches, closed } = source(4);
    const held = tf.memory().numTensors;
    await read(trainSteps(engine, batches, cycle(10), start));
    expect(tf.memory().numTensors).toBe(held);
    expect(closed()).toBe(true);
  });

  test('after a throw of the batches', async () => {
    const engine = engineOf();
    async function* failing(): AsyncGenerator<TrainingBatch> {
      yield randomBatch(4);
      throw new Error('the disk is gone');
    }
    const held = tf.memory().numTensors;
    await expect(collect(trainSteps(engine, failing(), cycle(10), start))).rejects.toThrow(
      'the disk is gone',
    );
    expect(tf.memory().numTensors).toBe(held);
  });
});
