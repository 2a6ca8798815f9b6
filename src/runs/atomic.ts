import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { messageOf, RunError, UsageError } from '../errors.js';
import { errnoOf, makeFolders, syncFolder } from '../files.js';
import { isRunning, limitReached, MACHINE_TAG } from '../system.js';

interface AtomicOptions {
  /** Decides between UsageError and RunError, and how to go on. Default 'once'. */
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
  { phase = 'once', previous }: AtomicOptions = {},
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

/**
 * Makes a new folder with these files, whole or not at all, and durably. A file's name may lead into a folder. An empty folder
 * in its place is taken; nothing else is ever replaced.
 * Throws UsageError where something is there already or `path` cannot be written, RunError where there is no space.
 * @param option the flag that names `path`
 */
export async function makeWholeFolder(
  path: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  option: string,
): Promise<void> {
  const fresh = temporaryName(path);
  try {
    await makeFolders(dirname(path));
    await sweepFolder(dirname(path));
    await writeFolder(fresh, files);
    await rename(fresh, path).catch(async (error: unknown) => {
      // Whatever lies there, a rename to it fails, but for an empty folder.
      const there = await lstat(path).catch(() => undefined);
      if (there === undefined) throw error;
      throw new UsageError(
        `${path} is there already, and nothing is overwritten. Give a new or empty folder with ${option}.`,
        { cause: error },
      );
    });
    await syncFolder(dirname(path));
  } catch (error) {
    throw explainWriteError(error, path, 'start', option);
  } finally {
    await rm(fresh, { recursive: true, force: true }).catch(() => undefined);
  }
}

/**
 * Writes files into a new folder, durably. Throws the system's error.
 * @param write writes one of the files, known in `files` as `name`
 */
export async function writeFolder(
  path: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  write: (path: string, data: string | Uint8Array, name: string) => Promise<void> = writeDurably,
): Promise<void> {
  const folders = new Set([path, ...Object.keys(files).map((name) => dirname(join(path, name)))]);
  for (const folder of folders) await mkdir(folder);
  for (const [name, data] of Object.entries(files)) await write(join(path, name), data, name);
  for (const folder of folders) await syncFolder(folder);
}

/** A hidden name beside `path` that nobody else uses; it tells the machine and the process that made it. */
export function temporaryName(path: string): string {
  const unique = `${process.pid}-${MACHINE_TAG}${randomBytes(4).toString('hex')}`;
  return join(dirname(path), `.${basename(path)}.${unique}.tmp`);
}

/** Whether `temporaryName` made this name: what a killed process may have left behind. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

// Versions that did not tell the machine had 8 digits.
const TEMPORARY = /^\..+\.(?<pid>\d+)-(?<machine>[0-9a-f]{8})?[0-9a-f]{8}\.tmp$/;

/** Removes what processes of this machine that were killed left half-written in a folder. Never throws: there is always another start. */
export async function sweepFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const { pid, machine } = TEMPORARY.exec(name)?.groups ?? {};
    if (machine !== MACHINE_TAG || isRunning(Number(pid))) continue;
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
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

function unlessMissing(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

/**
 * Checks, before any work is done, that something can be written to a folder, or where it is missing, that it can be made.
 * Leaves no trace. Throws UsageError naming the option, or RunError where there is no space.
 */
export async function requireWritable(dir: string, option: string): Promise<void> {
  try {
    let nearest = resolve(dir);
    while ((await stat(nearest).catch(unlessMissing)) === undefined) nearest = dirname(nearest);
    const probe = temporaryName(join(nearest, 'probe'));
    await mkdir(probe);
    await rmdir(probe);
  } catch (error) {
    throw explainWriteError(error, dir, 'start', option);
  }
}

/**
 * 'start', 'resume': the user gave a bad place for something new, or an old training run to go on with. It went bad later: 'run' in a
 * training run, 'once' in anything that cannot be gone on with.
 */
export type WritePhase = 'start' | 'resume' | 'run' | 'once';

const FREE = 'Free some space there';

/** What happened, and what to do about it at the start, where an option named the place, and later. */
interface WriteFailure {
  readonly what: string;
  /** Undefined where it is what is to be done later. */
  readonly start?: (option: string) => string;
  readonly later: string;
}

const REASONS: Readonly<Record<string, WriteFailure>> = {
  ENOSPC: { what: 'no space is left on that device', later: FREE },
  EDQUOT: { what: 'the disk quota there is used up', later: FREE },
  EROFS: {
    what: 'that file system is read-only',
    start: (option) => `Give a folder that can be written with ${option}.`,
    later: 'Make it writable',
  },
  EACCES: {
    what: 'permission was denied',
    start: (option) => `Give a folder that you may write to with ${option}.`,
    later: 'Make it writable',
  },
  ENOENT: {
    what: 'its folder is not there',
    start: (option) => `It cannot be made either: give another place with ${option}.`,
    later: 'It was removed or moved meanwhile. Put it back',
  },
  ENOTDIR: {
    what: 'a part of that path is a file, not a folder',
    start: (option) => `Give a folder with ${option}.`,
    later: 'Remove that file',
  },
};

/** Errnos that say the same as another. */
const ALIASES: Readonly<Record<string, string>> = { EPERM: 'EACCES', EEXIST: 'ENOTDIR' };

/** Errnos that are the machine's fault in every phase. */
const NO_SPACE = new Set(['ENOSPC', 'EDQUOT']);

/**
 * Says in words why `path` could not be written: what, where and what to do.
 *
 * A UsageError before anything is done, except where there is no space; a RunError in the middle of it.
 * Anything that carries no errno is handed back as it is.
 * @param option names the place of what is started
 */
export function explainWriteError(
  error: unknown,
  path: string,
  phase: WritePhase,
  option = '--out',
): unknown {
  const code = errnoOf(error);
  const limit = limitReached(error);
  if (code === undefined || limit !== undefined) return limit ?? error;
  const known = REASONS[ALIASES[code] ?? code];
  const resumable = phase === 'run' || phase === 'resume';
  const whole = NO_SPACE.has(code) ? '; what was written before is whole' : '';
  const again = resumable ? 'go on with --resume, or start again' : 'start again';
  const advice =
    (phase === 'start' ? known?.start?.(option) : undefined) ??
    `${known?.later ?? 'Check that place'} and ${again}${whole}.`;
  const message = `Could not write ${path}: ${writeFailure(error)}. ${advice}`;
  const options = { cause: error };
  const isUsage = (phase === 'start' || phase === 'resume') && !NO_SPACE.has(code);
  return isUsage ? new UsageError(message, options) : new RunError(message, options);
}

/** What kept a file from being written, in words and with its errno. */
export function writeFailure(error: unknown): string {
  const code = errnoOf(error) ?? 'no errno';
  return `${REASONS[ALIASES[code] ?? code]?.what ?? messageOf(error)} (${code})`;
}
