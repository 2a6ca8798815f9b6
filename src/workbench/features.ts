import { closeSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { Needs } from '../data/images/batches.js';
import { type Batch, WHOLE } from '../data/images/image.js';
import { openNamelessFile } from '../data/images/store-writer.js';
import type { Engine, FeatureShape, NetworkInput } from '../engine/engine.js';
import { messageOf, RunError } from '../errors.js';
import type { ValueCache } from '../fetch/value-cache.js';
import type { Worked } from './events.js';
import { featureKey, type KeptFeatures } from './kept-features.js';
import type { TrainingBatch } from './steps.js';

/**
 * Turns batches of images into what the network takes: the images themselves, or, where a part is
 * frozen, its features: those in the store, those that an earlier command kept, and those that are computed now.
 */
export async function* networkBatches(
  engine: Engine,
  batches: AsyncIterable<Batch>,
  features: StoredFeatures | undefined,
  worked: Worked = () => undefined,
): AsyncGenerator<TrainingBatch> {
  const kept = await features?.kept.of(engine);
  for await (const batch of batches) {
    worked('read', batch.images.length);
    const input: NetworkInput =
      features === undefined
        ? { kind: 'images', images: batch.images, boxes: batch.boxes }
        : await storedFeatures(engine, batch, { ...features, cache: kept }, worked);
    yield { input, labels: batch.labels };
    // On wasm and cpu all promises are settled at once: without a turn of the event loop, signals and progress bars would wait.
    await nextTurn();
  }
}

/** Where the features of a list of images are stored. */
interface StoredFeatures {
  readonly store: FeatureStore;
  /** The slot of a view of the image at that position in the list; the view is -1 where images have none. */
  readonly slot: (index: number, view: number) => number;
  readonly kept: KeptFeatures;
  /** The SHA-256 of the file of the image at that position in the list. */
  readonly hash: (index: number) => Uint8Array;
}

/** The images whose pixels are needed: those whose features are not stored yet. */
export function unstored({ store, slot }: Pick<StoredFeatures, 'store' | 'slot'>): Needs {
  return (index, view) => !store.has(slot(index, view));
}

/** How long to wait for another thread to compute what it claimed, in milliseconds; then it is taken for dead. */
const PATIENCE = 2000;

async function storedFeatures(
  engine: Engine,
  batch: Batch,
  { store, slot, hash, cache }: StoredFeatures & { readonly cache: ValueCache | undefined },
  worked: Worked,
): Promise<NetworkInput> {
  const slots = batch.images.map((_, i) => slot(batch.indices[i] ?? 0, batch.views[i] ?? -1));
  const absent = () => [...slots.keys()].filter((i) => !store.has(slots[i] ?? 0));
  const keyOf = (i: number) => featureKey(hash(batch.indices[i] ?? 0), batch.boxes[i] ?? WHOLE);
  const compute = async (chosen: readonly number[]) => {
    if (chosen.length === 0) return;
    const values = await engine.features({
      kind: 'images',
      images: chosen.flatMap((i) => batch.images[i] ?? []),
      boxes: chosen.flatMap((i) => batch.boxes[i] ?? []),
    });
    const length = values.length / chosen.length;
    chosen.forEach((i, k) => {
      const own = values.subarray(k * length, (k + 1) * length);
      store.put(slots[i] ?? 0, own);
      cache?.put(keyOf(i), new Uint8Array(own.buffer, own.byteOffset, own.byteLength));
    });
    worked('frozen', chosen.length);
  };
  // A few at a time: runs side by side need the same images at the same moment, and so each computes a part of them.
  const share = engine.sliceSize * engine.workers;
  let claimed: number[] = [];
  for (const i of absent()) {
    if (!store.claim(slots[i] ?? 0)) continue;
    const known = cache?.get(keyOf(i));
    if (known !== undefined && store.fits(known)) {
      store.put(slots[i] ?? 0, new Float32Array(known.buffer));
      worked('frozen', 1);
    } else claimed.push(i);
    if (claimed.length < share) continue;
    await compute(claimed);
    claimed = [];
  }
  await compute(claimed);
  const deadline = performance.now() + PATIENCE;
  while (absent().length > 0 && performance.now() < deadline) await pause(1);
  // What others compute is no work of this run.
  worked('frozen', 0);
  await compute(absent());
  return { kind: 'features', values: store.gather(slots), shape: store.handle.shape };
}

/** A feature store as plain data that may cross threads. */
export interface FeatureStoreHandle {
  readonly shape: FeatureShape;
  /** One byte a slot: empty, claimed by a thread that computes the features, or filled. */
  readonly present: SharedArrayBuffer;
  /** The features themselves, where they fit in memory. */
  readonly memory: SharedArrayBuffer | undefined;
  /** Where they do not fit: the descriptor of a temporary file, which is valid in all threads of the process. */
  readonly file: number | undefined;
}

const FILLED = 1;
const CLAIMED = 2;

/**
 * Keeps the frozen part's outputs for each (image, view): in memory that threads share while they fit, else in a temporary file.
 *
 * Threads claim the slots that they compute, so that runs side by side share the work. Should two compute the same slot, both
 * write the same bits.
 */
export class FeatureStore {
  private readonly present: Uint8Array;
  private readonly values: Float32Array | undefined;
  /** Values of one slot. */
  private readonly length: number;
  private closed = false;

  constructor(readonly handle: FeatureStoreHandle) {
    const [h, w, c] = handle.shape;
    this.length = h * w * c;
    this.present = new Uint8Array(handle.present);
    this.values = handle.memory === undefined ? undefined : new Float32Array(handle.memory);
  }

  /**
   * @param slots images times views
   * @param memoryBytes what may be kept in memory; beyond it a file in the temporary folder serves
   */
  static create(shape: FeatureShape, slots: number, memoryBytes: number): FeatureStore {
    const bytes = slots * shape[0] * shape[1] * shape[2] * Float32Array.BYTES_PER_ELEMENT;
    const inMemory = bytes <= memoryBytes;
    return new FeatureStore({
      shape,
      present: new SharedArrayBuffer(slots),
      memory: inMemory ? new SharedArrayBuffer(bytes) : undefined,
      file: inMemory ? undefined : orRunError(() => openNamelessFile(tmpdir())),
    });
  }

  /** Whether that many bytes are the features of one image. */
  fits({ byteLength }: Uint8Array): boolean {
    return byteLength === this.length * Float32Array.BYTES_PER_ELEMENT;
  }

  has(slot: number): boolean {
    return Atomics.load(this.present, slot) === FILLED;
  }

  /** Claims an empty slot for the caller to fill; false where it was claimed or filled before. */
  claim(slot: number): boolean {
    return Atomics.compareExchange(this.present, slot, 0, CLAIMED) === 0;
  }

  /** Keeps the features of one slot. Throws RunError where the temporary file cannot be written. */
  put(slot: number, values: Float32Array): void {
    if (this.values !== undefined) this.values.set(values, slot * this.length);
    else orRunError(() => this.write(slot, values));
    Atomics.store(this.present, slot, FILLED);
  }

  /** Copies the features of the slots, one after another. */
  gather(slots: readonly number[]): Float32Array {
    const batch = new Float32Array(slots.length * this.length);
    slots.forEach((slot, i) => {
      const target = batch.subarray(i * this.length, (i + 1) * this.length);
      if (this.values === undefined) this.read(slot, target);
      else target.set(this.values.subarray(slot * this.length, (slot + 1) * this.length));
    });
    return batch;
  }

  /** @param options the creator removes the temporary file, once no thread reads it any more; others leave it */
  close(options: { remove: boolean }): void {
    const { file } = this.handle;
    if (options.remove && file !== undefined && !this.closed) closeSync(file);
    this.closed = true;
  }

  private write(slot: number, values: Float32Array): void {
    const { file } = this.handle;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    for (let done = 0; file !== undefined && done < bytes.length;) {
      done += writeSync(file, bytes, done, bytes.length - done, slot * bytes.length + done);
    }
  }

  private read(slot: number, target: Float32Array): void {
    const { file } = this.handle;
    const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
    for (let done = 0; file !== undefined && done < bytes.length;) {
      const read = readSync(file, bytes, done, bytes.length - done, slot * bytes.length + done);
      if (read === 0) throw new Error('the feature file ended too early: something else wrote to it');
      done += read;
    }
  }
}

function orRunError<T>(write: () => T): T {
  try {
    return write();
  } catch (error) {
    const reason = messageOf(error);
    throw new RunError(
      `Cannot write the frozen part's outputs to a temporary file in ${tmpdir()} (${reason}). They do not fit in ` +
        'memory. Free some space, set TMPDIR to a larger disk, or lower --views or --image-size.',
    );
  }
}
