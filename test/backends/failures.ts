import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startBackend } from '../../src/engine/backends/choose.js';
import { setLargestBuffer } from '../../src/engine/backends/current.js';
import { readValues } from '../../src/engine/backends/device-failure.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { LocalEngine } from '../../src/engine/tfjs/local-engine.js';
import { WasmEngine } from '../../src/engine/wasm/engine.js';
import { RunError, UsageError } from '../../src/errors.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { tinyImages } from '../integration/tiny-images.js';
import { randomBatch } from '../unit/engine/random-batch.js';
import { smallSetup } from '../unit/engine/small-networks.js';
import { BACKEND } from './backend-under-test.js';

const RATES = { learningRate: 0.01, momentum: 0.9 };

describe.runIf(BACKEND === 'webgpu')('a graphics card that fails', () => {
  // Each test has a device of its own.
  beforeEach(async () => void (await startBackend(BACKEND)));
  afterEach(() => setLargestBuffer(Infinity));

  test('with too little memory: an allocation over its limit is an error, though it gives zeros', async () => {
    const { maxBufferSize } = device().limits;
    const small = tf.fill([4], 1);
    const huge = tf.fill([Math.floor(maxBufferSize / 4) + 1024], 1);
    await expect(readValues(tf.add(small, tf.slice(huge, 0, 4)))).rejects.toThrow(RunError);
    await expect(readValues(small)).rejects.toThrow(/graphics card/);
  });

  test('is asked before the first step whether a batch fits; the answer names one that does', async () => {
    // The largest activation of this network, at 16 pixels: 16 x 16 x 3 or 8 x 8 x 12 values, 3072 bytes an image.
    setLargestBuffer(3072 * 5 + 100);
    await expect(openEngine(smallSetup('V2', 0), 8, 1)).rejects.toThrow(UsageError);
    await expect(openEngine(smallSetup('V2', 0), 8, 1)).rejects.toThrow(/--batch-size 5 fits/);
    const engine = await openEngine(smallSetup('V2', 0), 5, 1);
    onTestFinished(() => engine.dispose());
    expect(engine.sliceSize).toBe(5);
  });

  test('ends a run with exit code 1 and its last checkpoint, from which another backend goes on', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'onecycle-dying-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    await tinyImages(dir);
    const out = join(dir, 'runs');
    const options = ['--data', dir, '--trainable', 'last:1', '--image-size', '32', '--batch-size', '4'];
    const died = await onecycle(['train', '--backend', BACKEND, ...options, '--epochs', '3', '--out', out], {
      NODE_OPTIONS: `--import ${new URL('dying-device.mjs', import.meta.url).href}`,
      SUBMISSIONS: '150',
    });
    expect(died.stderr).toMatch(/graphics card was lost/);
    expect(died.exitCode).toBe(1);
    expect(died.stderr).not.toMatch(/bug in onecycle/);
    const [run = ''] = (await readdir(out)).filter((name) => !name.startsWith('.'));
    const checkpoint = await readCheckpoint(join(out, run), 'last');
    const weights = [...checkpoint.tensors].filter(([name]) => name.startsWith('weights/'));
    expect(weights.length).toBeGreaterThan(0);
    for (const [name, values] of weights.filter(([name]) => /kernel|filter|depthwise/.test(name))) {
      expect(
        values.some((value) => value !== 0),
        name,
      ).toBe(true);
    }
    const resumed = await onecycle(['train', '--resume', join(out, run), '--backend', 'wasm', '--json'], {});
    expect(resumed.stderr).not.toMatch(/^onecycle:/m);
    expect(resumed.exitCode).toBe(0);
    const steps = (await readFile(join(out, run, 'steps.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(steps.map((line) => JSON.parse(line).step)).toEqual(Array.from({ length: 18 }, (_, i) => i));
  });

  // The last one: what a driver does after the loss, to a device that follows, is its own affair.
  test('is an error for who waits when it is lost and in every step after it, never zeros', async () => {
    const engine = new LocalEngine(smallSetup('V2', 0), 4);
    const { input, labels } = randomBatch(4);
    expect((await engine.step(input, labels, RATES)).loss).toBeGreaterThan(0);
    const waiting = engine.snapshot();
    device().destroy();
    await expect(waiting).rejects.toThrow(/graphics card was lost/);
    await expect(engine.step(input, labels, RATES)).rejects.toThrow(RunError);
    await expect(engine.step(input, labels, RATES)).rejects.toThrow(/graphics card was lost/);
    await expect(engine.logits(input)).rejects.toThrow(/graphics card was lost/);
    await expect(engine.snapshot()).rejects.toThrow(/graphics card was lost/);
  });
});

describe.runIf(BACKEND === 'tensorflow')('a native TensorFlow', () => {
  test('says on stderr where it computes, and keeps its own log to --debug', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'onecycle-native-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    await tinyImages(dir);
    const args = ['train', '--backend', BACKEND, '--data', dir, '--trainable', 'head', '--image-size', '32'];
    const run = [...args, '--batch-size', '4', '--epochs', '2', '--out', join(dir, 'runs')];
    const quiet = await onecycle(run, {});
    expect(quiet.exitCode).toBe(0);
    expect(quiet.stderr).toMatch(/^Computing on tensorflow: /m);
    expect(quiet.stderr).not.toMatch(/tensorflow\/core/);
    const loud = await onecycle([...run, '--debug'], {});
    expect(loud.stderr).toMatch(/tensorflow\/core/);
  });
});

describe.runIf(BACKEND === 'wasm')('memory that threads share', () => {
  test('is refused with advice where a network does not fit into it', async () => {
    await startBackend(BACKEND);
    // A single input of 25,000 x 25,000 pixels takes more than 4 GB.
    const opening = openEngine(smallSetup('V2', 0, 25_000), 1, 1);
    await expect(opening).rejects.toThrow(RunError);
    await expect(opening).rejects.toThrow(/wasm heap \(4 GB\) is full.*smaller image size/);
  });

  test('is of no use without one of the threads: an error instead of a wait', async () => {
    await startBackend(BACKEND);
    const engine = await openEngine(smallSetup('V2', 0), 16, 2);
    onTestFinished(() => engine.dispose());
    if (!(engine instanceof WasmEngine)) throw new Error('not wasm');
    const { input, labels } = randomBatch(16);
    await engine.step(input, labels, RATES);
    await engine['team']['workers'][0]!.terminate();
    await expect(engine.step(input, labels, RATES)).rejects.toThrow(/worker thread died.*fewer --workers/);
  });
});

/** Where a backend has nothing of its own to fail at. */
test.runIf(BACKEND === 'cpu')('no device that could fail', async () => {
  await startBackend(BACKEND);
  expect(tf.findBackendFactory('webgpu')).toBeNull();
});

function device(): GPUDevice {
  const backend = tf.backend();
  if (!(backend instanceof WebGPUBackend)) throw new Error('no WebGPU backend');
  return backend.device;
}

function onecycle(args: readonly string[], env: Record<string, string>) {
  const bin = fileURLToPath(new URL('../../bin/onecycle.js', import.meta.url));
  return execa(process.execPath, [bin, ...args], {
    reject: false,
    stdin: 'ignore',
    env: { NO_COLOR: '1', ...env },
  });
}
