import asc from 'assemblyscript/asc';
import { startBackend } from '../../src/engine/backends/choose.js';
import type { StepCase } from './bench-peers.js';
import { table } from './bench-report.js';
import { openStep } from './our-network.js';

// How far each kernel is from what arithmetic and memory allow (Williams, Waterman and Patterson, Roofline, CACM 52(4), 2009). The
// engine makes its steps on one thread; its kernels are timed from outside, call by call.

/** What a call of a kernel computes, and the bytes it cannot do without: each operand read once, each result written once. */
interface Work {
  readonly operations: number;
  readonly bytes: number;
}

/** All calls of a kernel on one kind of convolution in a step. */
interface RooflineRow extends Work {
  readonly kernel: string;
  readonly calls: number;
  readonly milliseconds: number;
  /** The longer of what the operations and what the bytes take at least. */
  readonly bound: number;
}

/** A step on one thread. */
interface Roofline {
  readonly key: string;
  readonly batch: number;
  readonly rows: readonly RooflineRow[];
  /** The whole step, kernels and all else. */
  readonly milliseconds: number;
}

/** What one core can do. */
interface Machine {
  /** Multiplications and additions a second, with WebAssembly's vectors. */
  readonly operationsPerSecond: number;
  /** Read from or written to memory a second, by a copy of more than any cache holds. */
  readonly bytesPerSecond: number;
}

/** Twelve sums that do not wait for each other, and a copy. */
const PROBE = `
export function sums(count: i32): f32 {
  let a = f32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
  const x = f32x4.splat(1.0000001), y = f32x4.splat(0.5);
  for (let n = 0; n < count; n++) {
    a = FUSED(x, y, a); b = FUSED(x, y, b); c = FUSED(x, y, c); d = FUSED(x, y, d);
    e = FUSED(x, y, e); f = FUSED(x, y, f); g = FUSED(x, y, g); h = FUSED(x, y, h);
    i = FUSED(x, y, i); j = FUSED(x, y, j); k = FUSED(x, y, k); l = FUSED(x, y, l);
  }
  a = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), f32x4.add(g, h)));
  a = f32x4.add(a, f32x4.add(f32x4.add(i, j), f32x4.add(k, l)));
  return f32x4.extract_lane(a, 0);
}
export function copy(from: usize, to: usize, bytes: usize): void {
  for (let at: usize = 0; at < bytes; at += 64) {
    v128.store(to + at, v128.load(from + at));
    v128.store(to + at, v128.load(from + at, 16), 16);
    v128.store(to + at, v128.load(from + at, 32), 32);
    v128.store(to + at, v128.load(from + at, 48), 48);
  }
}
@inline function FUSED(x: v128, y: v128, sum: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
}`;
const PROBE_OPERATIONS = 12 * 4 * 2;
const COPIED_BYTES = 256 * 2 ** 20;

async function measureMachine(fused: boolean): Promise<Machine> {
  const features = fused ? ['simd', 'relaxed-simd'] : ['simd'];
  const { error, binary, stderr } = await asc.compileString(PROBE, {
    optimizeLevel: 3,
    runtime: 'stub',
    initialMemory: (2 * COPIED_BYTES) / 65536 + 16,
    enable: features,
  });
  if (error !== null || binary === null) throw new Error(`the probe does not compile: ${stderr.toString()}`);
  const probe = await WebAssembly.compile(new Uint8Array(binary));
  const { sums, copy } = (await WebAssembly.instantiate(probe, {})).exports as {
    sums: (count: number) => number;
    copy: (from: number, to: number, bytes: number) => void;
  };
  const count = 20_000_000;
  const fastest = (work: () => unknown) => Math.min(...Array.from({ length: 7 }, () => seconds(work)));
  const begin = 65536;
  return {
    operationsPerSecond: (count * PROBE_OPERATIONS) / fastest(() => sums(count)),
    bytesPerSecond: (2 * COPIED_BYTES) / fastest(() => copy(begin, begin + COPIED_BYTES, COPIED_BYTES)),
  };
}

function seconds(work: () => unknown): number {
  const begin = performance.now();
  work();
  return (performance.now() - begin) / 1000;
}

/** The sizes of a convolution, as `writeGeometry` writes them; counts are of one image's floats. */
interface Convolution {
  readonly kind: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly filter: number;
  /** Inputs that an output is the sum of. */
  readonly depth: number;
}

function convolutionAt({ buffer }: WebAssembly.Memory, address: number, depthwise: boolean): Convolution {
  const [inHeight = 0, inWidth = 0, inChannels = 0, outHeight = 0, outWidth = 0, ...rest] = new Int32Array(
    buffer,
    address,
    9,
  );
  const [outChannels = 0, height = 0, width = 0, stride = 0] = rest;
  const depth = height * width * (depthwise ? 1 : inChannels);
  const plain = height * width * stride === 1 ? 'pointwise' : `${height} x ${width}, stride ${stride}`;
  return {
    kind: depthwise ? `depthwise, stride ${stride}` : plain,
    inputs: inHeight * inWidth * inChannels,
    outputs: outHeight * outWidth * outChannels,
    filter: depth * outChannels,
    depth,
  };
}

/** The floats of one image that a convolution's kernel reads and writes at least, and its products: forward, or of gradients. */
type Passes = (
  args: readonly number[],
  sizes: Convolution,
) => { images: number; products: number; floats: number };

const forward =
  (imagesAt: number): Passes =>
  (args, { inputs, outputs }) => ({ images: args[imagesAt] ?? 0, products: 1, floats: inputs + outputs });

/** @param outputMaps of the output that are read: its gradient, and with batch norm the sums before it */
const backward =
  (imagesAt: number, inputGradientAt: number, outputMaps: number): Passes =>
  (args, { inputs, outputs }) => {
    const handsOn = Boolean(args[inputGradientAt]);
    return {
      images: args[imagesAt] ?? 0,
      products: handsOn ? 2 : 1,
      floats: outputMaps * outputs + (handsOn ? 2 : 1) * inputs,
    };
  };

/** By kernel; arguments are counted from 0, the geometry. */
const CONVOLUTIONS: Readonly<Record<string, Passes>> = {
  convForward: forward(1),
  convBackward: backward(1, 4, 1),
  depthwiseForward: forward(1),
  depthwiseBackward: backward(1, 8, 1),
  convLayer: forward(4),
  convLayerBackward: backward(5, 6, 2),
  depthwiseLayer: forward(4),
  // Always after another layer.
  depthwiseLayerBackward: backward(5, 0, 2),
};

/** Of the others that take time; arguments as in `TrainingKernels`. */
const OTHERS: Readonly<Record<string, (args: readonly number[]) => Work>> = {
  addInPlace: ([, , count = 0]) => ({ operations: count, bytes: 12 * count }),
  clear: ([, count = 0]) => ({ operations: 0, bytes: 4 * count }),
  sgdMomentum: ([, , , rows = 0, , count = 0]) => ({
    operations: (rows + 5) * count,
    bytes: 4 * (rows + 4) * count,
  }),
  poolForward: ([, , images = 0, positions = 0, channels = 0]) => ({
    operations: images * positions * channels,
    bytes: 4 * images * positions * channels,
  }),
  poolBackward: ([, , images = 0, positions = 0, channels = 0]) => ({
    operations: images * positions * channels,
    bytes: 8 * images * positions * channels,
  }),
};

interface Call extends Work {
  readonly kernel: string;
  readonly milliseconds: number;
}

/** What a call did. Where a kernel's work is not known it counts as none. */
function workOf(
  memory: WebAssembly.Memory,
  name: string,
  args: readonly number[],
): Work & { kernel: string } {
  const passes = CONVOLUTIONS[name];
  if (passes === undefined) return { kernel: name, ...(OTHERS[name]?.(args) ?? { operations: 0, bytes: 0 }) };
  const sizes = convolutionAt(memory, args[0] ?? 0, name.startsWith('depthwise'));
  const { images, products, floats } = passes(args, sizes);
  return {
    kernel: `${name}, ${sizes.kind}`,
    operations: 2 * products * images * sizes.outputs * sizes.depth,
    bytes: 4 * (images * floats + products * sizes.filter),
  };
}

/** Lets the engines that are opened from now on write down each call of a kernel. */
function timeKernels(calls: Call[]): void {
  const { instantiate } = WebAssembly;
  const timed = async (module: WebAssembly.Module, imports: { env: { memory: WebAssembly.Memory } }) => {
    const { exports } = await instantiate(module, imports);
    const wrapped = Object.entries(exports as Record<string, Kernel>).map(([name, kernel]) => [
      name,
      (...args: number[]) => {
        const work = workOf(imports.env.memory, name, args);
        const begin = performance.now();
        const result = kernel(...args);
        calls.push({ ...work, milliseconds: performance.now() - begin });
        return result;
      },
    ]);
    return { exports: Object.fromEntries(wrapped) as object };
  };
  Object.assign(WebAssembly, { instantiate: timed });
}

type Kernel = (...args: number[]) => number | undefined;

/** One network's step. */
async function measureStep(
  work: StepCase,
  trainable: string,
  machine: Machine,
  calls: Call[],
): Promise<Roofline> {
  const { engine, step } = await openStep(work, 1, trainable);
  for (let i = 0; i < work.warmUp; i++) await step();
  let fastest: Call[] = [];
  let milliseconds = Infinity;
  for (let i = 0; i < REPETITIONS; i++) {
    calls.length = 0;
    milliseconds = Math.min(milliseconds, await step());
    const before = fastest;
    fastest = calls.map((call, k) => ({
      ...call,
      milliseconds: Math.min(call.milliseconds, before[k]?.milliseconds ?? Infinity),
    }));
  }
  await engine.dispose();
  return { key: work.key, batch: work.batch, rows: rowsOf(fastest, machine), milliseconds };
}

/** Steps, of whose calls each counts with its fastest: on a shared machine the others may be half as fast. */
const REPETITIONS = 12;

/** By kernel, the longest first. Batch norm's own arithmetic, and what a kernel computes anew, count as no operations. */
function rowsOf(calls: readonly Call[], { operationsPerSecond, bytesPerSecond }: Machine): RooflineRow[] {
  const rows = [...new Set(calls.map(({ kernel }) => kernel))].map((kernel): RooflineRow => {
    const own = calls.filter((call) => call.kernel === kernel);
    const sum = (value: (call: Call) => number) => own.reduce((total, call) => total + value(call), 0);
    return {
      kernel,
      calls: own.length,
      operations: sum(({ operations }) => operations),
      bytes: sum(({ bytes }) => bytes),
      milliseconds: sum(({ milliseconds }) => milliseconds),
      // Call by call, since what holds up one convolution need not hold up another.
      bound: sum(
        ({ operations, bytes }) => 1000 * Math.max(operations / operationsPerSecond, bytes / bytesPerSecond),
      ),
    };
  });
  return rows.toSorted((a, b) => b.milliseconds - a.milliseconds);
}

/**
 * Measures the steps one after another on one thread.
 * @param trainable what they train, as --trainable has it
 */
export async function benchRoofline(
  cases: readonly StepCase[],
  trainable: string,
  say: (line: string) => void,
): Promise<string> {
  const { arithmetic } = await startBackend('wasm');
  const machine = await measureMachine(arithmetic === 'fused');
  const calls: Call[] = [];
  timeKernels(calls);
  const parts = [
    `One thread: at most ${giga(machine.operationsPerSecond)} GFLOP/s (multiplied and added in registers) and ` +
      `${giga(machine.bytesPerSecond)} GB/s (copied in memory). A kernel's bound is the longer of what its operations ` +
      'and its bytes take at these rates; maps that still lie in a cache may take less.',
  ];
  for (const work of cases) {
    say(`roofline: ${work.key}`);
    const { milliseconds, rows } = await measureStep(work, trainable, machine, calls);
    parts.push(
      `${work.key}, batch ${work.batch}: ${milliseconds.toFixed(1)} ms a step`,
      rowsTable(rows, milliseconds),
    );
  }
  return parts.join('\n\n');
}

const giga = (rate: number) => (rate / 1e9).toFixed(1);

function rowsTable(rows: readonly RooflineRow[], milliseconds: number): string {
  const inKernels = rows.reduce((sum, row) => sum + row.milliseconds, 0);
  const sum = (part: 'operations' | 'bytes' | 'bound' | 'calls') =>
    rows.reduce((total, row) => total + row[part], 0);
  const all = {
    kernel: 'all kernels',
    calls: sum('calls'),
    operations: sum('operations'),
    bytes: sum('bytes'),
    milliseconds: inKernels,
    bound: sum('bound'),
  };
  const cells = (row: RooflineRow) => [
    row.kernel,
    row.calls.toFixed(0),
    row.milliseconds.toFixed(2),
    `${((100 * row.milliseconds) / milliseconds).toFixed(1)}%`,
    row.operations > 0 ? giga((1000 * row.operations) / row.milliseconds) : '–',
    row.bytes > 0 ? giga((1000 * row.bytes) / row.milliseconds) : '–',
    row.bound > 0 ? `${((100 * row.bound) / row.milliseconds).toFixed(0)}%` : '–',
  ];
  const head = ['kernel', 'calls', 'ms', 'of the step', 'GFLOP/s', 'GB/s', 'of its bound'];
  return table(head, [...rows.filter((row) => row.milliseconds > 0.002 * milliseconds), all].map(cells));
}
