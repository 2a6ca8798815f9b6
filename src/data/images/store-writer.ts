import { mkdtempSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { constrainedMemory } from 'node:process';
import { messageOf, RunError } from '../../errors.js';
import { isRunning, MACHINE_TAG } from '../../system.js';
import type { DecodedImage } from './image.js';
import { ABSENT, HASH_BYTES, ImageStore, type ImageStoreHandle, IN_FILE } from './store.js';

/** Bytes of one piece of shared memory: large, so that 100,000 thumbnails need only a few. */
const CHUNK_BYTES = 32 * 2 ** 20;

/** Where the pixels go. */
export interface StoreOptions {
  /** Bytes of pixels kept in memory; see {@link defaultCacheBytes}. */
  readonly cacheBytes?: number | undefined;
  /** Folder of the temporary file for the others; the system's where none is given. */
  readonly cacheDir?: string | undefined;
}

/** Bytes kept in memory where nobody says otherwise: 2 GB, or a quarter of this machine's or container's memory. */
export function defaultCacheBytes(): number {
  const limit = constrainedMemory();
  return Math.min(2e9, totalmem() / 4, limit > 0 ? limit / 4 : Infinity);
}

/** Fills an image store, each number at most once and in any order. This thread may read it meanwhile. */
export class ImageStoreWriter {
  /** With what was put in so far. Closed, it takes nothing more. */
  readonly store: ImageStore;
  private readonly chunks: SharedArrayBuffer[] = [];
  private readonly tables: { -readonly [Name in keyof ImageStoreHandle]: ImageStoreHandle[Name] };
  /** Bytes of shared memory that may still be claimed. */
  private budget: number;
  /** First free byte of the last chunk. */
  private used = 0;
  private fileBytes = 0;

  constructor(
    count: number,
    private readonly options: StoreOptions = {},
  ) {
    this.budget = options.cacheBytes ?? defaultCacheBytes();
    this.tables = {
      chunks: this.chunks,
      file: undefined,
      chunk: new Int32Array(new SharedArrayBuffer(4 * count)).fill(ABSENT),
      offset: new Float64Array(new SharedArrayBuffer(8 * count)),
      height: new Int32Array(new SharedArrayBuffer(4 * count)),
      width: new Int32Array(new SharedArrayBuffer(4 * count)),
      downscaled: new Uint8Array(new SharedArrayBuffer(count)),
      hashes: new Uint8Array(new SharedArrayBuffer(HASH_BYTES * count)),
    };
    this.store = new ImageStore(this.tables);
  }

  /**
   * @param hash the SHA-256 of the image's file, 32 bytes
   * @throws RunError where the temporary file cannot be written, and Error where the store is closed
   */
  put(image: number, { pixels, height, width, downscaled }: DecodedImage, hash: Uint8Array): void {
    if (this.store.closed) throw new Error('the image store is closed');
    const { chunk, offset } = this.tables;
    const memory = this.memoryFor(pixels.length);
    if (memory === undefined) {
      offset[image] = this.spill(pixels);
    } else {
      new Uint8Array(memory, this.used).set(pixels);
      offset[image] = this.used;
      this.used += pixels.length;
    }
    this.tables.height[image] = height;
    this.tables.width[image] = width;
    this.tables.downscaled[image] = downscaled ? 1 : 0;
    this.tables.hashes.set(hash, HASH_BYTES * image);
    chunk[image] = memory === undefined ? IN_FILE : this.chunks.length - 1;
  }

  /** The last chunk, a new one where that is full, or undefined where memory is used up. */
  private memoryFor(bytes: number): SharedArrayBuffer | undefined {
    const last = this.chunks.at(-1);
    if (last !== undefined && this.used + bytes <= last.byteLength) return last;
    if (bytes > this.budget) return undefined;
    const fresh = new SharedArrayBuffer(Math.max(bytes, Math.floor(Math.min(CHUNK_BYTES, this.budget))));
    this.budget -= fresh.byteLength;
    this.used = 0;
    this.chunks.push(fresh);
    return fresh;
  }

  private get directory(): string {
    return this.options.cacheDir ?? tmpdir();
  }

  private spill(pixels: Uint8Array): number {
    try {
      const file = (this.tables.file ??= openNamelessFile(this.directory));
      const begin = this.fileBytes;
      for (let done = 0; done < pixels.length;) {
        done += writeSync(file, pixels, done, pixels.length - done, begin + done);
      }
      this.fileBytes += pixels.length;
      return begin;
    } catch (error) {
      const reason = messageOf(error);
      throw new RunError(
        `Cannot write decoded images to a temporary file in ${this.directory} (${reason}). They do not fit in the memory ` +
          'allowed for them; expected a folder with free space. Free some space, or set TMPDIR to a larger disk.',
      );
    }
  }
}

/**
 * Opens a fresh file for reading and writing and removes its name at once; returns its descriptor, valid
 * in all threads. The data lives as long as that: no way of ending the process leaves it behind. Between making and removing the
 * name a kill does: what is left then is removed the next time.
 *
 * @param directory must exist
 */
export function openNamelessFile(directory: string): number {
  sweep(directory);
  const folder = mkdtempSync(join(directory, `onecycle-${process.pid}-${MACHINE_TAG}-`));
  try {
    return openSync(join(folder, 'cache'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sweep(directory: string): void {
  for (const name of readdirSync(directory)) {
    const { pid, machine } = OURS.exec(name)?.groups ?? {};
    if (machine !== MACHINE_TAG || isRunning(Number(pid))) continue;
    try {
      rmSync(join(directory, name), { recursive: true, force: true });
    } catch {
      // Another user's.
    }
  }
}

const OURS = /^onecycle-(?<pid>\d+)-(?<machine>[0-9a-f]{8})-\w{6}$/;
