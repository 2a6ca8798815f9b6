import { hostname } from 'node:os';
import { isJsonObject } from './json.js';
import { isRunning, processIdentity } from './process-identity.js';

/** The process that holds a lock, as the lock file says it. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** See `processIdentity`. */
  readonly identity: string | null;
  /** ISO 8601: when the lock was taken. */
  readonly since: string;
}

/** What stands in a lock of this process. */
export function ownLockText(): string {
  const owner: LockOwner = {
    pid: process.pid,
    host: hostname(),
    identity: processIdentity(process.pid),
    since: new Date().toISOString(),
  };
  return `${JSON.stringify(owner)}\n`;
}

/** Reads a lock's text; undefined where it says no owner. */
export function parseLockText(text: string): LockOwner | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  const { pid, host, since, identity } = value;
  // Numbers below 1 mean groups of processes to kill(2), not one.
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1) return undefined;
  if (typeof host !== 'string' || typeof since !== 'string') return undefined;
  return { pid, host, since, identity: typeof identity === 'string' ? identity : null };
}

/** 'remote': it was on another machine, so that nothing can be said. */
export function ownerState({ pid, host, identity }: LockOwner): 'running' | 'ended' | 'remote' {
  if (host !== hostname()) return 'remote';
  return isRunning(pid, identity) ? 'running' : 'ended';
}
