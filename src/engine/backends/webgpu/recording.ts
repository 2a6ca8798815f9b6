import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { tensor as tensorOf, type Tensor, tidy, util } from '@tensorflow/tfjs-core';
import type { Recorder, Recording } from '../replay.js';
import { forgetCopy, watchChanges } from './program.js';
import { Uploads } from './uploads.js';

/** One program as it was issued: its buffers are in the bind group. */
interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly groups: readonly [number, number, number];
}

/** A tensor's place on the device. */
interface Place {
  readonly buffer: GPUBuffer;
  readonly shape: readonly number[];
}

/** Records work on the WebGPU backend: issued anew, a program costs some 100 us of the host's time; from a recording a few. */
export function webGpuRecorder(backend: WebGPUBackend): Recorder {
  return {
    record(given, work) {
      flush(backend);
      freeUnused(backend);
      const buffers = new RecordedBuffers(backend.device);
      try {
        const inputs = given.map(({ shape }) => buffers.place(shape));
        submit(backend, (encoder) => fill(backend, encoder, buffers.uploads, { places: inputs, given }));
        buffers.uploads.submitted();
        const changed = new Set<object>();
        const dispatches: Dispatch[] = [];
        const restore = [
          keepBuffers(backend, buffers),
          watchChanges(changed),
          watchDispatches(backend.device, dispatches),
        ];
        let outputs: Place[] = [];
        try {
          tidy(() => {
            const kept = inputs.map(({ buffer, shape }) =>
              tensorOf({ buffer, zeroCopy: true }, [...shape], 'float32'),
            );
            outputs = work(kept).map((result) => placeOf(backend, result));
          });
          flush(backend);
        } finally {
          for (const undo of restore) undo();
        }
        const recording = new WebGpuRecording(backend, buffers, { inputs, outputs, dispatches, changed });
        return { results: submit(backend, (encoder) => recording.results(encoder)), recording };
      } catch (error) {
        buffers.destroy();
        throw error;
      }
    },
  };
}

/** What a recording is made of. */
interface Recorded {
  readonly inputs: readonly Place[];
  readonly outputs: readonly Place[];
  readonly dispatches: readonly Dispatch[];
  /** Data of the tensors outside that the work changes in place. */
  readonly changed: ReadonlySet<object>;
}

class WebGpuRecording implements Recording {
  constructor(
    private readonly backend: WebGPUBackend,
    private readonly buffers: RecordedBuffers,
    private readonly recorded: Recorded,
  ) {}

  replay(given: readonly Tensor[]): Tensor[] {
    const { inputs, dispatches, changed } = this.recorded;
    flush(this.backend);
    const results = submit(this.backend, (encoder) => {
      fill(this.backend, encoder, this.buffers.uploads, { places: inputs, given });
      const pass = encoder.beginComputePass();
      let current: GPUComputePipeline | undefined;
      for (const { pipeline, bindGroup, groups } of dispatches) {
        if (pipeline !== current) pass.setPipeline(pipeline);
        current = pipeline;
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
      }
      pass.end();
      return this.results(encoder);
    });
    this.buffers.uploads.submitted();
    for (const dataId of changed) forgetCopy(this.backend, dataId);
    return results;
  }

  /** Copies of the outputs: the next replay writes over them. */
  results(encoder: GPUCommandEncoder): Tensor[] {
    const { bufferManager, tensorMap } = this.backend;
    return this.recorded.outputs.map(({ buffer, shape }) => {
      const copy = bufferManager.acquireBuffer(buffer.size, buffer.usage);
      encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
      const result = tensorOf({ buffer: copy, zeroCopy: true }, [...shape], 'float32');
      // The tensor gives the buffer back to the backend's own.
      Object.assign(tensorMap.get(result.dataId), { external: false });
      return result;
    });
  }

  dispose(): void {
    this.buffers.destroy();
  }
}

/** Gives the device commands of its own in one piece. */
function submit<T>({ device }: WebGPUBackend, encode: (encoder: GPUCommandEncoder) => T): T {
  const encoder = device.createCommandEncoder();
  const result = encode(encoder);
  device.queue.submit([encoder.finish()]);
  return result;
}

/** Gives the device what the backend still holds back, and gives back the buffers that waited for it. */
function flush(backend: WebGPUBackend): void {
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
}

/** Frees what earlier work left for reuse: a recording has its own buffers. */
function freeUnused({ bufferManager }: WebGPUBackend): void {
  const manager = bufferManager as unknown as {
    readonly freeBuffers: Map<string, GPUBuffer[]>;
    numFreeBuffers: number;
    numBytesAllocated: number;
  };
  for (const buffers of manager.freeBuffers.values()) {
    for (const buffer of buffers.splice(0)) {
      manager.numFreeBuffers--;
      manager.numBytesAllocated -= buffer.size;
      buffer.destroy();
    }
  }
}

/** Puts tensors into places: from the host where they are not on the device yet. */
function fill(
  { tensorMap }: WebGPUBackend,
  encoder: GPUCommandEncoder,
  uploads: Uploads,
  { places, given }: { readonly places: readonly Place[]; readonly given: readonly Tensor[] },
): void {
  places.forEach(({ buffer, shape }, i) => {
    const tensor = given[i];
    if (tensor === undefined || !util.arraysEqual([...shape], tensor.shape) || tensor.dtype !== 'float32')
      throw new Error(`a recording made for [${shape.join(', ')}] was given something else`);
    const { resource, values } = tensorMap.get(tensor.dataId);
    if (resource instanceof GPUBuffer) encoder.copyBufferToBuffer(resource, 0, buffer, 0, buffer.size);
    else if (values instanceof Float32Array) uploads.write(encoder, buffer, values);
    else throw new Error('an input of a recording has no values');
  });
}

function placeOf({ tensorMap }: WebGPUBackend, { dataId, shape }: Tensor): Place {
  const { resource } = tensorMap.get(dataId);
  if (!(resource instanceof GPUBuffer)) throw new Error('a recorded result is not on the device');
  return { buffer: resource, shape };
}

/** Buffers of one recording: those of passing tensors are used again within it, nobody else gets them. */
class RecordedBuffers {
  readonly uploads: Uploads;
  private readonly all = new Set<GPUBuffer>();
  private readonly free = new Map<string, GPUBuffer[]>();
  /** Written once, by the host: what a program reads there must stand there at every replay. */
  private readonly constant = new Set<GPUBuffer>();

  constructor(private readonly device: GPUDevice) {
    this.uploads = new Uploads(device);
  }

  owns(buffer: GPUBuffer): boolean {
    return this.all.has(buffer);
  }

  acquire(size: number, usage: number, mappedAtCreation: boolean): GPUBuffer {
    const constant = mappedAtCreation || (usage & GPUBufferUsage.UNIFORM) !== 0;
    const freed = constant ? undefined : this.free.get(`${size} ${usage}`)?.pop();
    const buffer = freed ?? this.device.createBuffer({ size, usage, mappedAtCreation });
    this.all.add(buffer);
    if (constant) this.constant.add(buffer);
    return buffer;
  }

  release(buffer: GPUBuffer): void {
    if (this.constant.has(buffer)) return;
    const key = `${buffer.size} ${buffer.usage}`;
    this.free.set(key, [...(this.free.get(key) ?? []), buffer]);
  }

  /** A place for a float32 tensor that is filled before each replay. */
  place(shape: readonly number[]): Place {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.device.createBuffer({ size: 4 * util.sizeFromShape([...shape]), usage });
    this.all.add(buffer);
    return { buffer, shape };
  }

  destroy(): void {
    for (const buffer of this.all) buffer.destroy();
    this.all.clear();
    this.uploads.destroy();
  }
}

/** While work is recorded, the backend gets its buffers from the recording. */
function keepBuffers({ bufferManager }: WebGPUBackend, buffers: RecordedBuffers): () => void {
  const release = bufferManager.releaseBuffer.bind(bufferManager);
  bufferManager.acquireBuffer = (size, usage, mappedAtCreation = false) =>
    buffers.acquire(size, usage, mappedAtCreation);
  bufferManager.releaseBuffer = (buffer, reuse) => {
    if (buffers.owns(buffer)) buffers.release(buffer);
    else release(buffer, reuse);
  };
  return () => {
    Reflect.deleteProperty(bufferManager, 'acquireBuffer');
    Reflect.deleteProperty(bufferManager, 'releaseBuffer');
  };
}

/** Notes the programs that the device is given. Copies between buffers would not be noted, so they are refused. */
function watchDispatches(device: GPUDevice, dispatches: Dispatch[]): () => void {
  const create = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = create(descriptor);
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (pass) => noting(begin(pass), dispatches);
    encoder.copyBufferToBuffer = () => {
      throw new Error('work with a copy between buffers cannot be recorded');
    };
    return encoder;
  };
  return () => void Reflect.deleteProperty(device, 'createCommandEncoder');
}

function noting(pass: GPUComputePassEncoder, dispatches: Dispatch[]): GPUComputePassEncoder {
  const setPipeline = pass.setPipeline.bind(pass);
  const setBindGroup = pass.setBindGroup.bind(pass);
  const dispatch = pass.dispatchWorkgroups.bind(pass);
  let pipeline: GPUComputePipeline | undefined;
  let bindGroup: GPUBindGroup | null = null;
  pass.setPipeline = (set) => {
    pipeline = set;
    setPipeline(set);
  };
  pass.setBindGroup = (index: number, set: GPUBindGroup | null) => {
    bindGroup = set;
    setBindGroup(index, set);
  };
  pass.dispatchWorkgroups = (x, y = 1, z = 1) => {
    if (pipeline !== undefined && bindGroup !== null)
      dispatches.push({ pipeline, bindGroup, groups: [x, y, z] });
    dispatch(x, y, z);
  };
  return pass;
}
