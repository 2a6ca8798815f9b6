import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { launch, launchMany } from './program.js';
import { overRows, type RowPass, rowPass, sumOfRows, THROUGH_RELU6 } from './sums.js';

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

/** WGSL of `sumOfChunks`: the sum of one of two kinds of partial sums [chunks, 2, columns] of a column. Every thread must call it. */
function sumOfChunks(side: RowPass['side']): string {
  return `
      ${sumOfRows(side)}
      fn sumOfChunks(kind : i32, column : i32) -> T {
        var own = T(0.0);
        if (column < uniforms.columns) {
          for (var chunk = i32(localId.y); chunk < uniforms.count; chunk += ${side.rows}) {
            own += partial[(2 * chunk + kind) * uniforms.columns + column];
          }
        }
        return sumOfRows(own);
      }`;
}

/**
 * Batch norm of a training step in three passes: z to y, the mean and 1 / sqrt(variance + epsilon) of each column; the running
 * statistics take in the batch's. Sums of differences from each column's first value: a difference of plain squares would lose its digits.
 */
export function batchNormForward(
  backend: WebGPUBackend,
  { z, gamma, beta, runningMean, runningVariance }: NormTensors,
  { epsilon, momentum, relu6 }: NormTerms,
): { readonly y: TensorInfo; readonly mean: TensorInfo; readonly scale: TensorInfo } {
  const { rows, chunks, columns, packed, side, pass, totals } = rowPass(z);
  const channels = z.shape.at(-1) ?? 1;
  const partial = launch(backend, {
    ...pass,
    key: `moments-${side.columns}`,
    inputs: { z },
    output: [chunks.count, 2, channels],
    code: overRows(side, [
      `var sum = T(0.0);
       var squares = T(0.0);
       let first = z[min(column, uniforms.columns - 1)];`,
      `let d = z[index] - first;
       sum += d;
       squares += d * d;`,
      `let allSum = sumOfRows(sum);
       let allSquares = sumOfRows(squares);
       if (firstRow) {
         result[2 * chunk * uniforms.columns + column] = allSum;
         result[(2 * chunk + 1) * uniforms.columns + column] = allSquares;
       }`,
    ]),
  });
  const { mean, scale } = launchMany(backend, {
    ...totals,
    key: `moments-total-${side.columns}`,
    inputs: { partial, z },
    floats: { positions: rows, epsilon, momentum },
    outputs: { mean: [channels], scale: [channels], runningMean, runningVariance },
    code: `
      ${sumOfChunks(side)}
      fn main() {
        let column = i32(workgroupId.x) * ${side.columns} + i32(localId.x);
        let shift = sumOfChunks(0, column) / uniforms.positions;
        let square = sumOfChunks(1, column) / uniforms.positions;
        if (localId.y != 0u || column >= uniforms.columns) { return; }
        let batchMean = z[column] + shift;
        let batchVariance = max(square - shift * shift, T(0.0));
        mean[column] = batchMean;
        scale[column] = inverseSqrt(batchVariance + uniforms.epsilon);
        let unbiased = batchVariance * (uniforms.positions / (uniforms.positions - 1.0));
        runningMean[column] = uniforms.momentum * runningMean[column] + (1.0 - uniforms.momentum) * batchMean;
        runningVariance[column] =
          uniforms.momentum * runningVariance[column] + (1.0 - uniforms.momentum) * unbiased;
      }`,
  });
  backend.disposeData(partial.dataId);
  const linear = '(z[index] - mean[column]) * scale[column] * gamma[column] + beta[column]';
  const y = launch(backend, {
    key: `normalize-${relu6 ? 'relu6' : 'linear'}`,
    inputs: { z, mean, scale, gamma, beta },
    packed,
    integers: { columns },
    output: z.shape,
    workgroup: [64, 1, 1],
    code: perColumn(`result[index] = ${relu6 ? `clamp(${linear}, T(0.0), T(6.0))` : linear};`),
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
  const { rows, chunks, columns, packed, side, pass, totals } = rowPass(dy);
  const channels = dy.shape.at(-1) ?? 1;
  const variant = relu6 ? 'relu6' : 'linear';
  const passed = relu6 ? THROUGH_RELU6 : 'dy[index]';
  const maps = relu6 ? { dy, y, z } : { dy, z };
  const partial = launch(backend, {
    ...pass,
    key: `norm-sums-${variant}-${side.columns}`,
    inputs: { ...maps, mean, scale },
    output: [chunks.count, 2, channels],
    code: overRows(side, [
      `var beta = T(0.0);
       var gamma = T(0.0);
       let own = min(column, uniforms.columns - 1);
       let centre = mean[own];
       let factor = scale[own];`,
      `let g = ${passed};
       beta += g;
       gamma += g * ((z[index] - centre) * factor);`,
      `let allBeta = sumOfRows(beta);
       let allGamma = sumOfRows(gamma);
       if (firstRow) {
         result[2 * chunk * uniforms.columns + column] = allBeta;
         result[(2 * chunk + 1) * uniforms.columns + column] = allGamma;
       }`,
    ]),
  });
  const { dGamma, dBeta, terms } = launchMany(backend, {
    ...totals,
    key: `norm-sums-total-${side.columns}`,
    inputs: { partial, mean, scale, gamma },
    floats: { positions: rows },
    // Of each column: factors of the gradient and of the centred input, the mean, and what is added.
    outputs: { dGamma: [channels], dBeta: [channels], terms: [4, channels] },
    code: `
      ${sumOfChunks(side)}
      fn main() {
        let column = i32(workgroupId.x) * ${side.columns} + i32(localId.x);
        let beta = sumOfChunks(0, column);
        let products = sumOfChunks(1, column);
        if (localId.y != 0u || column >= uniforms.columns) { return; }
        dGamma[column] = products;
        dBeta[column] = beta;
        let factor = gamma[column] * scale[column];
        terms[column] = factor;
        terms[uniforms.columns + column] = -factor * products * scale[column] / uniforms.positions;
        terms[2 * uniforms.columns + column] = mean[column];
        terms[3 * uniforms.columns + column] = -factor * beta / uniforms.positions;
      }`,
  });
  backend.disposeData(partial.dataId);
  const dz = launch(backend, {
    key: `norm-gradient-${variant}`,
    inputs: { ...maps, terms },
    packed,
    integers: { columns },
    output: dy.shape,
    workgroup: [64, 1, 1],
    code: perColumn(`
      result[index] = terms[column] * ${passed}
        + terms[uniforms.columns + column] * (z[index] - terms[2 * uniforms.columns + column])
        + terms[3 * uniforms.columns + column];`),
  });
  backend.disposeData(terms.dataId);
  return { dz, dGamma, dBeta };
}

function perColumn(statement: string): string {
  return `
      fn main(index : i32) {
        if (index >= uniforms.size) { return; }
        let column = index % uniforms.columns;
        ${statement}
      }`;
}
