import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf, UsageError } from '../../errors.js';
import { limitReached } from '../../system.js';
import type {
  ImageFolder,
  LabelsRecord,
  PreparedSample,
  Sample,
  SkippedFile,
  StoredSample,
} from '../folder/image-folder.js';
import { datasetNotes, type Oddity, type Remark } from './audit.js';
import type { ImageSet } from './batches.js';
import { decodedShortSide } from './crop.js';
import { decodeImage, readImageFile, SMALL } from './decode.js';
import { DecodedCache } from './decoded-cache.js';
import { ImageStoreWriter, type StoreOptions } from './store-writer.js';

/** Images under way for each thread of Node's pool, which reads and decodes: enough that it need not wait for the main thread. */
const LANES = 3;
/** Threads of the pool where UV_THREADPOOL_SIZE names no other number. */
const POOL = 4;

/** A data set whose images are decoded. */
export interface PreparedImages extends ImageSet {
  readonly train: readonly PreparedSample[];
  readonly valid: readonly PreparedSample[];
  readonly skipped: readonly SkippedFile[];
  /** What a reader of the results should know of the data, in words for the user. */
  readonly notes: readonly string[];
  /** Absent where folders say the classes. */
  readonly labels?: LabelsRecord | undefined;
}

/** How images are prepared. */
export interface PrepareOptions extends StoreOptions {
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Whether a skipped file is an error. */
  readonly strict?: boolean | undefined;
  /** The training images, by their positions in the list, in the order in which they will be wanted; else as listed. */
  readonly order?: Int32Array | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Stops between two images; the promise then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Images that are being decoded. */
interface ComingImages {
  /** All that are listed; which of them cannot be used is not known yet. */
  readonly listed: ImageSet;
  /** Aborted as soon as one of them cannot be used, or all is over for another reason. */
  readonly failed: AbortSignal;
  /** Those that can be used; see {@link prepareImages}. */
  readonly done: Promise<PreparedImages>;
  /** Stops what is under way and closes the store. */
  close(): void;
}

type Outcome =
  | {
      readonly sha256: string;
      readonly oddities: readonly Oddity[];
      readonly original: { readonly height: number; readonly width: number };
    }
  | { readonly reason: string; readonly from: 'file' | 'decoder' };

/**
 * Reads, hashes and decodes every image, some at a time, and those that fail once more, alone.
 *
 * Images that fail are left out with a reason. Throws UsageError where that leaves a class without
 * training or validation images, and for any skipped file where `strict`; RunError where the disk is
 * full. The caller closes the store.
 */
export async function prepareImages(folder: ImageFolder, options: PrepareOptions): Promise<PreparedImages> {
  const coming = beginPreparing(folder, options);
  try {
    return await coming.done;
  } catch (error) {
    coming.close();
    throw error;
  }
}

/** Does the same in the background; the caller closes what it gets. */
export function beginPreparing(folder: ImageFolder, options: PrepareOptions): ComingImages {
  const { classNames } = folder;
  const train = numbered(folder.train, 0);
  const valid = numbered(folder.valid, train.length);
  const writer = new ImageStoreWriter(train.length + valid.length, options);
  const { store } = writer;
  const stop = new AbortController();
  const failed = new AbortController();
  const arrivals = new Arrivals((image) => store.has(image), failed.signal);
  const shortSide = decodedShortSide(options.imageSize);
  const outcomes: Outcome[] = [];

  const prepare = async ({ path, image }: StoredSample, cache: DecodedCache) => {
    options.signal?.throwIfAborted();
    stop.signal.throwIfAborted();
    const outcome = await prepareOne(join(folder.root, path), image, { writer, shortSide, cache });
    outcomes[image] = outcome;
    if ('sha256' in outcome) arrivals.announce(image);
    else failed.abort(new Error(`${path} cannot be decoded`));
  };
  const prepareAll = async (cache: DecodedCache) => {
    const first = Array.from(options.order ?? train.keys(), (i) => train[i]).filter(
      (one) => one !== undefined,
    );
    const all = [...first, ...valid];
    let done = 0;
    await forEachBounded(all, imagesAtATime(), async (sample) => {
      await prepare(sample, cache);
      options.onProgress?.(++done, all.length);
    });
    // The decoder's threads share one buffer for error messages. To get an image's own, it is decoded again with no other beside it.
    for (const sample of [...train, ...valid]) {
      const outcome = outcomes[sample.image];
      if (outcome !== undefined && 'reason' in outcome && outcome.from === 'decoder') {
        await prepare(sample, cache);
      }
    }
    options.signal?.throwIfAborted();
    return judged(folder, { train, valid }, outcomes, options);
  };
  const done = DecodedCache.using(shortSide, prepareAll).then(
    (usable) => ({ classNames, ...usable, store, labels: folder.labels }),
    (error: unknown) => {
      failed.abort(error);
      throw error;
    },
  );
  // A caller that waits for single images alone learns of it from them.
  done.catch(() => undefined);
  return {
    listed: { classNames, train, valid, store, arrival: (image) => arrivals.of(image) },
    failed: failed.signal,
    done,
    close() {
      stop.abort();
      store.close();
    },
  };
}

/** How many images are read and decoded side by side. */
export function imagesAtATime(): number {
  return LANES * (Number(process.env['UV_THREADPOOL_SIZE']) || POOL);
}

function numbered(samples: readonly Sample[], first: number): StoredSample[] {
  // Written out: with `...sample` Node 20 gives each object a hidden class of its own, four times the memory.
  return samples.map(({ path, label }, i) => ({ path, label, image: first + i }));
}

/** A file that cannot be read or decoded is an outcome, a store that cannot be written an error. */
async function prepareOne(
  file: string,
  image: number,
  { writer, shortSide, cache }: { writer: ImageStoreWriter; shortSide: number; cache: DecodedCache },
): Promise<Outcome> {
  let bytes;
  try {
    bytes = await readImageFile(file);
  } catch (error) {
    // That says nothing about the image: without it this would be another data set.
    const limit = limitReached(error);
    if (limit !== undefined) throw limit;
    return { reason: messageOf(error), from: 'file' };
  }
  const hash = createHash('sha256').update(bytes).digest();
  let decoded = cache.get(hash);
  if (decoded === undefined) {
    try {
      decoded = await decodeImage(bytes, shortSide);
    } catch (error) {
      return { reason: messageOf(error), from: 'decoder' };
    }
    cache.put(hash, decoded);
  }
  writer.put(image, decoded, hash);
  const { oddities, original } = decoded;
  const { height, width } = original;
  return { sha256: hash.toString('hex'), oddities, original: { height, width } };
}

/** The images that can be used, the files that cannot, and the notes. Throws UsageError where too many cannot. */
function judged(
  folder: ImageFolder,
  listed: Pick<ImageSet, 'train' | 'valid'>,
  outcomes: readonly Outcome[],
  { strict = false, imageSize }: PrepareOptions,
): Pick<PreparedImages, 'train' | 'valid' | 'skipped' | 'notes'> {
  const ready = (samples: readonly StoredSample[]) =>
    samples.flatMap(({ path, label, image }): PreparedSample[] => {
      const outcome = outcomes[image];
      return outcome !== undefined && 'sha256' in outcome
        ? [{ path, label, image, sha256: outcome.sha256 }]
        : [];
    });
  const [train, valid] = [ready(listed.train), ready(listed.valid)];
  const failed = [...listed.train, ...listed.valid].flatMap(({ path, image }): SkippedFile[] => {
    const outcome = outcomes[image];
    return outcome !== undefined && 'reason' in outcome ? [{ path, reason: outcome.reason }] : [];
  });
  const skipped = [...folder.skipped, ...failed];
  if (strict) requireNoneSkipped(folder.root, skipped);
  requireEveryClass(folder, train, 'training', failed);
  requireEveryClass(folder, valid, 'validation', failed);
  // Thumbnails are enlarged on purpose, and nothing is to be said of a set of them.
  const photographs = outcomes.some(
    (one) => 'original' in one && Math.max(one.original.height, one.original.width) > SMALL,
  );
  const remarksOn = ({ image }: StoredSample): Remark[] => {
    const outcome = outcomes[image];
    if (outcome === undefined || 'reason' in outcome) return [];
    const { height, width } = outcome.original;
    const small = photographs && Math.min(height, width) < imageSize;
    return small ? ['small', ...outcome.oddities] : [...outcome.oddities];
  };
  return {
    ...{ train, valid, skipped },
    notes: [...folder.notes, ...datasetNotes(folder.classNames, train, valid, remarksOn)],
  };
}

/** Lets callers wait for single images. */
export class Arrivals {
  private readonly awaited = new Map<number, Awaited>();

  /**
   * @param has whether an image is there
   * @param end aborted once some image will never come: all who wait then fail, whichever image they wait for
   */
  constructor(
    private readonly has: (image: number) => boolean,
    private readonly end: AbortSignal,
  ) {
    const failAll = () => this.awaited.forEach(({ fail }) => fail(end.reason));
    end.addEventListener('abort', failAll, { once: true });
  }

  /** Resolves once the image is there; rejects with the end's reason. */
  async of(image: number): Promise<void> {
    if (this.has(image)) return;
    this.end.throwIfAborted();
    let awaited = this.awaited.get(image);
    if (awaited === undefined) {
      let come: Awaited['come'] = () => undefined;
      let fail: Awaited['fail'] = () => undefined;
      const promise = new Promise<void>((resolve, reject) => ([come, fail] = [resolve, reject]));
      awaited = { promise, come, fail };
      this.awaited.set(image, awaited);
    }
    return awaited.promise;
  }

  /** To be called for every image, once it is there. */
  announce(image: number): void {
    this.awaited.get(image)?.come();
    this.awaited.delete(image);
  }
}

interface Awaited {
  readonly promise: Promise<void>;
  readonly come: () => void;
  readonly fail: (reason: unknown) => void;
}

/** Milliseconds after which others have a turn. */
const TURN = 10;

/**
 * Visits all items with at most `limit` visits under way. After a failure no further visit begins, and
 * the first error is thrown once those under way have ended: nothing runs on behind the caller's back.
 */
export async function forEachBounded<T>(
  items: readonly T[],
  limit: number,
  visit: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries();
  const errors: unknown[] = [];
  let begun = performance.now();
  const lane = async () => {
    for (const [index, item] of queue) {
      // Visits that wait for nothing would let nobody else have a turn: signals, bars, a training beside them.
      if (performance.now() - begun > TURN) {
        await nextTurn();
        begun = performance.now();
      }
      try {
        await visit(item, index);
      } catch (error) {
        errors.push(error);
      }
      if (errors.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, lane));
  if (errors.length > 0) throw errors[0];
}

/** Files named in an error. */
const LISTED = 20;

/** Throws UsageError that lists the files which cannot be used, if there are any. */
function requireNoneSkipped(root: string, skipped: readonly SkippedFile[]): void {
  if (skipped.length === 0) return;
  throw new UsageError(
    `${skipped.length} file(s) in ${root} cannot be used, and --strict allows none:\n${listFiles(skipped)}\n` +
      'Expected readable images only; repair or remove these, or run without --strict to leave them out.',
  );
}

/** Throws UsageError where a class has nothing left in a part ('training' or 'validation'), listing what failed. */
function requireEveryClass(
  folder: ImageFolder,
  ready: readonly Sample[],
  part: string,
  failed: readonly SkippedFile[],
): void {
  const labels = new Set(ready.map(({ label }) => label));
  const empty = folder.classNames.filter((_, label) => !labels.has(label));
  if (empty.length === 0) return;
  throw new UsageError(
    `No ${part} image of ${empty.map((name) => `"${name}"`).join(', ')} in ${folder.root} can be used:\n` +
      `${listFiles(failed)}\nExpected at least one per class; repair these files, or add images.`,
  );
}

function listFiles(files: readonly SkippedFile[]): string {
  const lines = files.slice(0, LISTED).map(({ path, reason }) => `  ${path}: ${reason}`);
  if (files.length > LISTED) lines.push(`  and ${files.length - LISTED} more`);
  return lines.join('\n');
}
