import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { UsageError } from '../errors.js';
import { makeFolders } from '../files.js';
import { isRunning, MACHINE_TAG } from '../system.js';
import { cacheFolder } from './cache.js';

// A cache of values that take time to compute, kept from one command to the next: packs of many values in
// <cache>/computed/<kind>-<conditions>/<name>.pack.
//
// A pack is written under a temporary name and renamed, and then never changes. Its values come first, one after another, then a
// table of them sorted by key, then where the table lies and a hash of it. Every value has a checksum of its own. So a pack that is
// cut short is no pack, a damaged value is computed anew, processes need no lock between them, and anything here may be deleted at any time.

/** Bytes of a key: a SHA-256. */
export const KEY_BYTES = 32;
/** The start of a value's SHA-256: enough against damage. */
const CHECK_BYTES = 16;
/** A row of the table: key, checksum, then where the value begins (float64) and its length (uint32), little-endian. */
const OFFSET_AT = KEY_BYTES + CHECK_BYTES;
const LENGTH_AT = OFFSET_AT + 8;
const ROW = LENGTH_AT + 8;
/** A pack's end: where its table begins and how many rows that has (float64), the table's SHA-256, and a mark. */
const MARK = Buffer.from('1cycle01');
const END = 8 + 8 + 32 + MARK.length;
const SUFFIX = '.pack';

/** Packs of the same kind and conditions that are looked into, the youngest first. */
const OPEN_PACKS = 32;
/** Bytes that are gathered before they are written. */
const GATHERED = 2 ** 20;
/** Milliseconds after which a half-written pack of another machine is taken for left behind. */
const ABANDONED = 24 * 3600_000;

const LIMIT = 'ONECYCLE_CACHE_SIZE';
/** Bytes of all packs where nobody says otherwise, and the share of the free space that they may take. */
const USUAL_LIMIT = 4e9;
const SHARE_OF_FREE = 0.1;
const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** Where the packs lie; it may not exist yet. */
export function computedFolder(): string {
  return join(cacheFolder(), 'computed');
}

/**
 * The bytes that all packs may take: ONECYCLE_CACHE_SIZE, as in 500M or 8G, of which 0 is no cache; else 4 GB, or what there is
 * and a tenth of the free space if that is less. Throws UsageError where the variable is no size.
 */
export function cacheLimit(): number {
  const asked = askedLimit();
  if (asked !== undefined) return asked;
  try {
    const { bavail, bsize } = statfsSync(cacheFolder());
    return Math.min(USUAL_LIMIT, cachedBytes() + SHARE_OF_FREE * bavail * bsize);
  } catch {
    return USUAL_LIMIT;
  }
}

function askedLimit(text = process.env[LIMIT] ?? ''): number | undefined {
  if (text === '') return undefined;
  const { number, unit = '' } = /^(?<number>\d+(?:\.\d+)?)(?<unit>[KMGT]?)B?$/iu.exec(text)?.groups ?? {};
  if (number !== undefined) return Number(number) * (UNITS[unit.toUpperCase()] ?? 1);
  throw new UsageError(
    `Expected a size such as 500M or 8G, or 0 for no cache, for the environment variable ${LIMIT} but received ${text}. Correct it, or unset it.`,
  );
}

/** The bytes of all packs. */
export function cachedBytes(): number {
  return allPacks().reduce((sum, { size }) => sum + size, 0);
}

/** What makes the values of one cache what they are, beside their keys. A value of other conditions is another value. */
export type Conditions = Readonly<Record<string, unknown>>;

/**
 * Values of one kind, found by key among those of earlier commands. What is put in serves later ones.
 *
 * No failure of the disk is an error here: a value that cannot be read is not there, and one that cannot be written is not kept.
 */
export class ValueCache {
  private writer: PackWriter | undefined;
  private refused = false;
  private closed = false;

  private constructor(
    private readonly folder: string,
    private readonly packs: readonly Pack[],
    private readonly limit: number,
  ) {}

  /** Undefined where the user wants none, or no folder can be made for it. Throws UsageError as {@link cacheLimit} does. */
  static async open(kind: string, conditions: Conditions): Promise<ValueCache | undefined> {
    if (askedLimit() === 0) return undefined;
    const hash = createHash('sha256').update(JSON.stringify(conditions)).digest('hex');
    const folder = join(computedFolder(), `${kind}-${hash.slice(0, 24)}`);
    try {
      await makeFolders(folder);
    } catch {
      return undefined;
    }
    return new ValueCache(folder, openPacks(folder), cacheLimit());
  }

  /** The value of a key; undefined where none is kept, or not as it was written. */
  get(key: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    // The numbers of closed files may be those of others by now.
    if (this.closed) return undefined;
    for (const pack of this.packs) {
      const row = pack.find(key);
      if (row === undefined) continue;
      const value = pack.read(row);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** Keeps a value for later commands; it need not be got again from this cache. */
  put(key: Uint8Array, value: Uint8Array): void {
    if (this.refused || this.closed) return;
    // What this command uses already stays: more than fits would only push it out.
    const used = this.packs.reduce((sum, pack) => sum + (pack.hits > 0 ? pack.size : 0), 0);
    try {
      this.writer ??= new PackWriter(this.folder);
      if (used + this.writer.size + value.length > this.limit) this.refused = true;
      else this.writer.put(key, value);
    } catch {
      this.refused = true;
      this.writer?.discard();
      this.writer = undefined;
    }
  }

  /** Hands on what was put in, and frees what has not been used for longest where there is too much. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const pack of this.packs) pack.close();
    const writer = this.writer;
    this.writer = undefined;
    if (writer === undefined) return;
    try {
      if (writer.values === 0) writer.discard();
      else writer.publish();
      evict(this.limit);
    } catch {
      writer.discard();
    }
  }
}

/** The packs of a folder, the youngest first; what is no whole pack is removed. */
function openPacks(folder: string): Pack[] {
  const found = packsIn(folder).sort((a, b) => b.time - a.time);
  return found.slice(0, OPEN_PACKS).flatMap(({ path }) => {
    const pack = Pack.open(path);
    return pack === undefined ? [] : [pack];
  });
}

/**
 * A pack to read from. The main thread keeps the file open; a comparison's many other threads, which read far less, would come to more
 * open files than a process may have.
 */
class Pack {
  /** Values that were read. */
  hits = 0;

  private constructor(
    private readonly path: string,
    private readonly file: number | undefined,
    readonly size: number,
    private readonly table: Buffer,
  ) {}

  /** Undefined where there is no whole pack; one that is damaged is removed. */
  static open(path: string): Pack | undefined {
    let file;
    try {
      file = openSync(path, 'r');
      const { size } = fstatSync(file);
      const table = readTable(file, size);
      if (table === undefined) rmSync(path, { force: true });
      else if (isMainThread) return new Pack(path, file, size, table);
      closeSync(file);
      return table && new Pack(path, undefined, size, table);
    } catch {
      // Another process has removed it, or it cannot be read.
    }
    if (file !== undefined) closeSync(file);
    return undefined;
  }

  /** Where a key's row begins in the table. */
  find(key: Uint8Array): number | undefined {
    let [low, high] = [0, this.table.length / ROW];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.table.compare(key, 0, KEY_BYTES, middle * ROW, middle * ROW + KEY_BYTES);
      if (order === 0) return middle * ROW;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /** The value of a row; undefined where it is not what was written, and then no later command meets this pack. */
  read(row: number): Uint8Array<ArrayBuffer> | undefined {
    const check = this.table.subarray(row + KEY_BYTES, row + OFFSET_AT);
    const [offset, length] = [
      this.table.readDoubleLE(row + OFFSET_AT),
      this.table.readUInt32LE(row + LENGTH_AT),
    ];
    try {
      const value = this.withFile((file) => readAt(file, offset, length));
      if (value !== undefined && checksum(value).equals(check)) {
        this.hits++;
        return value;
      }
      rmSync(this.path, { force: true });
    } catch {
      // It cannot be read now; perhaps later.
    }
    return undefined;
  }

  private withFile<Result>(read: (file: number) => Result): Result {
    if (this.file !== undefined) return read(this.file);
    const file = openSync(this.path, 'r');
    try {
      return read(file);
    } finally {
      closeSync(file);
    }
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    if (this.hits === 0) return;
    const now = new Date();
    try {
      utimesSync(this.path, now, now);
    } catch {
      // Removed meanwhile, or another user's: then it ages as if nobody used it.
    }
  }
}

function readTable(file: number, size: number): Buffer | undefined {
  const end = size < END ? undefined : readAt(file, size - END, END);
  if (end === undefined) return undefined;
  const view = Buffer.from(end.buffer);
  const [begin, rows] = [view.readDoubleLE(0), view.readDoubleLE(8)];
  if (!view.subarray(END - MARK.length).equals(MARK) || begin + rows * ROW + END !== size) return undefined;
  const table = readAt(file, begin, rows * ROW);
  if (table === undefined) return undefined;
  const hash = createHash('sha256').update(table).digest();
  return hash.equals(view.subarray(16, 16 + hash.length)) ? Buffer.from(table.buffer) : undefined;
}

/** Bytes of a file; undefined where it ends before them. */
function readAt(file: number, position: number, length: number): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const read = readSync(file, bytes, done, length - done, position + done);
    if (read === 0) return undefined;
    done += read;
  }
  return bytes;
}

function checksum(value: Uint8Array): Buffer {
  return createHash('sha256').update(value).digest().subarray(0, CHECK_BYTES);
}

/** Writes a pack under a name that nobody else looks at. */
class PackWriter {
  size = 0;
  private readonly temporary: string;
  private readonly file: number;
  private readonly keys = new Set<string>();
  /** The table's rows in the order in which they came, with room for more. */
  private rows = Buffer.alloc(64 * ROW);
  private readonly gathered = Buffer.allocUnsafe(GATHERED);
  private waiting = 0;

  constructor(private readonly folder: string) {
    sweep(folder);
    const unique = `${process.pid}-${MACHINE_TAG}${randomBytes(4).toString('hex')}`;
    this.temporary = join(folder, `.${unique}.tmp`);
    this.file = openSync(this.temporary, 'wx', 0o600);
  }

  get values(): number {
    return this.keys.size;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const at = this.values * ROW;
    if (at === this.rows.length) this.rows = Buffer.concat([this.rows], 2 * at);
    this.rows.set(key, at);
    const name = this.rows.toString('latin1', at, at + KEY_BYTES);
    // The same image twice in a folder.
    if (this.keys.has(name)) return;
    this.rows.set(checksum(value), at + KEY_BYTES);
    this.rows.writeDoubleLE(this.size, at + OFFSET_AT);
    this.rows.writeUInt32LE(value.length, at + LENGTH_AT);
    this.append(value);
    this.keys.add(name);
  }

  /** Gives the pack its name. */
  publish(): void {
    const rows = Array.from({ length: this.values }, (_, i) => this.rows.subarray(i * ROW, (i + 1) * ROW));
    const table = Buffer.concat(rows.sort((a, b) => a.compare(b)));
    const end = Buffer.alloc(END);
    end.writeDoubleLE(this.size, 0);
    end.writeDoubleLE(this.values, 8);
    end.set(createHash('sha256').update(table).digest(), 16);
    end.set(MARK, END - MARK.length);
    this.append(table);
    this.append(end);
    this.flush();
    closeSync(this.file);
    renameSync(this.temporary, join(this.folder, `${randomBytes(8).toString('hex')}${SUFFIX}`));
  }

  discard(): void {
    try {
      rmSync(this.temporary, { force: true });
      closeSync(this.file);
    } catch {
      // It is closed already, or the disk is gone.
    }
  }

  private append(bytes: Uint8Array): void {
    if (this.waiting + bytes.length > GATHERED) this.flush();
    if (bytes.length > GATHERED) this.write(bytes);
    else {
      this.gathered.set(bytes, this.waiting);
      this.waiting += bytes.length;
    }
    this.size += bytes.length;
  }

  private flush(): void {
    this.write(this.gathered.subarray(0, this.waiting));
    this.waiting = 0;
  }

  private write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.file, bytes, done);
  }
}

/** Removes what processes that were killed left half-written. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const { pid, machine } = OURS.exec(name)?.groups ?? {};
    if (pid === undefined) continue;
    const path = join(folder, name);
    const ended =
      machine === MACHINE_TAG
        ? !isRunning(Number(pid))
        : Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > ABANDONED;
    if (ended) rmSync(path, { force: true });
  }
}

const OURS = /^\.(?<pid>\d+)-(?<machine>[0-9a-f]{8})[0-9a-f]{8}\.tmp$/;

interface PackFile {
  readonly path: string;
  readonly size: number;
  /** When it was last used, in milliseconds. */
  readonly time: number;
}

function packsIn(folder: string): PackFile[] {
  const names = listed(folder).filter((name) => name.endsWith(SUFFIX));
  return names.flatMap((name) => {
    const path = join(folder, name);
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? [] : [{ path, size: found.size, time: found.mtimeMs }];
  });
}

function allPacks(): PackFile[] {
  const root = computedFolder();
  return listed(root).flatMap((name) => packsIn(join(root, name)));
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Removes the packs that have not been used for longest until the others fit. */
function evict(limit: number): void {
  const packs = allPacks().sort((a, b) => b.time - a.time);
  let kept = 0;
  for (const { path, size } of packs) {
    kept += size;
    if (kept > limit) rmSync(path, { force: true });
  }
}
