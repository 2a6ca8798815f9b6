import type { WebGPUBackend, WebGPUProgram } from '@tensorflow/tfjs-backend-webgpu';
import { type TensorInfo, util } from '@tensorflow/tfjs-core';

/** One of this project's WGSL programs and what it is run on. All values are float32. */
export interface Launch {
  /** Tells programs with different code apart; the shapes' ranks are added to it. */
  readonly key: string;
  /** Buffers by the names that the code uses; they must be distinct from the output's. */
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  /** Integers and floats by the names that the code reads as `uniforms.name`. */
  readonly integers?: Readonly<Record<string, number>>;
  readonly floats?: Readonly<Record<string, number>>;
  /** A shape for a new tensor, or a tensor to read and write in place as `result`. */
  readonly output: readonly number[] | TensorInfo;
  readonly workgroup: readonly [number, number, number];
  /** Workgroups in each direction; left out for `fn main(index : i32)`, one thread for each value of the output. */
  readonly groups?: readonly [number, number, number];
  readonly code: string;
}

/** Runs a program; returns its output. */
export function launch(backend: WebGPUBackend, launched: Launch): TensorInfo {
  const { inputs, integers = {}, floats = {}, output, groups } = launched;
  const target = 'dataId' in output ? output : undefined;
  const shape = [...(target?.shape ?? (output as readonly number[]))];
  const [x, y, z] = launched.workgroup;
  const program: WebGPUProgram = {
    shaderKey: `onecycle-${launched.key}`,
    variableNames: Object.keys(inputs),
    uniforms: [
      ...Object.keys(integers).map((name) => `${name} : i32,`),
      ...Object.keys(floats).map((name) => `${name} : f32,`),
    ].join(' '),
    outputShape: shape,
    workgroupSize: [x, y, z],
    // A layout along x alone makes the backend pass the index of the value to main.
    dispatchLayout: groups === undefined ? { x: shape.map((_, i) => i) } : { x: [0], y: [1] },
    dispatch: groups === undefined ? [Math.ceil(util.sizeFromShape(shape) / x), 1, 1] : [...groups],
    size: groups === undefined,
    getUserCode: () => launched.code,
  };
  const uniforms = [
    ...Object.values(integers).map((value) => ({ type: 'int32', data: [value] })),
    ...Object.values(floats).map((value) => ({ type: 'float32', data: [value] })),
  ];
  const result = backend.runWebGPUProgram(program, Object.values(inputs), 'float32', uniforms, target);
  if (target !== undefined) forgetCopy(backend, target);
  return result;
}

/** The backend keeps what was once read of a tensor; after a change in place that is out of date. */
function forgetCopy(backend: WebGPUBackend, { dataId }: TensorInfo): void {
  const data = backend.tensorMap.get(dataId);
  if (data.resource) Object.assign(data, { values: null });
}
