import { closeSync, constants, fstatSync, open, openSync, read, readSync, type Stats } from 'node:fs';
import { mkdir, open as openFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';

/** A file that is there and is not read: `message` says why in half a sentence, as in «it is a pipe, not a file». */
export class FileRefusal extends Error {
  override readonly name = 'FileRefusal';
}

/** A regular file that is open for reading. */
interface OpenFile {
  /** Bytes, when it was opened. */
  readonly size: number;
  /** Fills `target` with the file's first bytes; returns how many there were. */
  readonly readInto: (target: Uint8Array) => Promise<number>;
}

// A pipe that nobody writes to would block, and a terminal take over the process. Windows has neither flag.
const {
  O_RDONLY,
  O_NONBLOCK = 0,
  O_NOCTTY = 0,
} = constants as Partial<typeof constants> & {
  O_RDONLY: number;
};
const FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY;
/** Bytes that are read at a time. */
const PIECE = 2 ** 30;

const openAsync = promisify(open);
const readAsync = promisify(read);

/** Bytes that this thread reads by itself; more would hold up what else it does. */
const OWN_BYTES = 2 ** 20;
/** Milliseconds from which on a file was not in memory, or the system gave the processor to somebody else. */
const WAITED = 1;
/** Files in a row that this thread waited for before it leaves some to Node's pool, and how many these are. */
const PATIENCE = 3;
const TO_POOL = 64;

/** Files in a row that this thread waited for, and files that are still left to the pool. */
let waited = 0;
let toPool = 0;

/**
 * Opens a file that somebody else may have put there: regular files of at most `maxBytes` alone, judged by the opened file
 * itself. Throws FileRefusal for folders, pipes, sockets, devices and larger files, else the system's error.
 *
 * Opening and reading may wait for the disk, and are left to Node's pool of threads. Size and close of an open file do not
 * wait, and take less time than handing them over.
 */
export async function withFile<Result>(
  path: string,
  maxBytes: number,
  use: (file: OpenFile) => Promise<Result>,
): Promise<Result> {
  requireName(path);
  const descriptor = await openAsync(path, FLAGS).catch((error: unknown) => {
    throw openError(error);
  });
  try {
    const size = fileSize(descriptor, maxBytes);
    return await use({ size, readInto: (target) => readInto(descriptor, target) });
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The bytes of a file, as `withFile` opens it.
 *
 * What the system has in memory this thread reads by itself, which takes a fifth of the time; where it had to wait for a disk or a
 * network, the next files go to Node's pool of threads, side by side.
 */
export async function readWholeFile(path: string, maxBytes: number): Promise<Buffer> {
  const own = toPool === 0 ? readHere(path, maxBytes) : undefined;
  if (own !== undefined) return own;
  toPool = Math.max(0, toPool - 1);
  return withFile(path, maxBytes, async ({ size, readInto: read }) => {
    const bytes = Buffer.allocUnsafe(size);
    // The file may have become shorter meanwhile.
    return bytes.subarray(0, await read(bytes));
  });
}

/** Undefined for a file that is too large to hold this thread up. */
function readHere(path: string, maxBytes: number): Buffer | undefined {
  requireName(path);
  const begin = performance.now();
  let descriptor;
  try {
    descriptor = openSync(path, FLAGS);
  } catch (error) {
    throw openError(error);
  }
  try {
    const size = fileSize(descriptor, maxBytes);
    if (size > OWN_BYTES) return undefined;
    const bytes = Buffer.allocUnsafe(size);
    let length = 0;
    for (let read = -1; read !== 0 && length < size; length += read) {
      read = readSync(descriptor, bytes, length, size - length, length);
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
    waited = performance.now() - begin > WAITED ? Math.min(PATIENCE, waited + 1) : 0;
    if (waited === PATIENCE) toPool = TO_POOL;
  }
}

function requireName(path: string): void {
  if (path.includes('\0')) throw new FileRefusal('its name holds a NUL character');
}

/** What cannot be opened by its name at all: a socket, or a device that is not there. */
function openError(error: unknown): unknown {
  const noDevice = error instanceof Error && 'code' in error && error.code === 'ENXIO';
  return noDevice ? new FileRefusal('it is a socket or a device, not a file') : error;
}

/** The size of an open file in bytes. Throws FileRefusal for what is none, and for larger ones. */
function fileSize(descriptor: number, maxBytes: number): number {
  const found = fstatSync(descriptor);
  if (!found.isFile()) throw new FileRefusal(`it is ${kindOf(found)}, not a file`);
  if (found.size > maxBytes) {
    throw new FileRefusal(`it has ${found.size} bytes, and at most ${maxBytes} are read`);
  }
  return found.size;
}

async function readInto(descriptor: number, target: Uint8Array): Promise<number> {
  let length = 0;
  while (length < target.length) {
    const piece = Math.min(PIECE, target.length - length);
    const { bytesRead } = await readAsync(descriptor, target, length, piece, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}

/** Deeper than any file that the program reads, and far from where recursion runs out of stack. */
const DEEPEST = 100;

/**
 * What a JSON text from outside says. Throws SyntaxError as JSON.parse does, and also where lists and objects lie more than 100 deep
 * within each other: whatever walks them later, JSON.stringify included, would run out of stack.
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // Each level has two brackets: most texts are too short to be deep.
  if (text.length > 2 * DEEPEST && isDeep(value)) {
    throw new SyntaxError(`lists and objects in it are nested more than ${DEEPEST} deep`);
  }
  return value;
}

/** Level by level, as it is recursion that has to be avoided. */
function isDeep(value: unknown): boolean {
  let level = [value];
  for (let depth = 0; depth <= DEEPEST && level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const one of level) {
      if (typeof one !== 'object' || one === null) continue;
      for (const inner of Object.values(one)) if (typeof inner === 'object') next.push(inner);
    }
    level = next;
  }
  return level.length > 0;
}

/**
 * Makes a folder and those above it that are missing. Throws the system's error. Node's `recursive: true` tries for ever
 * where a file system says ENOENT to every new folder, as /proc does.
 */
export async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path).catch(async (error: unknown) => {
      if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
      await makeFolders(dirname(path));
      await mkdir(path);
    });
    await syncFolder(dirname(path));
  } catch (error) {
    if (!(await isFolder(path))) throw error;
  }
}

/** Waits until the names in a folder are on the disk: a rename alone does not outlive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders, and needs none of this.
  if (process.platform === 'win32') return;
  const handle = await openFile(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems know no fsync of a folder; there is nothing more to be had from them.
    if (errnoOf(error) !== 'EINVAL' && errnoOf(error) !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** The errno of a system error, such as 'ENOENT'; undefined for any other value. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
