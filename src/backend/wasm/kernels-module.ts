/**
 * The functions of kernels.wasm and kernels-fused.wasm, each described where it is written, in kernels/. Addresses are byte
 * offsets into the memory, 0 is none; geometries are as `writeGeometry` writes them.
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
