import { readFileSync } from 'node:fs';
import { errnoOf } from './write-error.js';

/**
 * Tells a process from a later one with the same number: the boot it lives under and its start in clock ticks
 * since then (proc(5), /proc/PID/stat, field 22). Null where the system does not say.
 */
export function processIdentity(pid: number): string | null {
  const stat = readStat(pid);
  const boot = readText('/proc/sys/kernel/random/boot_id');
  return stat === null || boot === null ? null : `${boot.trim()}:${stat.startTicks}`;
}

/** Whether the process `pid` of this machine still runs and is the one that had this identity. */
export function isRunning(pid: number, identity: string | null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and belongs to another user.
    if (errnoOf(error) === 'ESRCH') return false;
  }
  // Killed, but not yet waited for by its parent; under a container's first process that may last for ever.
  if (readStat(pid)?.ended === true) return false;
  const now = processIdentity(pid);
  return identity === null || now === null || identity === now;
}

function readStat(pid: number): { readonly startTicks: string; readonly ended: boolean } | null {
  const text = readText(`/proc/${pid}/stat`);
  // Field 2, the command's name, is in parentheses and may hold spaces and parentheses of its own.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields?.[0];
  const startTicks = fields?.[22 - 3];
  return state === undefined || startTicks === undefined
    ? null
    : { startTicks, ended: 'ZXx'.includes(state) };
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
