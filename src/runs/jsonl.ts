import { createHash, type Hash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { RunError, UsageError } from '../errors.js';
import { withFile } from '../files.js';
import { explainWriteError } from './atomic.js';
import { isCount, isJsonObject, type JsonObject, jsonText, type JsonValue } from './json.js';
import { limitOf, parseObject, readBytes, unreadable } from './read-document.js';

const NEWLINE = 0x0a;
/** Lines are handed to the system in pieces of about this many characters. */
const BUFFER_LENGTH = 64 * 1024;

/**
 * Appends JSON documents to a file, one a line, whole lines only.
 *
 * Lines wait in memory until `flush`, `sync`, `close` or 64 KiB of them. After a failed write the lines are
 * kept and the next attempt writes them again at the same place, so a full disk leaves a torn end at most.
 */
export class JsonlWriter {
  #pending = '';
  #written: number;
  #durable: number;
  #sha256: string;

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    length: number,
    /** Of all that was handed to the system: long files are not read again at every checkpoint. */
    private readonly hash: Hash,
    private readonly phase: 'run' | 'once',
  ) {
    this.#written = length;
    this.#durable = length;
    this.#sha256 = hash.copy().digest('hex');
  }

  /**
   * Goes on writing at the end of an existing file, which must end with a whole line: see `truncateTo`.
   * @param phase 'once' where the file is of nothing that can be gone on with
   */
  static async open(path: string, phase: 'run' | 'once' = 'run'): Promise<JsonlWriter> {
    try {
      // Not in append mode: there Linux ignores the position, and a failed write could not be done again.
      const file = await open(path, 'r+');
      const { size } = await file.stat();
      const hash = createHash('sha256');
      if (size > 0) hash.update(await readBytes(path));
      return new JsonlWriter(path, file, size, hash, phase);
    } catch (error) {
      throw explainWriteError(error, path, phase === 'run' ? 'resume' : phase);
    }
  }

  /** Bytes that outlive a power cut: the length of the file at the last `sync`. */
  get offset(): number {
    return this.#durable;
  }

  /** The SHA-256, in hex, of the file's first `offset` bytes. */
  get sha256(): string {
    return this.#sha256;
  }

  /** Adds one line. Throws RangeError for numbers that are not finite, RunError where the disk refuses. */
  append(record: object): void {
    this.#pending += `${jsonText(record)}\n`;
    if (this.#pending.length >= BUFFER_LENGTH) this.flush();
  }

  /** Hands all lines to the system, so that readers see them. Throws RunError. */
  flush(): void {
    const bytes = Buffer.from(this.#pending, 'utf8');
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.file.fd, bytes, done, bytes.length - done, this.#written + done);
      }
    } catch (error) {
      throw explainWriteError(error, this.path, this.phase);
    }
    this.hash.update(bytes);
    this.#written += bytes.length;
    this.#pending = '';
  }

  /** Flushes, waits until everything is on the disk and returns `offset`. Throws RunError, also where the file is gone. */
  async sync(): Promise<number> {
    this.flush();
    const length = this.#written;
    const sha256 = this.hash.copy().digest('hex');
    try {
      await this.file.sync();
      // Writing to a file that was removed succeeds, and is lost.
      if ((await this.file.stat()).nlink === 0) throw gone(this.path);
    } catch (error) {
      throw explainWriteError(error, this.path, this.phase);
    }
    this.#durable = length;
    this.#sha256 = sha256;
    return length;
  }

  /** Syncs and lets go of the file, whether or not the sync succeeded. */
  async close(): Promise<void> {
    try {
      await this.sync();
    } finally {
      await this.file.close();
    }
  }
}

/** The whole lines of a file. */
export interface Lines {
  readonly records: readonly JsonObject[];
  /** How long they are. */
  readonly bytes: number;
  /** Of these bytes, in hex. */
  readonly sha256: string;
}

/**
 * Reads a file of JSON objects, one a line. A last line without a line break was torn by the end of the program
 * that wrote it and is left out. Throws UsageError naming file and line for anything else that is no JSON object.
 * @param counted bytes that a checkpoint counts on; what a power cut has garbled behind them ends the file
 */
export async function readJsonl(path: string, counted = Infinity): Promise<Lines> {
  const bytes = await readBytes(path);
  const records: JsonObject[] = [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    try {
      records.push(parseObject(bytes.subarray(start, end), `${path}, line ${records.length + 1},`));
    } catch (error) {
      if (start < counted) throw error;
      break;
    }
    start = end + 1;
  }
  return { records, bytes: start, sha256: sha256Of(bytes.subarray(0, start)) };
}

/**
 * Throws UsageError where the first `offset` bytes of a file of lines are not those that a checkpoint counts on.
 * @param sha256 of these bytes; undefined where an earlier version wrote the checkpoint
 */
export async function requireLines(path: string, offset: number, sha256: string | undefined): Promise<void> {
  const found = await withFile(path, limitOf(path), async ({ size, readInto }) => {
    if (size < offset) return undefined;
    const bytes = Buffer.allocUnsafe(offset);
    return bytes.subarray(0, await readInto(bytes));
  }).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (found !== undefined && (sha256 === undefined || sha256Of(found) === sha256)) return;
  const what = found === undefined ? 'is shorter than' : 'does not begin with';
  throw new UsageError(
    `${path} ${what} the ${offset} bytes that the run's checkpoint counts on: it was changed after the checkpoint was written. ` +
      'Put the original back, or start the run anew.',
  );
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Cuts a file of lines back to `offset` bytes. Throws UsageError where the file is shorter than that or no line
 * ends there: then the offset belongs to another file, or lines that were on the disk are lost.
 */
export async function truncateTo(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+').catch((error: unknown) => {
    throw explainWriteError(error, path, 'resume');
  });
  try {
    const last = Buffer.alloc(1);
    const { bytesRead } = offset === 0 ? { bytesRead: 1 } : await file.read(last, 0, 1, offset - 1);
    if (bytesRead === 0 || (offset > 0 && last[0] !== NEWLINE)) {
      const { size } = await file.stat();
      throw new UsageError(
        `Expected a line of ${path} (${size} bytes) to end at byte ${offset}, as the checkpoint says. ` +
          'The file was changed after the checkpoint was written: put the original back, or start the run anew.',
      );
    }
    await file.truncate(offset);
    await file.sync();
  } catch (error) {
    throw explainWriteError(error, path, 'resume');
  } finally {
    await file.close();
  }
}

function gone(path: string): RunError {
  return new RunError(
    `Could not write ${path}: it was removed while the run was going on. Start the run again; leave its folder alone until it ends.`,
  );
}

/** Bytes of steps.jsonl and epochs.jsonl that belong to a checkpoint. */
export interface JsonlOffsets {
  readonly steps: number;
  readonly epochs: number;
  /** Of these bytes, in hex; absent in checkpoints of earlier versions. */
  readonly sha256?: { readonly steps: string; readonly epochs: string };
}

/** The offsets in a checkpoint's header; undefined where it holds none. */
export function offsetsOf(header: JsonValue): JsonlOffsets | undefined {
  const offsets = isJsonObject(header) ? header['offsets'] : undefined;
  if (!isJsonObject(offsets)) return undefined;
  const { steps, epochs, sha256 } = offsets;
  if (!isCount(steps) || !isCount(epochs)) return undefined;
  const digests = isJsonObject(sha256) ? sha256 : {};
  if (typeof digests['steps'] !== 'string' || typeof digests['epochs'] !== 'string') return { steps, epochs };
  return { steps, epochs, sha256: { steps: digests['steps'], epochs: digests['epochs'] } };
}
