import { mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning, MACHINE_TAG } from '../../system.js';

/**
 * Opens a fresh file for reading and writing and removes its name at once; returns its descriptor, valid
 * in all threads. The data lives as long as that: no way of ending the process leaves it behind. Between making and removing the
 * name a kill does: what is left then is removed the next time.
 *
 * @param directory must exist
 */
export function openNamelessFile(directory: string): number {
  sweep(directory);
  const folder = mkdtempSync(join(directory, `onecycle-${process.pid}-${MACHINE_TAG}-`));
  try {
    return openSync(join(folder, 'cache'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sweep(directory: string): void {
  for (const name of readdirSync(directory)) {
    const { pid, machine } = OURS.exec(name)?.groups ?? {};
    if (machine !== MACHINE_TAG || isRunning(Number(pid))) continue;
    try {
      rmSync(join(directory, name), { recursive: true, force: true });
    } catch {
      // Another user's.
    }
  }
}

const OURS = /^onecycle-(?<pid>\d+)-(?<machine>[0-9a-f]{8})-\w{6}$/;
