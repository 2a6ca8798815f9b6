import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, delimiter, dirname, isAbsolute, relative, resolve } from 'node:path';
import { messageOf, RunError } from './errors.js';

/**
 * The numbers of processes that this one sees, as Linux names them (pid_namespaces(7)): containers have their own, also where they share
 * the name of the machine. Null where the system does not say.
 */
export const PROCESS_SPACE = processSpace();

/** Tells names that this machine's processes give from those of others that see the same folder: 8 hexadecimal digits. */
export const MACHINE_TAG = fnv1a(`${hostname()} ${PROCESS_SPACE ?? ''}`)
  .toString(16)
  .padStart(8, '0');

function processSpace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

/** The 32-bit hash of Fowler, Noll and Vo: loading a better one would take longer than all else at the start. */
function fnv1a(text: string): number {
  return Buffer.from(text).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}

/** Read at the start: a process that has too many files open cannot read it any more. */
const LIMITS = readSystemFile('/proc/self/limits');

/** Files that the program's own modules and a run or two have open at a time; below it, loading fails at places by chance. */
const FILES = 256;

/** Throws RunError where this process may not have as many files open as it needs, whatever it is to do. */
export function requireOpenFiles(): void {
  if (Number(limitOf('Max open files')) < FILES) throw tooFewFiles();
}

/**
 * What the system refused because a limit of this process or of the machine is reached, as an error that names the limit and what
 * is needed; undefined for all other errors.
 */
export function limitReached(error: unknown): RunError | undefined {
  const said = messageOf(error);
  const code = codeOf(error);
  if (code === 'EMFILE' || said.includes('EMFILE')) return tooFewFiles(error);
  if (code === 'ENFILE') {
    return new RunError(
      `The machine has as many files open as it allows (${said}). Close other programs, or raise fs.file-max, and start again.`,
      { cause: error },
    );
  }
  if (code === 'ERR_WORKER_INIT_FAILED') {
    return new RunError(
      `The system gives this process no more threads (${said}); it may have ${limitOf('Max processes') ?? 'too few'}. ` +
        'Use fewer --workers or --jobs, or allow it more with "ulimit -u".',
      { cause: error },
    );
  }
  const memory = code === 'ENOMEM' || code === 'ERR_WORKER_OUT_OF_MEMORY';
  const refused = error instanceof RangeError && /allocat|out of memory|unable to grow/i.test(said);
  return memory || refused ? tooLittleMemory(error) : undefined;
}

function tooFewFiles(cause?: unknown): RunError {
  const few = limitOf('Max open files');
  return new RunError(
    `This process may have ${few ?? 'only few'} files open at a time, and needs ${FILES}, or more with many --jobs. ` +
      'Allow it more, as with "ulimit -n 1024", and start again.',
    { cause },
  );
}

/** WebAssembly sets aside 10 GB of addresses for every memory, so that it need not check each access. */
function tooLittleMemory(cause: unknown): RunError {
  const limit = Number(limitOf('Max address space'));
  const advice = Number.isFinite(limit)
    ? `It may use ${(limit / 2 ** 30).toFixed(1)} GiB of addresses (ulimit -v). A run takes about 75 GiB of them, and each further one ` +
      'of --jobs more, whatever it uses of the memory. Allow it all with "ulimit -v unlimited".'
    : 'Close other programs, or use fewer --jobs or --workers, a smaller --batch-size or --image-size.';
  return new RunError(`The system gives this process no more memory (${messageOf(cause)}). ${advice}`, {
    cause,
  });
}

/** A soft limit of this process as Linux tells it (proc(5), /proc/PID/limits), such as 1024 or unlimited. */
function limitOf(name: string): string | undefined {
  const line = LIMITS?.split('\n').find((text) => text.startsWith(name));
  return line?.slice(name.length).trim().split(/\s+/)[0];
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/**
 * Tells a process from a later one with the same number: the boot it lives under and its start in clock ticks
 * since then (proc(5), /proc/PID/stat, field 22). Null where the system does not say.
 */
export function processIdentity(pid: number): string | null {
  const stat = readStat(pid);
  const boot = readSystemFile('/proc/sys/kernel/random/boot_id');
  return stat === null || boot === null ? null : `${boot.trim()}:${stat.startTicks}`;
}

/** Whether the process `pid` of this machine still runs and is the one that had this identity, where that is known. */
export function isRunning(pid: number, identity: string | null = null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and belongs to another user.
    if (codeOf(error) === 'ESRCH') return false;
  }
  // Killed, but not yet waited for by its parent; under a container's first process that may last for ever.
  if (readStat(pid)?.ended === true) return false;
  const now = processIdentity(pid);
  return identity === null || now === null || identity === now;
}

function readStat(pid: number): { readonly startTicks: string; readonly ended: boolean } | null {
  const text = readSystemFile(`/proc/${pid}/stat`);
  // Field 2, the command's name, is in parentheses and may hold spaces and parentheses of its own.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields?.[0];
  const startTicks = fields?.[22 - 3];
  return state === undefined || startTicks === undefined
    ? null
    : { startTicks, ended: 'ZXx'.includes(state) };
}

function readSystemFile(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}

/** How the user called this program: by npx, by its name on the path, or by its file. */
export function calledAs(): string[] {
  const { npm_lifecycle_event: event, npm_lifecycle_script: script = '', PATH = '' } = process.env;
  if (event === 'npx' && /^['"]?onecycle\b/u.test(script)) return ['npx', 'onecycle'];
  const file = process.argv[1] ?? 'onecycle';
  const onPath = PATH.split(delimiter).some((folder) => folder !== '' && resolve(folder) === dirname(file));
  // Windows starts a package's file by a script of its own beside it.
  const byScript = process.platform === 'win32' && /[/\\]node_modules[/\\]onecycle[/\\]/u.test(file);
  if ((basename(file) === 'onecycle' && onPath) || byScript) return ['onecycle'];
  const near = relative(process.cwd(), file);
  return ['node', near.startsWith('..') || isAbsolute(near) ? file : near];
}
