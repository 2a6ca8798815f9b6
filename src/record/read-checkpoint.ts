import { join } from 'node:path';
import { UsageError } from '../errors/errors.js';
import { messageOf } from '../errors/message-of.js';
import { decodeCheckpoint, type Checkpoint } from './checkpoint-file.js';
import { readBytes } from './read-document.js';

/** Which checkpoint: the newest, the one before it, or that of the best epoch. */
export type Generation = 'last' | 'previous' | 'best';

/** A checkpoint that was read, and a sentence for the user where it is not the one that was expected. */
export interface FoundCheckpoint extends Checkpoint {
  readonly generation: Generation;
  readonly note: string | null;
}

/** Where a run's folder holds a checkpoint. */
export function checkpointPath(dir: string, generation: Generation): string {
  return join(dir, 'checkpoints', `${generation}.ckpt`);
}

/** Reads one checkpoint of a run's folder. Throws UsageError naming the file where it is missing or damaged. */
export async function readCheckpoint(dir: string, generation: Generation): Promise<FoundCheckpoint> {
  const path = checkpointPath(dir, generation);
  const bytes = await readBytes(path);
  try {
    return { ...decodeCheckpoint(bytes), generation, note: null };
  } catch (error) {
    throw new UsageError(`The checkpoint ${path} cannot be used: ${messageOf(error)}.`, { cause: error });
  }
}

/**
 * Reads the newest whole checkpoint of a run's folder: the last one, or the one before where the last is missing
 * or damaged, with a `note` that says so. Throws UsageError where neither can be used.
 */
export async function readNewestCheckpoint(dir: string): Promise<FoundCheckpoint> {
  try {
    return await readCheckpoint(dir, 'last');
  } catch (lastError) {
    const previous = await readCheckpoint(dir, 'previous').catch((previousError: unknown) => {
      throw new UsageError(
        `No checkpoint of ${dir} can be used. ${messageOf(lastError)} ${messageOf(previousError)} Start the run anew.`,
        { cause: lastError },
      );
    });
    return {
      ...previous,
      note: `${messageOf(lastError)} The one before it, ${checkpointPath(dir, 'previous')}, is used.`,
    };
  }
}
