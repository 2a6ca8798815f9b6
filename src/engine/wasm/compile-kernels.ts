import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { UsageError } from '../../errors.js';
import type { Arithmetic } from '../backends/backend-info.js';

/** The kernels' code, and how it adds a product to a sum. */
export interface CompiledKernels {
  readonly module: WebAssembly.Module;
  /** Of the module's bytes, in hexadecimal. */
  readonly sha256: string;
  readonly arithmetic: Arithmetic;
}

/** `separate` where results have to be the same bits as on processors that cannot fuse. */
const CHOICE = 'ONECYCLE_ARITHMETIC';

/** Three folders below the package's root both as source and as built, so one relative path serves both. */
const folder = new URL('../../../dist/engine/wasm/', import.meta.url);

let compiled: Promise<CompiledKernels> | undefined;

/**
 * The fastest build of the kernels that works here, compiled once for all threads. Throws where it has not been built, and
 * UsageError where the environment asks for something else than `separate`.
 */
export function compileKernels(): Promise<CompiledKernels> {
  compiled ??= fastest();
  return compiled;
}

async function fastest(): Promise<CompiledKernels> {
  const choice = process.env[CHOICE] ?? '';
  if (choice !== '' && choice !== 'separate') {
    throw new UsageError(
      `Expected separate for the environment variable ${CHOICE} but received ${choice}. Unset it to compute as fast as this processor can.`,
    );
  }
  return (choice === '' ? await compileFused() : undefined) ?? compileSeparate();
}

/** The build that rounds a product before it is added, which works everywhere. */
export async function compileSeparate(): Promise<CompiledKernels> {
  const bytes = await read('kernels.wasm');
  return { module: await WebAssembly.compile(bytes), sha256: sha256Of(bytes), arithmetic: 'separate' };
}

/** The build that does not; undefined where the processor or V8 cannot do it. */
export async function compileFused(): Promise<CompiledKernels | undefined> {
  const bytes = await read('kernels-fused.wasm');
  if (!WebAssembly.validate(bytes)) {
    // Node 20 has these instructions behind a flag, later ones without. It holds for all threads of the process.
    setFlagsFromString('--experimental-wasm-relaxed-simd');
    if (!WebAssembly.validate(bytes)) return undefined;
  }
  const module = await WebAssembly.compile(bytes);
  return (await fuses(module)) ? { module, sha256: sha256Of(bytes), arithmetic: 'fused' } : undefined;
}

/** Relaxed SIMD leaves it to the processor: what it cannot fuse has the other build's bits, and that is what it is called then. */
async function fuses(module: WebAssembly.Module): Promise<boolean> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const { roundingOfSquare } = await instantiateKernels(module, memory);
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24, of which float32 cannot hold the last.
  return roundingOfSquare(1 + 2 ** -12) === 2 ** -24;
}

const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function read(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = new URL(name, folder);
  try {
    return new Uint8Array(await readFile(file));
  } catch (cause) {
    throw new Error(`the training kernels are missing at ${file.pathname}`, {
      cause,
    });
  }
}

/**
 * The functions of kernels.wasm and kernels-fused.wasm, each described where it is written, in kernels/. Addresses are byte
 * offsets into the memory, 0 is none; geometries are as `writeGeometry` writes them, layers as `writeLayer` does.
 */
export interface TrainingKernels {
  convScratchBytes(geometry: number): number;
  packFilter(geometry: number, filter: number, panels: number): void;
  packFilterTransposed(geometry: number, filter: number, panels: number): void;
  convForward(
    geometry: number,
    images: number,
    x: number,
    panels: number,
    bias: number,
    y: number,
    scratch: number,
    low: number,
    high: number,
  ): void;
  convBackward(
    geometry: number,
    images: number,
    x: number,
    dy: number,
    panels: number,
    dFilter: number,
    dBias: number,
    zeros: number,
    scratch: number,
    low: number,
    high: number,
  ): void;
  depthwiseForward(
    geometry: number,
    images: number,
    x: number,
    filter: number,
    bias: number,
    y: number,
    zeros: number,
    low: number,
    high: number,
  ): void;
  depthwiseBackward(
    geometry: number,
    images: number,
    x: number,
    dy: number,
    filter: number,
    dFilter: number,
    dBias: number,
    zeros: number,
    needInput: boolean,
    low: number,
    high: number,
  ): void;
  layerScratchBytes(geometry: number, depthwise: boolean): number;
  convLayer(
    geometry: number,
    own: number,
    before: number,
    firstImage: number,
    images: number,
    panels: number,
    bias: number,
    sums: number,
    scratch: number,
  ): void;
  convLayerBackward(
    geometry: number,
    own: number,
    before: number,
    hasSecond: boolean,
    firstImage: number,
    images: number,
    panels: number,
    dFilter: number,
    dBias: number,
    zeros: number,
    sums: number,
    scratch: number,
  ): void;
  depthwiseLayer(
    geometry: number,
    own: number,
    before: number,
    firstImage: number,
    images: number,
    filter: number,
    bias: number,
    zeros: number,
    sums: number,
    scratch: number,
  ): void;
  depthwiseLayerBackward(
    geometry: number,
    own: number,
    before: number,
    hasSecond: boolean,
    firstImage: number,
    images: number,
    filter: number,
    dFilter: number,
    dBias: number,
    zeros: number,
    sums: number,
    scratch: number,
    dBefore: number,
  ): void;
  recomputedScratchBytes(depth: number, channels: number): number;
  sourceMoments(source: number, firstImage: number, images: number, sums: number, scratch: number): void;
  finishRecomputed(
    layer: number,
    filter: number,
    sums: number,
    sumBytes: number,
    parts: number,
    count: number,
    gamma: number,
    beta: number,
    epsilon: number,
    moments: number,
  ): void;
  finishRecomputedBackward(
    layer: number,
    filter: number,
    sums: number,
    sumBytes: number,
    parts: number,
    dFilter: number,
    rowBytes: number,
    count: number,
    gamma: number,
    epsilon: number,
    moments: number,
    dGamma: number,
    dBeta: number,
  ): void;
  correctSource(layer: number, firstImage: number, images: number, sums: number, scratch: number): void;
  finishForward(
    layer: number,
    sums: number,
    parts: number,
    count: number,
    gamma: number,
    beta: number,
    epsilon: number,
    moments: number,
  ): void;
  finishBackward(
    layer: number,
    sums: number,
    parts: number,
    count: number,
    gamma: number,
    epsilon: number,
    moments: number,
    dGamma: number,
    dBeta: number,
  ): void;
  addBlockInput(layer: number, input: number, firstImage: number, images: number): void;
  poolLayer(layer: number, firstImage: number, images: number, pooled: number): void;
  poolLayerBackward(layer: number, firstImage: number, images: number, dPooled: number, sums: number): void;
  poolForward(x: number, pooled: number, images: number, positions: number, channels: number): void;
  poolBackward(
    x: number,
    dPooled: number,
    images: number,
    positions: number,
    channels: number,
    low: number,
    high: number,
  ): void;
  clear(target: number, count: number): void;
  addInPlace(target: number, source: number, count: number): void;
  maskInPlace(values: number, activations: number, count: number, low: number, high: number): void;
  sgdMomentum(
    weight: number,
    velocity: number,
    gradient: number,
    rows: number,
    rowBytes: number,
    count: number,
    learningRate: number,
    momentum: number,
    weightDecay: number,
  ): void;
  roundingOfSquare(x: number): number;
  imageInputScratchBytes(size: number): number;
  /** @param entry address of the image's place and box, see the class in kernels/image-input.as.ts */
  imageInput(entry: number, size: number, scratch: number, out: number): void;
}

/** The kernels over a memory: they have no data, stack or globals of their own, so threads may share it. */
export async function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Promise<TrainingKernels> {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return exports as unknown as TrainingKernels;
}
