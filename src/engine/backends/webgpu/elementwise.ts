import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { isPacked, launch, launchMany } from './program.js';

const FLAT = { workgroup: [64, 1, 1] as const };

/** target += source. */
export function addInPlace(backend: WebGPUBackend, target: TensorInfo, source: TensorInfo): void {
  launch(backend, {
    ...FLAT,
    key: 'add-in-place',
    packed: isPacked(source),
    inputs: { source },
    output: target,
    code: perValue('result[index] += source[index];'),
  });
}

/** What one step of SGD with momentum reads and changes: weight and velocity of one shape. */
export interface SgdTensors {
  readonly weight: TensorInfo;
  readonly velocity: TensorInfo;
  readonly gradient: TensorInfo;
  /** [2]: learning rate and momentum, in a buffer so that a recorded step finds new ones there. */
  readonly rates: TensorInfo;
}

/** One step of SGD with momentum in place: g += weightDecay w; v = momentum v + g; w -= learningRate rateMultiplier v. */
export function sgdMomentum(
  backend: WebGPUBackend,
  { weight, velocity, gradient, rates }: SgdTensors,
  terms: { readonly rateMultiplier: number; readonly weightDecay: number },
): void {
  launchMany(backend, {
    ...FLAT,
    key: 'sgd',
    inputs: { gradient, rates },
    floats: terms,
    outputs: { weight, velocity },
    code: perValue(`
      let w = weight[index];
      let v = rates[1] * velocity[index] + (gradient[index] + uniforms.weightDecay * w);
      velocity[index] = v;
      weight[index] = w - rates[0] * uniforms.rateMultiplier * v;`),
  });
}

function perValue(statement: string): string {
  return `fn main(index : i32) { if (index < uniforms.size) { ${statement} } }`;
}
