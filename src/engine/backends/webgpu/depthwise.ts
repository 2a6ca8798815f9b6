import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { backend_util, TensorInfo } from '@tensorflow/tfjs-core';
import { launch } from './program.js';
import { overRows, rowPass, sumChunks } from './sums.js';

/**
 * Gradient of a depthwise convolution's input: every value gathers from the outputs that it went into. A thread for each position and
 * four channels, or one channel where their number is no multiple of four.
 */
export function depthwiseInputGradient(
  backend: WebGPUBackend,
  dy: TensorInfo,
  filter: TensorInfo,
  info: backend_util.Conv2DInfo,
): TensorInfo {
  const { filterHeight, filterWidth, strideHeight, strideWidth, inChannels } = info;
  const packed = inChannels % 4 === 0;
  const channels = packed ? inChannels / 4 : inChannels;
  return launch(backend, {
    key: `depthwise-input-gradient-${filterHeight}x${filterWidth}-${strideHeight}x${strideWidth}`,
    inputs: { dy, weights: filter },
    packed,
    integers: {
      channels,
      inHeight: info.inHeight,
      inWidth: info.inWidth,
      outHeight: info.outHeight,
      outWidth: info.outWidth,
      top: info.padInfo.top,
      left: info.padInfo.left,
    },
    output: info.inShape,
    workgroup: [64, 1, 1],
    code: `
      fn main(index : i32) {
        if (index >= uniforms.size) { return; }
        let channel = index % uniforms.channels;
        let position = index / uniforms.channels;
        let x = position % uniforms.inWidth + uniforms.left;
        let row = position / uniforms.inWidth;
        let y = row % uniforms.inHeight + uniforms.top;
        let image = row / uniforms.inHeight;
        var sum = T(0.0);
        ${range(filterHeight)
          .map(
            (ky) => `
        {
          let oy = (y - ${ky}) / ${strideHeight};
          if (y >= ${ky} && oy < uniforms.outHeight && oy * ${strideHeight} == y - ${ky}) {
            let line = (image * uniforms.outHeight + oy) * uniforms.outWidth;
            ${range(filterWidth)
              .map(
                (kx) => `{
              let ox = (x - ${kx}) / ${strideWidth};
              if (x >= ${kx} && ox < uniforms.outWidth && ox * ${strideWidth} == x - ${kx}) {
                sum += dy[(line + ox) * uniforms.channels + channel]
                  * weights[${ky * filterWidth + kx} * uniforms.channels + channel];
              }
            }`,
              )
              .join(' ')}
          }
        }`,
          )
          .join('')}
        result[index] = sum;
      }`,
  });
}

/** Gradient of a depthwise filter [kernel height, kernel width, channels, 1]: a pass over dy that keeps the sums of all taps. */
export function depthwiseFilterGradient(
  backend: WebGPUBackend,
  x: TensorInfo,
  dy: TensorInfo,
  info: backend_util.Conv2DInfo,
): TensorInfo {
  const { filterHeight, filterWidth, strideHeight, strideWidth, inChannels } = info;
  const { chunks, side, pass } = rowPass(dy);
  const taps = range(filterHeight * filterWidth);
  const partial = launch(backend, {
    ...pass,
    key: `depthwise-filter-gradient-${filterHeight}x${filterWidth}-${strideHeight}x${strideWidth}-${side.columns}`,
    inputs: { x, dy },
    integers: {
      ...pass.integers,
      inHeight: info.inHeight,
      inWidth: info.inWidth,
      outHeight: info.outHeight,
      outWidth: info.outWidth,
      top: info.padInfo.top,
      left: info.padInfo.left,
    },
    output: [chunks.count, taps.length * inChannels],
    code: overRows(side, [
      taps.map((tap) => `var tap${tap} = T(0.0);`).join(' '),
      `let g = dy[index];
            let across = row / uniforms.outWidth;
            let left = (row % uniforms.outWidth) * ${strideWidth} - uniforms.left;
            let top = (across % uniforms.outHeight) * ${strideHeight} - uniforms.top;
            let image = across / uniforms.outHeight;
            ${range(filterHeight)
              .map(
                (ky) => `
            if (top + ${ky} >= 0 && top + ${ky} < uniforms.inHeight) {
              let line = (image * uniforms.inHeight + top + ${ky}) * uniforms.inWidth + left;
              ${range(filterWidth)
                .map(
                  (kx) => `if (left + ${kx} >= 0 && left + ${kx} < uniforms.inWidth) {
                tap${ky * filterWidth + kx} += g * x[(line + ${kx}) * uniforms.columns + column];
              }`,
                )
                .join(' ')}
            }`,
              )
              .join('')}`,
      taps
        .map(
          (tap) => `
        let all${tap} = sumOfRows(tap${tap});
        if (firstRow) { result[(chunk * ${taps.length} + ${tap}) * uniforms.columns + column] = all${tap}; }`,
        )
        .join(''),
    ]),
  });
  return sumChunks(backend, partial, chunks.count, info.filterShape);
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
