import { link, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InUseError } from '../errors.js';
import { errnoOf, readWholeFile } from '../files.js';
import { isRunning, PROCESS_SPACE, processIdentity } from '../system.js';
import { explainWriteError, temporaryName, writeDurably } from './atomic.js';
import { isJsonObject, type JsonValue } from './json.js';
import { limitOf } from './read-document.js';

/** The right to write in a run's folder, held until `release`. */
export interface RunLock {
  /** Says whose lock was taken over, where a process had ended without giving it back. */
  readonly note: string | null;
  /** Whether the lock still lies there: else the folder has been moved or replaced, or somebody removed the lock. */
  isHeld(): Promise<boolean>;
  /** Never throws: what is left behind is recognised as stale. */
  release(): Promise<void>;
}

/** Between finding a lock and reading it, its owner may give it back; then it is tried again. */
const ATTEMPTS = 5;

/** The lock's place in a run's folder; hidden, and no part of the record. */
export function lockPath(dir: string): string {
  return join(dir, '.lock');
}

/** The lock that lies at `dir` with this text, once it is there. */
export function heldLock(dir: string, text: string, note: string | null = null): RunLock {
  const path = lockPath(dir);
  return {
    note,
    isHeld: async () => (await readText(path)) === text,
    async release() {
      // Not somebody else's, should a person have removed ours.
      if ((await readText(path)) === text) await rm(path, { force: true }).catch(() => undefined);
    },
  };
}

/**
 * Takes the lock of a run's folder. Throws InUseError naming the owner where another process holds it, or where
 * that cannot be told because the owner is on another machine. The lock of a process of this machine that has
 * ended is taken over.
 */
export async function lockRun(dir: string): Promise<RunLock> {
  const path = lockPath(dir);
  const text = ownLockText();
  // Written beside and linked into place, so that nobody ever reads half a lock.
  const own = temporaryName(path);
  try {
    await writeDurably(own, text);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await linkUnlessTaken(own, path)) return heldLock(dir, text);
      const found = await readText(path);
      if (found === undefined) continue;
      const owner = staleOwner(dir, found);
      await takeOver(dir, own, found);
      const note = `Process ${owner.pid} ended without closing ${dir}; its lock was taken over.`;
      return heldLock(dir, text, note);
    }
    throw unknownOwner(dir);
  } catch (error) {
    throw explainWriteError(error, path, 'resume');
  } finally {
    await rm(own, { force: true }).catch(() => undefined);
  }
}

/**
 * Replaces a stale lock. Of several processes that saw the same stale lock only the one that holds the second
 * lock may replace it, and only if it is still there: else the second would throw out the first's new lock.
 */
async function takeOver(dir: string, own: string, stale: string): Promise<void> {
  const path = lockPath(dir);
  const claim = `${path}.takeover`;
  const lost = new InUseError(
    `${dir} is just being taken over by another process. Wait for that one; if there is none, remove ${claim} and try again.`,
  );
  const claimed =
    (await linkUnlessTaken(own, claim)) ||
    ((await dropStaleClaim(claim)) && (await linkUnlessTaken(own, claim)));
  if (!claimed) throw lost;
  try {
    if ((await readText(path)) !== stale) throw lost;
    await rename(own, path);
  } finally {
    await rm(claim, { force: true });
  }
}

/** Removes the claim of a process that was killed in the middle of a takeover; false where its owner may still run. */
async function dropStaleClaim(claim: string): Promise<boolean> {
  const text = await readText(claim);
  const owner = text === undefined ? undefined : parseLockText(text);
  if (owner === undefined || ownerState(owner) !== 'ended') return false;
  // Set aside first: another process may have replaced it since it was read, and that claim must stay.
  const aside = temporaryName(claim);
  try {
    await rename(claim, aside);
    if ((await readText(aside)) === text) return true;
    await linkUnlessTaken(aside, claim);
    return false;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/**
 * Who writes in a run's folder at this moment, as the error that `lockRun` would throw; null where nobody does. Takes no
 * lock and changes nothing.
 */
export async function lockedBy(dir: string): Promise<InUseError | null> {
  const text = await readText(lockPath(dir));
  if (text === undefined) return null;
  try {
    staleOwner(dir, text);
    return null;
  } catch (error) {
    if (error instanceof InUseError) return error;
    throw error;
  }
}

/** The owner of a lock if it has ended; throws InUseError naming it otherwise. */
function staleOwner(dir: string, text: string): LockOwner {
  const owner = parseLockText(text);
  if (owner === undefined) throw unknownOwner(dir);
  const state = ownerState(owner);
  if (state === 'ended') return owner;
  const inUse = `${dir} is in use by process ${owner.pid} on ${owner.host} since ${owner.since}.`;
  if (state === 'running') throw new InUseError(`${inUse} Wait until it ends, or stop it.`);
  const here = owner.host === hostname() ? 'this container' : `this machine (${hostname()})`;
  throw new InUseError(
    `${inUse} From ${here} it cannot be seen whether that still runs. ` +
      `If it does not, remove ${lockPath(dir)} and try again.`,
  );
}

function unknownOwner(dir: string): InUseError {
  return new InUseError(
    `${dir} is locked, and the lock does not say by whom. If nothing is training there, remove ${lockPath(dir)} and try again.`,
  );
}

/** Gives a file a second name; false where that name is taken already. */
async function linkUnlessTaken(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to).catch(async (error: unknown) => {
      // File systems without hard links: FAT, some network drives.
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errnoOf(error) ?? '')) throw error;
      await writeDurably(to, await readFile(from));
    });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** A lock's text; undefined where there is none, and empty, which names no owner, where it cannot be read. */
async function readText(path: string): Promise<string | undefined> {
  return readWholeFile(path, limitOf(path)).then(String, (error: unknown) =>
    errnoOf(error) === 'ENOENT' ? undefined : '',
  );
}

/** The process that holds a lock, as the lock file says it. */
interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** See `processIdentity`. */
  readonly identity: string | null;
  /** See PROCESS_SPACE; null in locks of versions that did not tell. */
  readonly space: string | null;
  /** ISO 8601: when the lock was taken. */
  readonly since: string;
}

/** What stands in a lock of this process. */
export function ownLockText(): string {
  const owner: LockOwner = {
    pid: process.pid,
    host: hostname(),
    identity: processIdentity(process.pid),
    space: PROCESS_SPACE,
    since: new Date().toISOString(),
  };
  return `${JSON.stringify(owner)}\n`;
}

/** Reads a lock's text; undefined where it says no owner. */
function parseLockText(text: string): LockOwner | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  const { pid, host, since, identity, space } = value;
  // Numbers below 1 mean groups of processes to kill(2), not one.
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1) return undefined;
  if (typeof host !== 'string' || typeof since !== 'string') return undefined;
  const told = (one: JsonValue | undefined) => (typeof one === 'string' ? one : null);
  return { pid, host, since, identity: told(identity), space: told(space) };
}

/** 'remote': it was on another machine or in another container, so that nothing can be said. */
function ownerState({ pid, host, identity, space }: LockOwner): 'running' | 'ended' | 'remote' {
  if (host !== hostname()) return 'remote';
  if (space !== null && PROCESS_SPACE !== null && space !== PROCESS_SPACE) return 'remote';
  return isRunning(pid, identity) ? 'running' : 'ended';
}
