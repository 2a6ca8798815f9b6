import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../files.js';
import { isRunning, MACHINE_TAG, processIdentity } from '../system.js';

/** Milliseconds between two looks at a lock that another process holds. */
const LOOK = 200;
/** A lock's owner shows that it lives every BEAT milliseconds; after SILENCE it is taken for dead, on whatever machine it was. */
const BEAT = 5000;
const SILENCE = 60_000;

interface Waiting {
  readonly signal: AbortSignal;
  /** Called once, where another process is at it already. */
  readonly onWait: () => void;
}

/**
 * Does some work while no other process does what the lock at `path` stands for: waits until such a one is done. The lock of a
 * process that has ended is taken over. Throws the signal's reason where it is aborted while waiting, the system's error where
 * the lock's folder cannot be written.
 */
export async function withLock<Result>(
  path: string,
  { signal, onWait }: Waiting,
  work: () => Promise<Result>,
): Promise<Result> {
  const own = `${MACHINE_TAG} ${process.pid} ${processIdentity(process.pid) ?? ''}\n`;
  for (let waited = false; !(await create(path, own)); waited = true) {
    if (await dropStale(path)) continue;
    if (!waited) onWait();
    await sleep(LOOK, undefined, { signal });
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, BEAT);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    await rm(path, { force: true }).catch(() => undefined);
  }
}

/** Creates a file with this text; false where it is there already. */
async function create(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(text).finally(() => file.close());
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a lock whose owner is gone; only one process at a time may, or the second would remove the first one's new lock. */
async function dropStale(path: string): Promise<boolean> {
  if (!(await isStale(path))) return false;
  const claim = `${path}.takeover`;
  if (!(await create(claim, ''))) {
    // Left by a process that was killed in the moment that a claim is held.
    if ((await age(claim)) > SILENCE) await rm(claim, { force: true });
    return false;
  }
  try {
    if (await isStale(path)) await rm(path, { force: true });
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

async function isStale(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const [machine, pid, identity = ''] = text.trim().split(' ');
  const known = machine === MACHINE_TAG && Number.isInteger(Number(pid)) && Number(pid) > 0;
  if (known && !isRunning(Number(pid), identity === '' ? null : identity)) return true;
  return (await age(path)) > SILENCE;
}

/** Milliseconds since a file was last written or touched; negative where it is not there. */
async function age(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => -1,
  );
}
