import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, explainWriteError, type WritePhase } from './write-error.js';

export interface AtomicOptions {
  /** Decides between UsageError and RunError. Default 'run'. */
  readonly phase?: WritePhase;
  /** Where the file that is replaced goes, in the same folder; without it, it is gone. */
  readonly previous?: string;
}

/**
 * Writes a file whole or not at all, and durably: when the promise resolves, the content outlives a power cut.
 *
 * Until then `path` holds what it held before (with `previous`, `path` or `previous` does). Throws UsageError or
 * RunError as `explainWriteError` has it.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  { phase = 'run', previous }: AtomicOptions = {},
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await writeDurably(temporary, data);
    if (previous !== undefined) await rename(path, previous).catch(unlessMissing);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw explainWriteError(error, path, phase);
  }
}

/** A hidden name beside `path` that nobody else uses. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
}

/** Whether `temporaryName` made this name: what a killed process may have left behind. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.\d+-[0-9a-f]{8}\.tmp$/.test(name);
}

/** Writes a new file and waits until its content is on the disk. Throws the system's error, EEXIST included. */
export async function writeDurably(path: string, data: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Waits until the names in a folder are on the disk: a rename alone does not outlive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders, and needs none of this.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems know no fsync of a folder; there is nothing more to be had from them.
    if (errnoOf(error) !== 'EINVAL' && errnoOf(error) !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}

function unlessMissing(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
