import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { env, type TensorInfo, util } from '@tensorflow/tfjs-core';

/** A shape for a new tensor, or a tensor to read and write in place. */
type Output = readonly number[] | TensorInfo;

/** One of this project's WGSL programs and what it is run on. All values are float32. */
interface Program {
  /** Tells programs with different code apart. */
  readonly key: string;
  /** Buffers by the names that the code uses; they must be distinct from the outputs'. */
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  /** All buffers hold vectors of four, so their sizes are multiples of it; the code calls their type T, else T is a float. */
  readonly packed?: boolean;
  /** Integers and floats by the names that the code reads as `uniforms.name`. */
  readonly integers?: Readonly<Record<string, number>>;
  readonly floats?: Readonly<Record<string, number>>;
  readonly workgroup: readonly [number, number, number];
  /**
   * Workgroups in each direction; left out for `fn main(index : i32)`, a thread for each T of the first output, `uniforms.size` in
   * all.
   */
  readonly groups?: readonly [number, number, number];
  readonly code: string;
}

/** A program with one output, which its code calls `result`. */
export interface Launch extends Program {
  readonly output: Output;
}

/** A program with outputs by the names that its code uses. */
export interface LaunchOfMany<Name extends string> extends Program {
  readonly outputs: Readonly<Record<Name, Output>>;
}

/** Whether a program can go over the last axis by vectors of four. */
export function isPacked({ shape }: TensorInfo): boolean {
  return (shape.at(-1) ?? 1) % 4 === 0;
}

/** What is used of the backend that its types keep private: it tells when work on a tensor is under way. */
interface Internals {
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  dispatchCountInPass: number;
  readonly commandQueueOwnedIds: WeakSet<object>;
  makeUniforms(values: { type: string; data: number[] }[]): GPUBufferBinding;
}

/** Runs a program; returns its output. */
export function launch(backend: WebGPUBackend, { output, ...program }: Launch): TensorInfo {
  return launchMany(backend, { ...program, outputs: { result: output } }).result;
}

/** Runs a program with several outputs; returns them by name. */
export function launchMany<Name extends string>(
  backend: WebGPUBackend,
  launched: LaunchOfMany<Name>,
): Record<Name, TensorInfo> {
  const { inputs, integers = {}, floats = {} } = launched;

  const internals = backend as unknown as Internals;
  const results = Object.entries<Output>(launched.outputs).map(([name, output]) => {
    const inPlace = 'dataId' in output;
    const tensor = inPlace ? output : backend.makeTensorInfo([...output], 'float32');
    return { name, tensor, inPlace };
  });
  const outputs = Object.fromEntries(results.map(({ name, tensor }) => [name, tensor]));
  const size = util.sizeFromShape(results[0]?.tensor.shape ?? []) / (launched.packed === true ? 4 : 1);
  const groups = launched.groups ?? flatGroups(backend.device, Math.ceil(size / launched.workgroup[0]));
  const pipeline = pipelineOf(backend.device, launched, Object.keys(outputs));
  const tensors = [...Object.values(inputs), ...Object.values(outputs)];
  const bindings = tensors.map(({ dataId }) => {
    backend.uploadToGPU(dataId);
    internals.commandQueueOwnedIds.add(dataId);
    const { resource } = backend.tensorMap.get(dataId);
    if (!(resource instanceof GPUBuffer))
      throw new Error(`${launched.key} was given a tensor without a buffer`);
    return { buffer: resource };
  });
  const uniforms = internals.makeUniforms([
    ...[size, ...Object.values(integers)].map((value) => ({ type: 'int32', data: [value] })),
    ...Object.values(floats).map((value) => ({ type: 'float32', data: [value] })),
  ]);
  const bindGroup = backend.device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [...bindings, uniforms].map((resource, binding) => ({ binding, resource })),
  });
  backend.ensureCommandEncoderReady();
  const pass = (internals.computePassEncoder ??= internals.commandEncoder?.beginComputePass() ?? null);
  pass?.setPipeline(pipeline);
  pass?.setBindGroup(0, bindGroup);
  pass?.dispatchWorkgroups(...groups);
  if (++internals.dispatchCountInPass >= env().getNumber('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE')) {
    backend.endComputePassEncoder();
    backend.submitQueue();
  }
  for (const { tensor, inPlace } of results) {
    if (!inPlace) continue;
    forgetCopy(backend, tensor.dataId);
    noted?.add(tensor.dataId);
  }

  return outputs as Record<Name, TensorInfo>;
}

let noted: Set<object> | undefined;

/** From here on notes the data of the tensors that programs change in place, until what it returns is called. */
export function watchChanges(changed: Set<object>): () => void {
  noted = changed;
  return () => (noted = undefined);
}

/** The backend keeps what was once read of a tensor; after a change in place that is out of date. */
export function forgetCopy(backend: WebGPUBackend, dataId: object): void {
  if (!backend.tensorMap.has(dataId)) return;
  const data = backend.tensorMap.get(dataId);
  if (data.resource) Object.assign(data, { values: null });
}

const pipelines = new WeakMap<GPUDevice, Map<string, GPUComputePipeline>>();

function pipelineOf(device: GPUDevice, program: Program, outputs: readonly string[]): GPUComputePipeline {
  const known = pipelines.get(device) ?? new Map<string, GPUComputePipeline>();
  pipelines.set(device, known);
  const key = `${program.key}${program.packed === true ? '-packed' : ''}`;
  const made = known.get(key);
  if (made !== undefined) return made;
  const label = `onecycle-${key}`;
  const module = device.createShaderModule({ code: shader(program, outputs), label });
  const pipeline = device.createComputePipeline({
    compute: { module, entryPoint: 'entry' },
    label,
    layout: 'auto',
  });
  known.set(key, pipeline);
  return pipeline;
}

/** The program's code with its bindings before it: inputs, outputs, uniforms. */
function shader(program: Program, outputs: readonly string[]): string {
  const { inputs, packed = false, integers = {}, floats = {}, workgroup, groups, code } = program;
  const names = Object.keys(inputs);
  const buffers = [
    ...names.map((name) => `var<storage, read> ${name} : array<T>;`),
    ...outputs.map((name) => `var<storage, read_write> ${name} : array<T>;`),
    'var<uniform> uniforms : Uniforms;',
  ];
  return `
    alias T = ${packed ? 'vec4<f32>' : 'f32'};
    struct Uniforms {
      size : i32,
      ${Object.keys(integers)
        .map((name) => `${name} : i32,`)
        .join(' ')}
      ${Object.keys(floats)
        .map((name) => `${name} : f32,`)
        .join(' ')}
    };
    ${buffers.map((declared, binding) => `@group(0) @binding(${binding}) ${declared}`).join('\n')}
    var<private> localId : vec3<u32>;
    var<private> localIndex : u32;
    var<private> workgroupId : vec3<u32>;
    ${code}
    @compute @workgroup_size(${workgroup.join(', ')})
    fn entry(
      @builtin(local_invocation_id) local : vec3<u32>,
      @builtin(local_invocation_index) place : u32,
      @builtin(workgroup_id) group : vec3<u32>,
      @builtin(num_workgroups) groups : vec3<u32>,
    ) {
      localId = local;
      localIndex = place;
      workgroupId = group;
      _ = uniforms.size;
      ${groups === undefined ? `main(i32((group.y * groups.x + group.x) * ${workgroup[0]}u + local.x));` : 'main();'}
    }`;
}

/** A row of workgroups, or a square of them where a row has not room for all. */
function flatGroups({ limits }: GPUDevice, count: number): readonly [number, number, number] {
  const most = limits.maxComputeWorkgroupsPerDimension;
  return count <= most ? [count, 1, 1] : [most, Math.ceil(count / most), 1];
}
