import { closeSync, read as readCallback } from 'node:fs';
import { promisify } from 'node:util';
import type { DecodedImage, ImageSize } from './image.js';

const readAsync = promisify(readCallback);

/** Value of `chunk` for an image that was never put in. */
export const ABSENT = -1;
/** Value of `chunk` for an image in the temporary file. */
export const IN_FILE = -2;

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

/** An image store as plain data that may cross threads of one process; all of it shared, nothing copied. */
export interface ImageStoreHandle {
  readonly chunks: readonly SharedArrayBuffer[];
  /** For each image the number of its chunk, or ABSENT or IN_FILE. */
  readonly chunk: Int32Array;
  /** For each image where its pixels begin in the chunk or file, in bytes. */
  readonly offset: Float64Array;
  readonly height: Int32Array;
  readonly width: Int32Array;
  /** 1 where decoding made the image smaller. */
  readonly downscaled: Uint8Array;
  /** For each image the SHA-256 of its file, 32 bytes. */
  readonly hashes: Uint8Array;
  /** Descriptor of the temporary file; descriptors are valid in all threads of a process. */
  readonly file: number | undefined;
}

/**
 * Decoded images by number: as many as fit in shared memory, the others in a temporary file.
 *
 * Any number of threads may read at once.
 */
export class ImageStore {
  private ended = false;

  constructor(readonly handle: ImageStoreHandle) {}

  get closed(): boolean {
    return this.ended;
  }

  has(image: number): boolean {
    return (this.handle.chunk[image] ?? ABSENT) !== ABSENT;
  }

  /** Whether some images lie in a file, so that reading ahead is worth it. */
  get spilled(): boolean {
    return this.handle.file !== undefined;
  }

  /** An image's size, without touching its pixels. Throws RangeError where there is no such image. */
  size(image: number): ImageSize {
    const { height, width, downscaled } = this.handle;
    if (!this.has(image)) throw new RangeError(`the image store has no image ${image}`);
    return { height: height[image] ?? 0, width: width[image] ?? 0, downscaled: downscaled[image] === 1 };
  }

  /** The SHA-256 of an image's file, 32 bytes. Throws RangeError where there is no such image. */
  hash(image: number): Uint8Array {
    if (!this.has(image)) throw new RangeError(`the image store has no image ${image}`);
    return this.handle.hashes.subarray(HASH_BYTES * image, HASH_BYTES * (image + 1));
  }

  /** One image: a view of shared memory, or fresh memory for an image in the file. */
  async readAhead(image: number): Promise<DecodedImage> {
    const size = this.size(image);
    const { file, offset, pixels } = this.locate(image, size);
    for (let done = 0; file !== undefined && done < pixels.length;) {
      const position = offset + done;
      done += requireBytes((await readAsync(file, pixels, done, pixels.length - done, position)).bytesRead);
    }
    return { pixels, ...size };
  }

  /** Frees the temporary file. For the thread that made the store, once no thread reads any more. */
  close(): void {
    if (!this.ended && this.handle.file !== undefined) closeSync(this.handle.file);
    this.ended = true;
  }

  private locate(image: number, { height, width }: ImageSize) {
    const { chunks, chunk, offset, file } = this.handle;
    const length = height * width * 3;
    const begin = offset[image] ?? 0;
    const memory = chunks[chunk[image] ?? ABSENT];
    if (memory !== undefined)
      return { file: undefined, offset: begin, pixels: new Uint8Array(memory, begin, length) };
    if (this.ended) throw new Error('the image store is closed');
    return { file, offset: begin, pixels: new Uint8Array(length) };
  }
}

function requireBytes(bytes: number): number {
  if (bytes === 0) throw new Error('the image cache file ended too early: something else wrote to it');
  return bytes;
}

/** The store of a handle, for another thread than the one that made it; only that one closes it. */
export function openImageStore(handle: ImageStoreHandle): ImageStore {
  return new ImageStore(handle);
}
