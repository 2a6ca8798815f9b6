import { readFile } from 'node:fs/promises';

/** The functions of kernels.wasm: addresses are byte offsets into the heap of the tfjs backend, 0 is none. */
export interface TrainingKernels {
  convScratchBytes(geometry: number): number;
  convForward(
    geometry: number,
    x: number,
    filter: number,
    bias: number,
    y: number,
    scratch: number,
    low: number,
    high: number,
  ): void;
  convInputGradient(geometry: number, dy: number, filter: number, dx: number, scratch: number): void;
  convFilterGradient(geometry: number, x: number, dy: number, dFilter: number, scratch: number): void;
  depthwiseScratchBytes(geometry: number): number;
  depthwiseForward(
    geometry: number,
    x: number,
    filter: number,
    bias: number,
    y: number,
    scratch: number,
    low: number,
    high: number,
  ): void;
  depthwiseInputGradient(geometry: number, dy: number, filter: number, dx: number, scratch: number): void;
  depthwiseFilterGradient(geometry: number, x: number, dy: number, dFilter: number, scratch: number): void;
  convBackward(
    geometry: number,
    x: number,
    y: number,
    dy: number,
    filter: number,
    dx: number,
    dFilter: number,
    dBias: number,
    scratch: number,
    high: number,
  ): void;
  depthwiseBackward(
    geometry: number,
    x: number,
    y: number,
    dy: number,
    filter: number,
    dx: number,
    dFilter: number,
    dBias: number,
    scratch: number,
    high: number,
  ): void;
  addInPlace(target: number, source: number, count: number): void;
  imageInputScratchBytes(size: number): number;
  imageInput(
    pixels: number,
    height: number,
    width: number,
    y1: number,
    x1: number,
    y2: number,
    x2: number,
    size: number,
    scratch: number,
    out: number,
  ): void;
  sgdMomentum(
    weight: number,
    velocity: number,
    gradient: number,
    count: number,
    learningRate: number,
    momentum: number,
    weightDecay: number,
  ): void;
}

/** Three folders below the package's root both as source and as built, so one relative path serves both. */
const file = new URL('../../../dist/backend/wasm/kernels.wasm', import.meta.url);

/**
 * Instantiates the training kernels over the memory of the tfjs backend, which they use in place: they have no
 * data, stack or globals of their own. Throws where the module has not been built.
 */
export async function instantiateKernels(memory: WebAssembly.Memory): Promise<TrainingKernels> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await readFile(file));
  } catch (cause) {
    throw new Error(`The training kernels are missing at ${file.pathname}; "npm run build" makes them.`, {
      cause,
    });
  }
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  return instance.exports as unknown as TrainingKernels;
}
