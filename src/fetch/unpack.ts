import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';
import yauzl from 'yauzl';
import { messageOf, RunError } from '../errors.js';
import { printable } from '../printable.js';

/** A file in an archive. */
export interface ArchiveEntry {
  /** Below the archive's top, with forward slashes; never one that leads out of a folder. */
  readonly name: string;
  readonly bytes: number;
  /** Its content, checked to be no longer than `bytes`. At most once, and before the visitor is done. */
  readonly read: () => Promise<Buffer>;
}

interface ReadOptions {
  readonly signal: AbortSignal;
  /** Hears of the archive's bytes that have been gone through. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Files in one archive, bytes in one file, and bytes in all of them: what goes beyond is no data set of images. */
const MOST_FILES = 300_000;
const LARGEST_FILE = 500e6;
const LARGEST_ARCHIVE = 20e9;

/**
 * Goes through the files of a .tar.gz, .tar or .zip, told apart by their first bytes, and hands them to `visit` one after the other; what is not
 * read is passed over. Folders are not told: a file's name has them. Nothing is written here.
 * @throws RunError where the archive is damaged, a name in it would lead out of the folder that it is unpacked into, an entry that
 * is read is a link or a device, or there is more in it than any data set has
 */
export async function readArchive(
  path: string,
  visit: (entry: ArchiveEntry) => Promise<void>,
  options: ReadOptions,
): Promise<void> {
  const limits = new Limits();
  const checked = (name: string, bytes: number, read: () => Promise<Buffer>) => {
    options.signal.throwIfAborted();
    limits.count(name, bytes);
    return visit({ name, bytes, read });
  };
  try {
    await ((await firstBytes(path)) === PK ? readZip : readTar)(path, checked, options);
  } catch (error) {
    options.signal.throwIfAborted();
    if (!(error instanceof Refusal)) throw error;
    throw new RunError(
      `${path} cannot be unpacked: ${error.message}. Nothing of it was kept. Remove it and start again: it is downloaded anew.`,
      { cause: error },
    );
  }
}

/** What is wrong with an archive, in half a sentence. */
class Refusal extends Error {}

type Checked = (name: string, bytes: number, read: () => Promise<Buffer>) => Promise<void>;

class Limits {
  private files = 0;
  private bytes = 0;

  count(name: string, bytes: number): void {
    const shown = printable(name);
    requireInside(name);
    this.files++;
    this.bytes += bytes;
    if (this.files > MOST_FILES) throw new Refusal(`it holds more than ${MOST_FILES} files`);
    if (bytes > LARGEST_FILE)
      throw new Refusal(`${shown} in it has ${bytes} bytes, and at most ${LARGEST_FILE} are taken`);
    if (this.bytes > LARGEST_ARCHIVE)
      throw new Refusal(`the files in it have more than ${LARGEST_ARCHIVE} bytes`);
  }
}

/** Throws Refusal for a name that leads out of the folder it is unpacked into, on this system or another. */
function requireInside(name: string): void {
  const parts = name.split(/[/\\]/u);
  if (parts.includes('..') || /^(?:[/\\]|[a-z]:)/iu.test(name) || name.includes('\0')) {
    throw new Refusal(`the name ${printable(name)} in it leads out of the folder it is unpacked into`);
  }
}

/** How files of these kinds begin, in hexadecimal. */
const PK = '504b';
const GZIP = '1f8b';

/** What the tar reader calls a warning, and is none here. */
const DAMAGE: ReadonlySet<string> = new Set(['TAR_BAD_ARCHIVE', 'TAR_ENTRY_INVALID', 'TAR_ABORT']);

async function readTar(path: string, visit: Checked, { signal, onProgress }: ReadOptions): Promise<void> {
  const { size } = await stat(path);
  let failure: unknown;
  const fail = (error: unknown) => void (failure ??= error);
  const damage = (error: unknown) => fail(new Refusal(`it is damaged: ${messageOf(error)}`));
  let visited = Promise.resolve();
  const parser = new Parser({
    // The parser goes on with the next entry once all of this one has been read.
    onReadEntry: (entry) => {
      visited = visited
        .then(() => (failure === undefined ? visitTarEntry(entry, visit) : undefined))
        .catch(fail)
        .finally(() => entry.resume());
    },
    onwarn: (code, message) => {
      if (DAMAGE.has(code)) damage(message);
    },
  });
  const ended = once(parser, 'end').catch(damage);
  const isPacked = (await firstBytes(path)) === GZIP;
  const file = createReadStream(path, { highWaterMark: 2 ** 18, signal });
  const content = isPacked ? file.pipe(createGunzip()) : file;
  file.on('error', (error) => content.destroy(error));
  try {
    for await (const piece of content) {
      if (!parser.write(piece)) await once(parser, 'drain');
      onProgress?.(file.bytesRead, size);
      if (failure !== undefined) throw failure;
    }
  } catch (error) {
    if (codeOf(error).startsWith('Z_')) damage(error);
    else fail(error);
  }
  if (failure === undefined) {
    parser.end();
    await ended;
  }
  await visited;
  if (failure !== undefined) throw failure;
}

async function visitTarEntry(entry: ReadEntry, visit: Checked): Promise<void> {
  const { type, path, size } = entry;
  if (type === 'Directory' || type === 'GNUDumpDir') return requireInside(path);
  const isFile = type === 'File' || type === 'OldFile' || type === 'ContiguousFile';
  await visit(path, size, async () => {
    if (!isFile) throw new Refusal(`${printable(path)} in it is no file, but of the kind ${type}`);
    return entry.concat();
  });
}

async function readZip(path: string, visit: Checked, { onProgress }: ReadOptions): Promise<void> {
  const { size } = await stat(path);
  const zip = await yauzl.openPromise(path, { autoClose: false }).catch(refuseZip);
  try {
    let done = 0;
    const entries = zip.eachEntry();
    for (;;) {
      const { done: over, value: entry } = await entries.next().catch(refuseZip);
      if (over === true) break;
      done += entry.compressedSize;
      if (!entry.fileName.endsWith('/')) await visitZipEntry(zip, entry, visit);
      onProgress?.(Math.min(done, size), size);
    }
  } finally {
    zip.close();
  }
}

/** The kind of a file that Unix keeps in the upper half of a zip entry's attributes. */
const KIND = 0o170000;
const LINK = 0o120000;

async function visitZipEntry(zip: yauzl.ZipFile, entry: yauzl.Entry, visit: Checked): Promise<void> {
  const { fileName: name, uncompressedSize, externalFileAttributes } = entry;
  await visit(name, uncompressedSize, async () => {
    if (((externalFileAttributes >>> 16) & KIND) === LINK) {
      throw new Refusal(`${printable(name)} in it is no file, but a link`);
    }
    return zip.openReadStreamPromise(entry).then(buffer).catch(refuseZip);
  });
}

/** The zip reader's errors have no codes; those that do are the system's. */
function refuseZip(error: unknown): never {
  if (codeOf(error) !== '' && !codeOf(error).startsWith('Z_')) throw error;
  const name = /^(?:invalid relative path|absolute path|invalid characters in fileName): (.*)$/su.exec(
    messageOf(error),
  )?.[1];
  if (name !== undefined) requireInside(name);
  throw new Refusal(`it is damaged: ${printable(messageOf(error))}`);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** The first two bytes in hexadecimal. */
async function firstBytes(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const start = Buffer.alloc(2);
    await file.read(start, 0, 2, 0);
    return start.toString('hex');
  } finally {
    await file.close();
  }
}

/**
 * Writes a new file below `folder`, and the folders on the way. Throws an Error, before anything is written, where the name leads
 * out of it; the system's error where there is such a file already, as a link would be.
 */
export async function writeInside(folder: string, name: string, content: Uint8Array): Promise<void> {
  const path = resolve(folder, name);
  if (!path.startsWith(resolve(folder) + sep)) throw new Error(`${name} leads out of ${folder}`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content, { flag: 'wx' });
}
