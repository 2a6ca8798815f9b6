import type { BenchContext, DecodingBench } from './open-workbench.js';
import { wholeBench, type OpenBench } from './workbench.js';

/**
 * Works on images while they are being decoded, in the hope that each can be. Where one cannot, that work is broken off and
 * forgotten, and done again from its start on those that can: its result does not depend on when an image was there.
 *
 * @param work ends with an error if `whole` does, and leaves nothing behind then; its signal is aborted then too
 */
export async function whileDecoding<Result>(
  { hoped, dashed, settled, close }: DecodingBench,
  { emit, signal }: BenchContext,
  work: (open: OpenBench, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  try {
    try {
      return await work(hoped, AbortSignal.any([signal, dashed]));
    } catch (error) {
      if (!dashed.aborted) throw error;
    }
    const bench = await settled;
    emit({ type: 'note', text: 'starting again without the images that cannot be used' });
    return await work(wholeBench(bench), signal);
  } finally {
    close();
  }
}
