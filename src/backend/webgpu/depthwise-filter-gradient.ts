import type { backend_util, TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { chunksOf, sumChunks } from './partial-sums.js';
import { launch } from './program.js';

/** Channels, and output positions at a time, of a workgroup. */
const CHANNELS = 16;
const POSITIONS = 16;

/**
 * Gradient of a depthwise filter [kernel height, kernel width, channels, 1]: every thread goes over some positions
 * and keeps the sums of all taps of its channel; two passes, no atomics.
 */
export function depthwiseFilterGradient(
  backend: WebGPUBackend,
  x: TensorInfo,
  dy: TensorInfo,
  info: backend_util.Conv2DInfo,
): TensorInfo {
  const { filterHeight, filterWidth, inChannels } = info;
  const taps = filterHeight * filterWidth;
  const positions = info.batchSize * info.outHeight * info.outWidth;
  const groups = Math.ceil(inChannels / CHANNELS);
  const chunks = chunksOf(positions, groups, 8 * POSITIONS);
  const partial = launch(backend, {
    key: `depthwise-filter-gradient-${filterHeight}x${filterWidth}`,
    inputs: { x, dy },
    integers: {
      positions,
      channels: inChannels,
      rows: chunks.rows,
      inHeight: info.inHeight,
      inWidth: info.inWidth,
      outHeight: info.outHeight,
      outWidth: info.outWidth,
      strideY: info.strideHeight,
      strideX: info.strideWidth,
      top: info.padInfo.top,
      left: info.padInfo.left,
    },
    output: [chunks.count, taps * inChannels],
    workgroup: [CHANNELS, POSITIONS, 1],
    groups: [groups, chunks.count, 1],
    code: `
      var<workgroup> shared_ : array<f32, ${CHANNELS * POSITIONS}>;

      fn main() {
        let channel = i32(workgroupId.x) * ${CHANNELS} + i32(localId.x);
        let first = i32(workgroupId.y) * uniforms.rows;
        let end = min(first + uniforms.rows, uniforms.positions);
        var sums : array<f32, ${taps}>;
        if (channel < uniforms.channels) {
          for (var position = first + i32(localId.y); position < end; position += ${POSITIONS}) {
            let ox = position % uniforms.outWidth;
            let row = position / uniforms.outWidth;
            let oy = row % uniforms.outHeight;
            let image = row / uniforms.outHeight;
            let g = dy[position * uniforms.channels + channel];
            for (var ky = 0; ky < ${filterHeight}; ky++) {
              let iy = oy * uniforms.strideY - uniforms.top + ky;
              if (iy < 0 || iy >= uniforms.inHeight) { continue; }
              let line = (image * uniforms.inHeight + iy) * uniforms.inWidth;
              for (var kx = 0; kx < ${filterWidth}; kx++) {
                let ix = ox * uniforms.strideX - uniforms.left + kx;
                if (ix < 0 || ix >= uniforms.inWidth) { continue; }
                sums[ky * ${filterWidth} + kx] += g * x[(line + ix) * uniforms.channels + channel];
              }
            }
          }
        }
        let base = i32(workgroupId.y) * ${taps} * uniforms.channels;
        for (var tap = 0; tap < ${taps}; tap++) {
          shared_[localIndex] = sums[tap];
          workgroupBarrier();
          if (localId.y == 0u && channel < uniforms.channels) {
            var sum = 0.0;
            for (var i = 0; i < ${POSITIONS}; i++) { sum += shared_[i * ${CHANNELS} + i32(localId.x)]; }
            result[base + tap * uniforms.channels + channel] = sum;
          }
          workgroupBarrier();
        }
      }`,
  });
  return sumChunks(backend, partial, chunks.count, info.filterShape);
}
