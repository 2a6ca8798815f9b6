import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { backend as currentBackend, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { startBackend } from '../../src/engine/backends/choose.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { initHead } from '../../src/model/network.js';
import { foldedMobileNetV2, randomMobileNetV2 } from './random-mobilenet.js';

// Where a training step on the WebGPU backend spends its time: every GPU program of one step, run by itself on data of the same
// shapes, with the bytes that it has to move. Prints one line for each program and shape, the dearest first, and sums by program.
//
// usage: pack-profile WIDTH:SIZE:BATCH[:train] [...]
type Arguments = Parameters<WebGPUBackend['runWebGPUProgram']>;

interface Recorded {
  readonly run: Arguments;
  readonly key: string;
  readonly bytes: number;
  count: number;
}

/** Times that a program is run in one measurement. */
const REPEATS = 20;

const { device } = await startBackend('webgpu');
// eslint-disable-next-line @typescript-eslint/no-unsafe-type-assertion -- the backend that was just started
const webgpu = currentBackend() as WebGPUBackend;
for (const one of process.argv.slice(2)) await profile(one);

async function profile(one: string): Promise<void> {
  const [alpha = 1, size = 224, batch = 64] = one.split(':').slice(0, 3).map(Number);
  const network = one.endsWith('train') ? randomMobileNetV2 : foldedMobileNetV2;
  const { backbone, parameters } = network(alpha);
  const optimizer = { labelSmoothing: 0, weightDecay: 0, headLrMultiplier: 1 };
  const head = initHead(backbone.features, 10, 0);
  const setup = { backbone, parameters, head, firstTrained: 0, imageSize: size, ...optimizer };
  const engine = await openEngine(setup, batch, 1);
  const values = Float32Array.from({ length: batch * size * size * 3 }, (_, i) => Math.sin(i));
  const input = { kind: 'features', values, shape: engine.featureShape } as const;
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);
  const rates = { learningRate: 1e-4, momentum: 0.9 };
  for (let i = 0; i < 3; i++) await engine.step(input, labels, rates);

  const programs = new Map<string, Recorded>();
  const run = webgpu.runWebGPUProgram.bind(webgpu);
  webgpu.runWebGPUProgram = (...called: Arguments): TensorInfo => {
    const [program, inputs] = called;
    const result = run(...called);
    const shapes = [...inputs, result].map(({ shape }) => `[${shape.join(',')}]`).join(' ');
    const key = `${program.shaderKey.split(/[_;]/)[0]} ${shapes}`;
    const known = programs.get(key);
    if (known) known.count++;
    else {
      const bytes = [...inputs, result].reduce((sum, { shape }) => sum + 4 * util.sizeFromShape(shape), 0);
      programs.set(key, { run: called, key, bytes, count: 1 });
    }
    return result;
  };
  const begun = performance.now();
  const step = await engine.late?.begin(input, labels, rates);
  const issued = performance.now();
  await step?.loss();
  const done = performance.now();
  webgpu.runWebGPUProgram = run;
  await engine.dispose();

  const rows = [];
  for (const { run: called, key, bytes, count } of programs.values()) {
    const ms = await timed(called);
    rows.push({ key, count, ms: ms * count, rate: bytes / ms / 1e6 });
  }
  const total = rows.reduce((sum, { ms }) => sum + ms, 0);
  console.log(`# ${one} on ${device}`);
  console.log(
    `one step ${(done - begun).toFixed(1)} ms, of which the host issues programs for ${(issued - begun).toFixed(1)} ms; ` +
      `${rows.reduce((sum, { count }) => sum + count, 0)} programs, alone ${total.toFixed(1)} ms`,
  );
  const byProgram = new Map<string, { count: number; ms: number }>();
  for (const { key, count, ms } of rows) {
    const [name = ''] = key.split(' ');
    const sum = byProgram.get(name) ?? { count: 0, ms: 0 };
    byProgram.set(name, { count: sum.count + count, ms: sum.ms + ms });
  }
  for (const [name, { count, ms }] of [...byProgram].toSorted(([, a], [, b]) => b.ms - a.ms))
    console.log(`${ms.toFixed(2).padStart(9)} ms  ${count} x ${name}`);
  for (const { key, count, ms, rate } of rows.toSorted((a, b) => b.ms - a.ms).slice(0, 60))
    console.log(`${ms.toFixed(3).padStart(9)} ms  ${count} x ${key}  ${rate.toFixed(0)} GB/s`);
}

/** Milliseconds of one run of a program, on data of its own. */
async function timed([program, inputs, type, uniforms, output]: Arguments): Promise<number> {
  const own = inputs.map(({ shape, dtype }) => fresh(shape, dtype));
  const target = output && fresh(output.shape, output.dtype);
  const once = (): void => {
    const result = webgpu.runWebGPUProgram(program, own, type, uniforms, target);
    if (target === undefined) webgpu.disposeData(result.dataId);
  };
  for (let i = 0; i < 3; i++) once();
  await settled();
  const begun = performance.now();
  for (let i = 0; i < REPEATS; i++) once();
  await settled();
  const ms = (performance.now() - begun) / REPEATS;
  for (const { dataId } of target ? [...own, target] : own) webgpu.disposeData(dataId);
  return ms;
}

function fresh(shape: readonly number[], dtype: TensorInfo['dtype']): TensorInfo {
  const values = new Float32Array(util.sizeFromShape([...shape])).fill(0.5);
  return webgpu.makeTensorInfo([...shape], dtype, dtype === 'int32' ? Int32Array.from(values) : values);
}

async function settled(): Promise<void> {
  webgpu.submitQueue();
  await webgpu.device.queue.onSubmittedWorkDone();
}
