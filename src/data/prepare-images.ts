import { createHash } from 'node:crypto';
import { closeSync, fstatSync, open, read } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../errors/message-of.js';
import { datasetNotes } from './dataset-notes.js';
import { decodeImage } from './decode.js';
import { forEachBounded } from './for-each-bounded.js';
import type { ImageFolder, PreparedSample, Sample, SkippedFile } from './image-folder.js';
import { ImageStoreWriter, type StoreOptions } from './image-store-writer.js';
import type { ImageStore } from './image-store.js';
import { requireEveryClass, requireNoneSkipped } from './require-usable.js';

/** Short side of a decoded image over the image size: room for crops without enlarging. */
const ROOM = 1.25;
/** Images under way for each thread of Node's pool, which reads and decodes: enough that it need not wait for the main thread. */
const LANES = 3;
/** Threads of the pool where UV_THREADPOOL_SIZE names no other number. */
const POOL = 4;
/** Bytes of a file beyond which it is not read: 100 megapixels uncompressed are 300 MB. */
const FILE_BYTES = 1e9;

/** A data set whose images are decoded. */
export interface PreparedImages {
  readonly classNames: readonly string[];
  readonly train: readonly PreparedSample[];
  readonly valid: readonly PreparedSample[];
  readonly skipped: readonly SkippedFile[];
  /** What a reader of the results should know of the data, in words for the user. */
  readonly notes: readonly string[];
  readonly store: ImageStore;
}

/** How images are prepared. */
export interface PrepareOptions extends StoreOptions {
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Whether a skipped file is an error. */
  readonly strict?: boolean | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Stops between two images; the promise then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

const openAsync = promisify(open);
const readAsync = promisify(read);

type Outcome = { readonly sha256: string } | { readonly reason: string; readonly from: 'file' | 'decoder' };

/**
 * Reads, hashes and decodes every image, some at a time, and those that fail once more, alone.
 *
 * Images that fail are left out with a reason. Throws UsageError where that leaves a class without
 * training or validation images, and for any skipped file where `strict`; RunError where the disk is
 * full. The caller closes the store.
 */
export async function prepareImages(folder: ImageFolder, options: PrepareOptions): Promise<PreparedImages> {
  const samples = [...folder.train, ...folder.valid];
  const writer = new ImageStoreWriter(samples.length, options);
  const outcomes: Outcome[] = [];
  const shortSide = Math.round(ROOM * options.imageSize);
  const prepare = async ({ path }: Sample, i: number) => {
    options.signal?.throwIfAborted();
    outcomes[i] = await prepareOne(join(folder.root, path), i, writer, shortSide);
  };
  let done = 0;
  try {
    await forEachBounded(samples, imagesAtATime(), async (sample, i) => {
      await prepare(sample, i);
      options.onProgress?.(++done, samples.length);
    });
    // All threads of the decoder write what went wrong into one buffer, and clear it: the reason that an image fails for is
    // surely its own only where no other is decoded beside it.
    for (const [i, sample] of samples.entries()) {
      const outcome = outcomes[i];
      if (outcome !== undefined && 'reason' in outcome && outcome.from === 'decoder')
        await prepare(sample, i);
    }
    options.signal?.throwIfAborted();
    const ready = (list: readonly Sample[], first: number) =>
      list.flatMap((sample, i): PreparedSample[] => {
        const outcome = outcomes[first + i];
        return outcome !== undefined && 'sha256' in outcome
          ? [{ ...sample, ...outcome, image: first + i }]
          : [];
      });
    const train = ready(folder.train, 0);
    const valid = ready(folder.valid, folder.train.length);
    const failed = samples.flatMap(({ path }, i): SkippedFile[] => {
      const outcome = outcomes[i];
      return outcome !== undefined && 'reason' in outcome ? [{ path, reason: outcome.reason }] : [];
    });
    const skipped = [...folder.skipped, ...failed];
    if (options.strict === true) requireNoneSkipped(folder.root, skipped);
    requireEveryClass(folder, train, 'training', failed);
    requireEveryClass(folder, valid, 'validation', failed);
    const { classNames } = folder;
    return {
      classNames,
      train,
      valid,
      skipped,
      notes: datasetNotes(classNames, train, valid),
      store: writer.finish(),
    };
  } catch (error) {
    writer.discard();
    throw error;
  }
}

/** How many images are read and decoded side by side. */
export function imagesAtATime(): number {
  return LANES * (Number(process.env['UV_THREADPOOL_SIZE']) || POOL);
}

/** A file that cannot be read or decoded is an outcome, a store that cannot be written an error. */
async function prepareOne(
  file: string,
  i: number,
  writer: ImageStoreWriter,
  shortSide: number,
): Promise<Outcome> {
  let bytes;
  try {
    bytes = await readWhole(file);
  } catch (error) {
    return { reason: fileReason(error), from: 'file' };
  }
  if (bytes === undefined) return { reason: `larger than ${FILE_BYTES / 1e9} GB`, from: 'file' };
  let decoded;
  try {
    decoded = await decodeImage(bytes, shortSide);
  } catch (error) {
    return { reason: messageOf(error), from: 'decoder' };
  }
  writer.put(i, decoded);
  return { sha256: createHash('sha256').update(bytes).digest('hex') };
}

/**
 * A file's bytes, or undefined where there are too many to hold.
 *
 * What may wait for the disk is left to another thread. Size and close of an open file do not, and a hand-over would cost
 * more than they do.
 */
async function readWhole(file: string): Promise<Buffer | undefined> {
  const descriptor = await openAsync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    if (size > FILE_BYTES) return undefined;
    const bytes = Buffer.allocUnsafe(size);
    let length = 0;
    while (length < size) {
      const { bytesRead } = await readAsync(descriptor, bytes, length, size - length, length);
      // The file has become shorter meanwhile.
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

function fileReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT')
    return 'the file is gone since the folder was listed, or its name is not valid UTF-8';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return messageOf(error);
}
