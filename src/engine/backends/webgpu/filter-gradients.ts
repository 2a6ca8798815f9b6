import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { backend_util, TensorInfo } from '@tensorflow/tfjs-core';
import { launch } from './program.js';
import { chunksOf, sumChunks } from './sums.js';

/** Side of the square of sums that a workgroup of 8 x 8 threads makes, 4 x 4 a thread. */
const TILE = 32;
/** Positions that a workgroup holds in shared memory at a time. */
const SLAB = 16;

/**
 * Gradient of a convolution's filter: the matrix product X^T dY over all output positions, where row p of X is the
 * patch of the input under position p, [kernel height, kernel width, in]. Tiles in shared memory, two passes, no
 * atomics.
 */
export function filterGradient(
  backend: WebGPUBackend,
  x: TensorInfo,
  dy: TensorInfo,
  info: backend_util.Conv2DInfo,
): TensorInfo {
  const patch = info.filterHeight * info.filterWidth * info.inChannels;
  const positions = info.batchSize * info.outHeight * info.outWidth;
  const tiles = [Math.ceil(patch / TILE), Math.ceil(info.outChannels / TILE)] as const;
  const chunks = chunksOf(positions, tiles[0] * tiles[1], 8 * SLAB);
  const pointwise =
    info.filterHeight * info.filterWidth === 1 && info.strideHeight === 1 && info.strideWidth === 1;
  const partial = launch(backend, {
    key: pointwise ? 'filter-gradient-1x1' : 'filter-gradient',
    inputs: { x, dy },
    integers: {
      positions,
      patchSize: patch,
      outChannels: info.outChannels,
      rows: chunks.rows,
      inChannels: info.inChannels,
      kernelWidth: info.filterWidth,
      inHeight: info.inHeight,
      inWidth: info.inWidth,
      outHeight: info.outHeight,
      outWidth: info.outWidth,
      strideY: info.strideHeight,
      strideX: info.strideWidth,
      top: info.padInfo.top,
      left: info.padInfo.left,
    },
    output: [chunks.count, patch * info.outChannels],
    workgroup: [8, 8, 1],
    groups: [tiles[0], tiles[1], chunks.count],
    code: `
      var<workgroup> xSlab : array<f32, ${SLAB * TILE}>;
      var<workgroup> dySlab : array<f32, ${SLAB * TILE}>;

      fn xAt(position : i32, i : i32) -> f32 { ${pointwise ? POINTWISE : PATCH} }

      fn main() {
        let firstIn = i32(workgroupId.x) * ${TILE};
        let firstOut = i32(workgroupId.y) * ${TILE};
        let first = i32(workgroupId.z) * uniforms.rows;
        let end = min(first + uniforms.rows, uniforms.positions);
        let tx = i32(localId.x);
        let ty = i32(localId.y);
        var sums : array<f32, 16>;
        // Barriers want a loop that is plainly the same for all threads: over uniforms alone.
        for (var row = 0; row < uniforms.rows; row += ${SLAB}) {
          for (var e = i32(localIndex); e < ${SLAB * TILE}; e += 64) {
            let position = first + row + e / ${TILE};
            let i = firstIn + e % ${TILE};
            let o = firstOut + e % ${TILE};
            var xValue = 0.0;
            var dyValue = 0.0;
            if (position < end) {
              if (i < uniforms.patchSize) { xValue = xAt(position, i); }
              if (o < uniforms.outChannels) { dyValue = dy[position * uniforms.outChannels + o]; }
            }
            xSlab[e] = xValue;
            dySlab[e] = dyValue;
          }
          workgroupBarrier();
          for (var k = 0; k < ${SLAB * TILE}; k += ${TILE}) {
            for (var a = 0; a < 4; a++) {
              let xValue = xSlab[k + ty + 8 * a];
              for (var b = 0; b < 4; b++) { sums[4 * a + b] += xValue * dySlab[k + tx + 8 * b]; }
            }
          }
          workgroupBarrier();
        }
        let base = i32(workgroupId.z) * uniforms.patchSize * uniforms.outChannels;
        for (var a = 0; a < 4; a++) {
          for (var b = 0; b < 4; b++) {
            let i = firstIn + ty + 8 * a;
            let o = firstOut + tx + 8 * b;
            if (i < uniforms.patchSize && o < uniforms.outChannels) {
              result[base + i * uniforms.outChannels + o] = sums[4 * a + b];
            }
          }
        }
      }`,
  });
  return sumChunks(backend, partial, chunks.count, info.filterShape);
}

const POINTWISE = 'return x[position * uniforms.patchSize + i];';

const PATCH = `
        let ox = position % uniforms.outWidth;
        let row = position / uniforms.outWidth;
        let oy = row % uniforms.outHeight;
        let image = row / uniforms.outHeight;
        let tap = i / uniforms.inChannels;
        let iy = oy * uniforms.strideY - uniforms.top + tap / uniforms.kernelWidth;
        let ix = ox * uniforms.strideX - uniforms.left + tap % uniforms.kernelWidth;
        if (iy < 0 || iy >= uniforms.inHeight || ix < 0 || ix >= uniforms.inWidth) { return 0.0; }
        return x[((image * uniforms.inHeight + iy) * uniforms.inWidth + ix) * uniforms.inChannels
          + i % uniforms.inChannels];`;
