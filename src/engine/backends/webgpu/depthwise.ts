import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { backend_util, TensorInfo } from '@tensorflow/tfjs-core';
import { launch } from './program.js';

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
  const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
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
