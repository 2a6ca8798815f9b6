import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { launch, launchMany } from './program.js';
import { COLUMNS, overRows, ROWS, rowPass, SUM_OF_ROWS } from './sums.js';

/** What batch norm is computed with besides its input z, each [channels]; the running statistics change in place. */
export interface NormTensors {
  readonly z: TensorInfo;
  readonly gamma: TensorInfo;
  readonly beta: TensorInfo;
  readonly runningMean: TensorInfo;
  readonly runningVariance: TensorInfo;
}

/** As `batchNormForward` of the tfjs engine has it. */
export interface NormTerms {
  readonly epsilon: number;
  readonly momentum: number;
  readonly relu6: boolean;
}

/** WGSL of `sumOfChunks`: the sum of one of two kinds of partial sums [chunks, 2, channels] of a channel. Every thread must call it. */
const SUM_OF_CHUNKS = `
      ${SUM_OF_ROWS}
      fn sumOfChunks(kind : i32, channel : i32) -> f32 {
        var own = 0.0;
        if (channel < uniforms.channels) {
          for (var chunk = i32(localId.y); chunk < uniforms.count; chunk += ${ROWS}) {
            own += partial[(2 * chunk + kind) * uniforms.channels + channel];
          }
        }
        return sumOfRows(own);
      }`;

/**
 * Batch norm of a training step in three passes: z to y, the mean and 1 / sqrt(variance + epsilon) of each channel; the running
 * statistics take in the batch's. Sums of differences from each channel's first value: a difference of plain squares would lose its digits.
 */
export function batchNormForward(
  backend: WebGPUBackend,
  { z, gamma, beta, runningMean, runningVariance }: NormTensors,
  { epsilon, momentum, relu6 }: NormTerms,
): { readonly y: TensorInfo; readonly mean: TensorInfo; readonly scale: TensorInfo } {
  const { channels, rows, chunks, launch: shared } = rowPass(z);
  const partial = launch(backend, {
    ...shared,
    key: 'moments',
    inputs: { z },
    output: [chunks.count, 2, channels],
    code: overRows(
      `var sum = 0.0;
       var squares = 0.0;
       let first = z[min(channel, uniforms.channels - 1)];`,
      `let d = z[index] - first;
       sum += d;
       squares += d * d;`,
      `let allSum = sumOfRows(sum);
       let allSquares = sumOfRows(squares);
       if (firstRow) {
         result[2 * chunk * uniforms.channels + channel] = allSum;
         result[(2 * chunk + 1) * uniforms.channels + channel] = allSquares;
       }`,
    ),
  });
  const { mean, scale } = launchMany(backend, {
    key: 'moments-total',
    inputs: { partial, z },
    integers: { channels, count: chunks.count },
    floats: { positions: rows, epsilon, momentum },
    outputs: { mean: [channels], scale: [channels], runningMean, runningVariance },
    workgroup: [COLUMNS, ROWS, 1],
    groups: [Math.ceil(channels / COLUMNS), 1, 1],
    code: `
      ${SUM_OF_CHUNKS}
      fn main() {
        let channel = i32(workgroupId.x) * ${COLUMNS} + i32(localId.x);
        let shift = sumOfChunks(0, channel) / uniforms.positions;
        let square = sumOfChunks(1, channel) / uniforms.positions;
        if (localId.y != 0u || channel >= uniforms.channels) { return; }
        let batchMean = z[channel] + shift;
        let batchVariance = max(square - shift * shift, 0.0);
        mean[channel] = batchMean;
        scale[channel] = inverseSqrt(batchVariance + uniforms.epsilon);
        let unbiased = batchVariance * (uniforms.positions / (uniforms.positions - 1.0));
        runningMean[channel] = uniforms.momentum * runningMean[channel] + (1.0 - uniforms.momentum) * batchMean;
        runningVariance[channel] =
          uniforms.momentum * runningVariance[channel] + (1.0 - uniforms.momentum) * unbiased;
      }`,
  });
  backend.disposeData(partial.dataId);
  const linear = '(z[index] - mean[channel]) * scale[channel] * gamma[channel] + beta[channel]';
  const y = launch(backend, {
    key: `normalize-${relu6 ? 'relu6' : 'linear'}`,
    inputs: { z, mean, scale, gamma, beta },
    integers: { channels },
    output: z.shape,
    workgroup: [64, 1, 1],
    code: perChannel(`result[index] = ${relu6 ? `clamp(${linear}, 0.0, 6.0)` : linear};`),
  });
  return { y, mean, scale };
}

/** What the gradients of batch norm are computed from. */
export interface NormGradientTensors {
  readonly dy: TensorInfo;
  readonly y: TensorInfo;
  readonly z: TensorInfo;
  readonly mean: TensorInfo;
  readonly scale: TensorInfo;
  readonly gamma: TensorInfo;
}

/** The gradients of `batchNormForward`, those that the statistics pass on included, in three passes. */
export function batchNormBackward(
  backend: WebGPUBackend,
  { dy, y, z, mean, scale, gamma }: NormGradientTensors,
  relu6: boolean,
): { readonly dz: TensorInfo; readonly dGamma: TensorInfo; readonly dBeta: TensorInfo } {
  const { channels, rows, chunks, launch: shared } = rowPass(dy);
  const variant = relu6 ? 'relu6' : 'linear';
  const passed = relu6 ? 'select(0.0, dy[index], y[index] > 0.0 && y[index] < 6.0)' : 'dy[index]';
  const maps = relu6 ? { dy, y, z } : { dy, z };
  const partial = launch(backend, {
    ...shared,
    key: `norm-sums-${variant}`,
    inputs: { ...maps, mean, scale },
    output: [chunks.count, 2, channels],
    code: overRows(
      `var beta = 0.0;
       var gamma = 0.0;
       let own = min(channel, uniforms.channels - 1);
       let centre = mean[own];
       let factor = scale[own];`,
      `let g = ${passed};
       beta += g;
       gamma += g * ((z[index] - centre) * factor);`,
      `let allBeta = sumOfRows(beta);
       let allGamma = sumOfRows(gamma);
       if (firstRow) {
         result[2 * chunk * uniforms.channels + channel] = allBeta;
         result[(2 * chunk + 1) * uniforms.channels + channel] = allGamma;
       }`,
    ),
  });
  const { dGamma, dBeta, terms } = launchMany(backend, {
    key: 'norm-sums-total',
    inputs: { partial, mean, scale, gamma },
    integers: { channels, count: chunks.count },
    floats: { positions: rows },
    // Of each channel: factors of the gradient and of the centred input, the mean, and what is added.
    outputs: { dGamma: [channels], dBeta: [channels], terms: [4, channels] },
    workgroup: [COLUMNS, ROWS, 1],
    groups: [Math.ceil(channels / COLUMNS), 1, 1],
    code: `
      ${SUM_OF_CHUNKS}
      fn main() {
        let channel = i32(workgroupId.x) * ${COLUMNS} + i32(localId.x);
        let beta = sumOfChunks(0, channel);
        let products = sumOfChunks(1, channel);
        if (localId.y != 0u || channel >= uniforms.channels) { return; }
        dGamma[channel] = products;
        dBeta[channel] = beta;
        let factor = gamma[channel] * scale[channel];
        terms[channel] = factor;
        terms[uniforms.channels + channel] = -factor * products * scale[channel] / uniforms.positions;
        terms[2 * uniforms.channels + channel] = mean[channel];
        terms[3 * uniforms.channels + channel] = -factor * beta / uniforms.positions;
      }`,
  });
  backend.disposeData(partial.dataId);
  const dz = launch(backend, {
    key: `norm-gradient-${variant}`,
    inputs: { ...maps, terms },
    integers: { channels },
    output: dy.shape,
    workgroup: [64, 1, 1],
    code: perChannel(`
      result[index] = terms[channel] * ${passed}
        + terms[uniforms.channels + channel] * (z[index] - terms[2 * uniforms.channels + channel])
        + terms[3 * uniforms.channels + channel];`),
  });
  backend.disposeData(terms.dataId);
  return { dz, dGamma, dBeta };
}

function perChannel(statement: string): string {
  return `
      fn main(index : i32) {
        if (index >= uniforms.size) { return; }
        let channel = index % uniforms.channels;
        ${statement}
      }`;
}
