import { expect, it } from 'vitest';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { readDefaults } from '../../src/config/settings.js';
import { startBackend } from '../../src/engine/backends/choose.js';
import { train } from '../../src/train/train.js';
import { describeEnvironment } from '../../src/workbench/bench.js';
import { scratchFolder } from '../integration/run-cli.js';
import { tinyImages } from '../integration/tiny-images.js';
import { leastSquares } from './least-squares.js';

const STEPS = 6000;
/** Steps after which everything is allocated that ever will be: caches, heaps, compiled code. */
const WARM_UP = 800;
/** Bytes a step, at the upper end of the slope's interval: a leak of one small activation a step is more. */
const SLOPE = 5000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

it.each([
  ['a part trained, one thread', { trainable: 'last:2', workers: 1 }],
  ['everything trained, two threads', { trainable: 'all', workers: 2 }],
] as const)(
  `${STEPS} steps keep no memory: %s`,
  async (name, options) => {
    const root = await scratchFolder();
    await tinyImages(join(root, 'data'), { train: 200, valid: 20 });
    const environment = describeEnvironment(await startBackend('wasm'));
    const { settings, rates } = readDefaults();
    const memory: { step: number; bytes: number }[] = [];
    const batchSize = 8;
    const stepsPerEpoch = 400 / batchSize;
    const document = await train({
      settings: {
        ...settings,
        ...{ data: join(root, 'data'), out: join(root, 'out'), imageSize: 32, views: 2 },
        ...{ batchSize, epochs: STEPS / stepsPerEpoch, ...options },
      },
      rates,
      environment,
      signal: new AbortController().signal,
      emit: (event) => {
        if (event.type !== 'step') return;
        const { step } = event.record;
        // What only waits to be collected is no leak.
        if (step >= WARM_UP && step % 20 === 0) {
          collect();
          memory.push({ step, bytes: process.memoryUsage().rss });
        }
      },
    });
    expect(document.status).toBe('completed');
    const { slope, low, high } = leastSquares(memory.map(({ step, bytes }) => [step, bytes]));
    const shown = [slope, low, high].map((value) => value.toFixed(0));
    console.log(
      `${name}: resident memory ${shown[0]} bytes a step (95% interval ${shown[1]} to ${shown[2]}), ${(memory.at(-1)!.bytes / 1e6).toFixed(0)} MB at the end`,
    );
    expect(high).toBeLessThan(SLOPE);
  },
  1_200_000,
);
