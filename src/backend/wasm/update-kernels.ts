import { util, type KernelFunc, type TensorInfo } from '@tensorflow/tfjs-core';
import type { Heap } from './heap.js';

type Arguments = Parameters<KernelFunc>[0];

/** SGD with momentum on the heap: { weight, velocity, gradient }, { learningRate, momentum, weightDecay } -> []. */
export const SgdMomentum = 'SgdMomentum';
/** target += source on the heap: { target, source } -> []. */
export const AddInPlace = 'AddInPlace';

/** target += source for many at once: { t0, s0, t1, s1, ... } in this order -> []. */
export const AddPairsInPlace = 'AddPairsInPlace';

/** The kernels that tfjs has no name for, by their names above. */
export function updateKernels(heap: Heap): ReadonlyMap<string, KernelFunc> {
  return new Map([
    [SgdMomentum, (args) => sgdMomentum(heap, args)],
    [AddInPlace, (args) => addInPlace(heap, args)],
    [AddPairsInPlace, (args) => addPairsInPlace(heap, args)],
  ] satisfies [string, KernelFunc][]);
}

function sgdMomentum(heap: Heap, args: Arguments): TensorInfo[] {
  const [weight, velocity, gradient] = sameShapes(args, 'weight', 'velocity', 'gradient');
  heap.kernels.sgdMomentum(
    heap.address(weight),
    heap.address(velocity),
    heap.address(gradient),
    util.sizeFromShape(weight.shape),
    Number(args.attrs?.['learningRate']),
    Number(args.attrs?.['momentum']),
    Number(args.attrs?.['weightDecay']),
  );
  return [];
}

function addInPlace(heap: Heap, args: Arguments): TensorInfo[] {
  const [target, source] = sameShapes(args, 'target', 'source');
  heap.kernels.addInPlace(heap.address(target), heap.address(source), util.sizeFromShape(target.shape));
  return [];
}

function addPairsInPlace(heap: Heap, { inputs }: Arguments): TensorInfo[] {
  const tensors = Object.values(inputs);
  for (let i = 0; i < tensors.length; i += 2) {
    const [target, source] = [tensors[i], tensors[i + 1]];
    if (!target || !source || target.dtype !== 'float32' || source.dtype !== 'float32') {
      throw new Error(`${AddPairsInPlace} wants pairs of float32 tensors.`);
    }
    util.assertShapesMatch(source.shape, target.shape);
    heap.kernels.addInPlace(heap.address(target), heap.address(source), util.sizeFromShape(target.shape));
  }
  return [];
}

/** The named inputs, which the kernels walk side by side: shapes must be equal and values float32. */
function sameShapes<Names extends string[]>(
  args: Arguments,
  ...names: Names
): { [Name in keyof Names]: TensorInfo } {
  const tensors = names.map((name) => {
    const tensor = args.inputs[name];
    if (!tensor) throw new Error(`Input "${name}" is missing.`);
    if (tensor.dtype !== 'float32')
      throw new Error(`Input "${name}" must be float32 but is ${tensor.dtype}.`);
    return tensor;
  });
  for (const { shape } of tensors) util.assertShapesMatch(shape, tensors[0]?.shape ?? []);
  return tensors as { [Name in keyof Names]: TensorInfo };
}
