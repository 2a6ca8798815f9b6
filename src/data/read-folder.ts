import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { UsageError } from '../errors/errors.js';

/**
 * Entries of a folder, sorted by name by code unit; no call per file.
 * Throws UsageError where there is no such folder or it may not be read.
 */
export async function readFolder(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => byCodeUnit(a.name, b.name));
  } catch (error) {
    throw folderError(folder, error);
  }
}

/** Compares by UTF-16 code unit, alike under every locale. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Puts the reason why a folder cannot be read into words. */
export function folderError(folder: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const expected = 'Expected a folder with one subfolder of images per class';
  if (code === 'ENOENT') return new UsageError(`No such data folder: ${folder}. ${expected}; check --data.`);
  if (code === 'ENOTDIR') return new UsageError(`Not a folder: ${folder}. ${expected}; check --data.`);
  if (code === 'EACCES' || code === 'EPERM') {
    return new UsageError(
      `No permission to read the data folder ${folder}. All its folders must be readable; grant it (chmod u+rx) or move it away.`,
    );
  }
  return error;
}
