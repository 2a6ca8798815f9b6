import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { backend as currentBackend, env, type TensorInfo } from '@tensorflow/tfjs-core';
import { Session } from 'node:inspector/promises';
import { startBackend } from '../../src/engine/backends/choose.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { LocalEngine } from '../../src/engine/tfjs/local-engine.js';
import { initHead } from '../../src/model/network.js';
import { foldedMobileNetV2, randomMobileNetV2 } from './random-mobilenet.js';

// Where a training step on the WebGPU backend spends its time: what the host takes to issue it as it comes and replayed, on which
// functions, and how long each of its programs takes on the device, by the device's own clock. Programs of one kind and size are
// measured once. Prints sums by kind, and a line for each kind and size, the dearest first, with the memory of its buffers.
//
// usage: pack-profile WIDTH:SIZE:BATCH[:train] [...]
type Arguments = Parameters<WebGPUBackend['runWebGPUProgram']>;

interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly groups: readonly [number, number, number];
}

interface Row {
  readonly key: string;
  readonly dispatch: Dispatch;
  readonly bytes: number;
  count: number;
}

/** Steps of each measurement, and times that a program is run in one. */
const STEPS = 20;
const REPEATS = 200;

/** Programs after which TensorFlow.js gives them to the device. */
const SUBMITTED = 'WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE';

const webgpuPackage = await import('webgpu');

const { GPUAdapter: adapterClass } = webgpuPackage.globals as { GPUAdapter: typeof GPUAdapter };
const { requestDevice } = adapterClass.prototype;
adapterClass.prototype.requestDevice = async function (this: GPUAdapter, wanted?: GPUDeviceDescriptor) {
  const clock: GPUFeatureName[] = this.features.has('timestamp-query') ? ['timestamp-query'] : [];
  return requestDevice.call(this, { ...wanted, requiredFeatures: clock });
};

const { device: name } = await startBackend('webgpu');

const webgpu = currentBackend() as WebGPUBackend;
const { device } = webgpu;
/** What the buffers of each bind group hold. */
const bound = new WeakMap<GPUBindGroup, { readonly shapes: string; readonly bytes: number }>();
watchBindGroups();
for (const one of process.argv.slice(2)) await profile(one);
process.exit();

async function profile(one: string): Promise<void> {
  const [alpha = 1, size = 224, batch = 64] = one.split(':').slice(0, 3).map(Number);
  const network = one.endsWith('train') ? randomMobileNetV2 : foldedMobileNetV2;
  const { backbone, parameters } = network(alpha);
  const optimizer = { labelSmoothing: 0, weightDecay: 0, headLrMultiplier: 1 };
  const head = initHead(backbone.features, 10, 0);
  const setup = { backbone, parameters, head, firstTrained: 0, imageSize: size, ...optimizer };
  const engine = await openEngine(setup, batch, 1);
  if (!(engine instanceof LocalEngine)) throw new Error('not an engine of TensorFlow.js');
  const values = Float32Array.from({ length: batch * size * size * 3 }, (_, i) => Math.sin(i));
  const input = { kind: 'features', values, shape: engine.featureShape } as const;
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);
  const rates = { learningRate: 1e-4, momentum: 0.9 };

  console.log(`\n# ${one} on ${name}`);
  const steps = async (kind: string, count: number): Promise<void> => {
    const waits: (() => Promise<number>)[] = [];
    const hottest = await profiled(async () => {
      const begun = performance.now();
      for (let i = 0; i < count; i++) waits.push((await engine.begin(input, labels, rates)).loss);
      const issued = performance.now();
      for (const wait of waits) await wait();
      const done = performance.now();
      const [host, whole] = [(issued - begun) / count, (done - begun) / count];
      console.log(`a step ${kind}: ${whole.toFixed(2)} ms, the host issues it in ${host.toFixed(2)} ms`);
    });
    console.log(hottest);
  };
  const replays = engine['replays'];
  const plain = replays.run.bind(replays);
  replays.run = (inputs, work) => [...work(inputs)];
  for (let i = 0; i < 2; i++) await engine.step(input, labels, rates);
  await steps('as it comes', 5);
  const often = env().getNumber(SUBMITTED);
  env().set(SUBMITTED, 250);
  await engine.step(input, labels, rates);
  await steps('as it comes, submitted every 250 programs', 5);
  env().set(SUBMITTED, often);
  replays.run = plain;
  for (let i = 0; i < 3; i++) await engine.step(input, labels, rates);
  await steps('replayed', STEPS);
  await steps('replayed', STEPS);

  const recording = [...replays['recordings'].values()][0];

  const { recorded } = recording as unknown as { readonly recorded: { readonly dispatches: Dispatch[] } };
  await programs(recorded.dispatches);
  await engine.dispose();
}

async function programs(dispatches: readonly Dispatch[]): Promise<void> {
  const rows = new Map<string, Row>();
  for (const dispatch of dispatches) {
    const { shapes, bytes } = bound.get(dispatch.bindGroup) ?? { shapes: '', bytes: 0 };
    const key = `${dispatch.pipeline.label} ${shapes} in ${dispatch.groups.join('x')}`;
    const row = rows.get(key) ?? { key, dispatch, bytes, count: 0 };
    row.count++;
    rows.set(key, row);
  }
  const measured = [];
  for (const row of rows.values()) measured.push({ ...row, ms: await deviceTime(row.dispatch) });
  const byKind = new Map<string, { count: number; ms: number }>();
  for (const { dispatch, count, ms } of measured) {
    const sum = byKind.get(dispatch.pipeline.label) ?? { count: 0, ms: 0 };
    byKind.set(dispatch.pipeline.label, { count: sum.count + count, ms: sum.ms + ms * count });
  }
  const total = [...byKind.values()].reduce((sum, { ms }) => sum + ms, 0);
  console.log(`${dispatches.length} programs, each by itself ${total.toFixed(2)} ms together`);
  for (const [kind, { count, ms }] of [...byKind].toSorted(([, a], [, b]) => b.ms - a.ms))
    console.log(`${ms.toFixed(3).padStart(9)} ms  ${count} x ${kind}`);
  for (const { key, count, ms, bytes } of measured
    .toSorted((a, b) => b.ms * b.count - a.ms * a.count)
    .slice(0, 50))
    console.log(
      `${(ms * count).toFixed(3).padStart(9)} ms  ${count} x ${(1000 * ms).toFixed(0)} us  ${key}  ${(bytes / 1e6).toFixed(1)} MB, ${(bytes / ms / 1e6).toFixed(0)} GB/s`,
    );
}

/** Milliseconds of one run of a program by the device's clock, which ticks some 65 us apart; by the host's where it has none. */
async function deviceTime({ pipeline, bindGroup, groups }: Dispatch): Promise<number> {
  const repeat = async (times: number, timestampWrites?: GPUComputePassTimestampWrites) => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass(timestampWrites && { timestampWrites });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    for (let i = 0; i < times; i++) pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
    pass.end();
    return encoder;
  };
  if (!device.features.has('timestamp-query')) {
    const wall = async (times: number): Promise<number> => {
      const begun = performance.now();
      device.queue.submit([(await repeat(times)).finish()]);
      await device.queue.onSubmittedWorkDone();
      return performance.now() - begun;
    };
    return ((await wall(REPEATS)) - (await wall(1))) / (REPEATS - 1);
  }
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 });
  const usage = GPUBufferUsage;
  const resolved = device.createBuffer({ size: 16, usage: usage.QUERY_RESOLVE | usage.COPY_SRC });
  const read = device.createBuffer({ size: 16, usage: usage.COPY_DST | usage.MAP_READ });
  const encoder = await repeat(REPEATS, { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 });
  encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, read, 0, 16);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const [begun = 0n, done = 0n] = new BigUint64Array(read.getMappedRange());
  const ms = Number(done - begun) / 1e6 / REPEATS;
  for (const own of [querySet, resolved, read]) own.destroy();
  return ms;
}

/** Remembers what each bind group binds: the shapes where TensorFlow.js runs the program, else numbers of values. */
function watchBindGroups(): void {
  let shapes: string | undefined;
  const run = webgpu.runWebGPUProgram.bind(webgpu);
  webgpu.runWebGPUProgram = (...called: Arguments): TensorInfo => {
    const [program, inputs] = called;
    shapes = [...inputs, { shape: program.outputShape }].map(({ shape }) => `[${shape.join(',')}]`).join(' ');
    const result = run(...called);
    shapes = undefined;
    return result;
  };
  const create = device.createBindGroup.bind(device);
  device.createBindGroup = (descriptor) => {
    const group = create(descriptor);
    const sizes = [...descriptor.entries].slice(0, -1).map(({ resource }) => {
      const { buffer } = resource as GPUBufferBinding;
      return buffer.size;
    });
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    bound.set(group, { bytes, shapes: shapes ?? sizes.map((size) => size / 4).join(' ') });
    return group;
  };
}

/** Does the work; the functions in which the host spent most of its time. */
async function profiled(work: () => Promise<void>): Promise<string> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  await work();
  const { profile: found } = await session.post('Profiler.stop');
  session.disconnect();
  const times = new Map<string, number>();
  const names = new Map(found.nodes.map(({ id, callFrame }) => [id, callFrame.functionName || '(nameless)']));
  found.samples?.forEach((id, i) => {
    const called = names.get(id) ?? '';
    times.set(called, (times.get(called) ?? 0) + (found.timeDeltas?.[i] ?? 0) / 1000);
  });
  return [...times]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 14)
    .map(([called, ms]) => `${called} ${ms.toFixed(0)}`)
    .join(', ')
    .replace(/^/u, '  of the host, ms: ');
}
