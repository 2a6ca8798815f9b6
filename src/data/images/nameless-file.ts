import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Opens a fresh file for reading and writing and removes its name at once; returns its descriptor, valid
 * in all threads. The data lives as long as that: no way of ending the process, not even a kill, leaves it behind.
 *
 * @param directory must exist
 */
export function openNamelessFile(directory: string): number {
  const folder = mkdtempSync(join(directory, 'onecycle-'));
  try {
    return openSync(join(folder, 'cache'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
