import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { chunksOf, sumChunks } from './partial-sums.js';
import { launch } from './program.js';

/** Columns, and rows at a time, of a workgroup. */
const COLUMNS = 16;
const ROWS = 16;

/** Sums over all but the last axis: a bias's gradient [channels] from that of [..., channels]. */
export function columnSums(backend: WebGPUBackend, dy: TensorInfo): TensorInfo {
  const channels = dy.shape.at(-1) ?? 1;
  const rows = util.sizeFromShape(dy.shape) / channels;
  const groups = Math.ceil(channels / COLUMNS);
  const chunks = chunksOf(rows, groups, 8 * ROWS);
  const partial = launch(backend, {
    key: 'column-sums',
    inputs: { dy },
    integers: { total: rows, channels, rows: chunks.rows },
    output: [chunks.count, channels],
    workgroup: [COLUMNS, ROWS, 1],
    groups: [groups, chunks.count, 1],
    code: `
      var<workgroup> sums : array<f32, ${COLUMNS * ROWS}>;

      fn main() {
        let channel = i32(workgroupId.x) * ${COLUMNS} + i32(localId.x);
        let first = i32(workgroupId.y) * uniforms.rows;
        let end = min(first + uniforms.rows, uniforms.total);
        var own = 0.0;
        if (channel < uniforms.channels) {
          for (var row = first + i32(localId.y); row < end; row += ${ROWS}) {
            own += dy[row * uniforms.channels + channel];
          }
        }
        sums[localIndex] = own;
        workgroupBarrier();
        if (localId.y == 0u && channel < uniforms.channels) {
          var sum = 0.0;
          for (var row = 0; row < ${ROWS}; row++) { sum += sums[row * ${COLUMNS} + i32(localId.x)]; }
          result[i32(workgroupId.y) * uniforms.channels + channel] = sum;
        }
      }`,
  });
  return sumChunks(backend, partial, chunks.count, [channels]);
}
