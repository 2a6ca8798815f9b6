import type { backend_util, TensorInfo } from '@tensorflow/tfjs-core';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { RunError } from '../../errors/errors.js';
import { instantiateKernels, type TrainingKernels } from './kernels-module.js';

/** The backend's heap as the training kernels use it: tensors by address, and one growing piece of scratch. */
export interface Heap {
  readonly kernels: TrainingKernels;
  /** Byte offset of a tensor's values. */
  address(tensor: TensorInfo): number;
  /** A new float32 tensor, its values undefined; RunError where the heap is full. */
  output(shape: readonly number[]): TensorInfo;
  /** Writes the shapes where the kernels read them and returns that address. */
  geometry(info: backend_util.Conv2DInfo): number;
  /** Address of at least `bytes` of scratch, valid until the next call; its contents are undefined. */
  scratch(bytes: number): number;
  /** The values at an address, in place; valid until the next allocation. */
  floats(address: number, count: number): Float32Array;
  /** Puts bytes at an address. */
  write(bytes: Uint8Array, address: number): void;
}

/** The part of Emscripten's module object that is used here. */
interface EmscriptenModule {
  _malloc(bytes: number): number;
  _free(address: number): void;
  readonly HEAPU8: Uint8Array;
}

const GEOMETRY_INTEGERS = 13;

/** Opens the heap of a wasm backend and makes every failed allocation on it an error that says so. */
export async function openHeap(backend: BackendWasm): Promise<Heap> {
  const { dataIdMap } = backend;
  const wasm = backend.wasm as unknown as EmscriptenModule;
  guardAllocation(wasm);
  const memory = memoryOf(wasm);
  const kernels = await instantiateKernels(memory);
  const geometryAddress = wasm._malloc(GEOMETRY_INTEGERS * 4) >>> 0;
  let scratchAddress = 0;
  let scratchBytes = 0;
  return {
    kernels,
    address: ({ dataId }) => dataIdMap.get(dataId).memoryOffset >>> 0,
    output: (shape) => backend.makeOutput([...shape], 'float32'),
    geometry(info) {
      const integers = geometryIntegers(info);
      // The memory's buffer is a new one after each growth.
      new Int32Array(memory.buffer, geometryAddress, integers.length).set(integers);
      return geometryAddress;
    },
    scratch(bytes) {
      if (bytes > scratchBytes) {
        wasm._free(scratchAddress);
        scratchBytes = 0;
        scratchAddress = 0;
        scratchAddress = wasm._malloc(bytes) >>> 0;
        scratchBytes = bytes;
      }
      return scratchAddress;
    },
    floats: (address, count) => new Float32Array(memory.buffer, address, count),
    write: (bytes, address) => new Uint8Array(memory.buffer).set(bytes, address),
  };
}

/** In the order of the class Geometry in kernels/geometry.as.ts. */
function geometryIntegers(info: backend_util.Conv2DInfo): number[] {
  return [
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.outChannels,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.padInfo.top,
    info.padInfo.left,
  ];
}

/**
 * The backend takes malloc's 0 for an address and writes the tensor over its own data. Guarding malloc itself
 * covers all its allocations from JavaScript, those of its own kernels too.
 */
function guardAllocation(wasm: EmscriptenModule): void {
  // Emscripten's first call replaces `_malloc` by the export itself; let it do so before the guard is set.
  wasm._free(wasm._malloc(16));
  const allocate = wasm._malloc;
  wasm._malloc = (bytes) => {
    const address = bytes <= 0xffffffff ? allocate(bytes) : 0;
    if (address === 0) {
      const heap = (wasm.HEAPU8.length / 2 ** 30).toFixed(1);
      throw new RunError(
        `The wasm heap (4 GB) is full: ${(bytes / 2 ** 20).toFixed(1)} MiB could not be allocated on top of ${heap} GiB. ` +
          'Use a smaller image size or batch size, or a narrower network.',
      );
    }
    return address;
  };
}

function memoryOf(wasm: object): WebAssembly.Memory {
  const exports: unknown = Reflect.get(wasm, 'asm');
  const memory: unknown =
    typeof exports === 'object' && exports !== null ? Reflect.get(exports, 'memory') : undefined;
  if (!(memory instanceof WebAssembly.Memory)) {
    throw new Error('This version of @tensorflow/tfjs-backend-wasm does not show its memory; 4.22 does.');
  }
  return memory;
}
