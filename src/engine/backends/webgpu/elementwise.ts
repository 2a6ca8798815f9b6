import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { launch } from './program.js';

const FLAT = { workgroup: [64, 1, 1] as const };

/** dy where 0 < y < ceiling, else 0: the gradient of ReLU6 (ceiling 6) or ReLU (no ceiling) from its output y. */
export function reluGradient(
  backend: WebGPUBackend,
  dy: TensorInfo,
  y: TensorInfo,
  ceiling: number,
): TensorInfo {
  return launch(backend, {
    ...FLAT,
    key: 'relu-gradient',
    inputs: { dy, y },
    floats: { ceiling },
    output: dy.shape,
    code: perValue('result[index] = select(0.0, dy[index], y[index] > 0.0 && y[index] < uniforms.ceiling);'),
  });
}

/** target += source. */
export function addInPlace(backend: WebGPUBackend, target: TensorInfo, source: TensorInfo): void {
  launch(backend, {
    ...FLAT,
    key: 'add-in-place',
    inputs: { source },
    output: target,
    code: perValue('result[index] += source[index];'),
  });
}

/** One step of SGD with momentum in place: g += weightDecay w; v = momentum v + g; w -= learningRate v. */
export function sgdMomentum(
  backend: WebGPUBackend,
  { weight, velocity, gradient }: { weight: TensorInfo; velocity: TensorInfo; gradient: TensorInfo },
  rates: { learningRate: number; momentum: number; weightDecay: number },
): void {
  launch(backend, {
    ...FLAT,
    key: 'sgd-velocity',
    inputs: { weight, gradient },
    floats: { momentum: rates.momentum, weightDecay: rates.weightDecay },
    output: velocity,
    code: perValue(
      'result[index] = uniforms.momentum * result[index] + (gradient[index] + uniforms.weightDecay * weight[index]);',
    ),
  });
  launch(backend, {
    ...FLAT,
    key: 'sgd-weight',
    inputs: { velocity },
    floats: { learningRate: rates.learningRate },
    output: weight,
    code: perValue('result[index] -= uniforms.learningRate * velocity[index];'),
  });
}

function perValue(statement: string): string {
  return `fn main(index : i32) { if (index < uniforms.size) { ${statement} } }`;
}
