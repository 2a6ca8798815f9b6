import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FeatureShape } from './network-input.js';

/** A feature store as plain data that may cross threads. */
export interface FeatureStoreHandle {
  readonly shape: FeatureShape;
  /** One byte a slot: 1 once its features are there. */
  readonly present: SharedArrayBuffer;
  /** The features themselves, where they fit in memory. */
  readonly memory: SharedArrayBuffer | undefined;
  /** Where they do not: a file of slots. */
  readonly file: string | undefined;
}

/**
 * Outputs of the frozen part, computed once for each (image, view) and kept: in memory that threads
 * share while they fit, else in a temporary file.
 *
 * Two threads may compute the same slot; both then write the same bits.
 */
export class FeatureStore {
  private readonly present: Uint8Array;
  private readonly values: Float32Array | undefined;
  private readonly descriptor: number | undefined;
  /** Values of one slot. */
  private readonly length: number;

  constructor(readonly handle: FeatureStoreHandle) {
    const [h, w, c] = handle.shape;
    this.length = h * w * c;
    this.present = new Uint8Array(handle.present);
    this.values = handle.memory === undefined ? undefined : new Float32Array(handle.memory);
    this.descriptor = handle.file === undefined ? undefined : openSync(handle.file, 'r+');
  }

  /**
   * @param slots images times views
   * @param memoryBytes what may be kept in memory; beyond it a file in the temporary folder serves
   */
  static create(shape: FeatureShape, slots: number, memoryBytes: number): FeatureStore {
    const bytes = slots * shape[0] * shape[1] * shape[2] * Float32Array.BYTES_PER_ELEMENT;
    const inMemory = bytes <= memoryBytes;
    const file = join(tmpdir(), `onecycle-features-${process.pid}-${Date.now().toString(36)}-${slots}`);
    if (!inMemory) closeSync(openSync(file, 'wx', 0o600));
    return new FeatureStore({
      shape,
      present: new SharedArrayBuffer(slots),
      memory: inMemory ? new SharedArrayBuffer(bytes) : undefined,
      file: inMemory ? undefined : file,
    });
  }

  has(slot: number): boolean {
    return Atomics.load(this.present, slot) === 1;
  }

  /** Keeps the features of one slot. */
  put(slot: number, values: Float32Array): void {
    if (this.values !== undefined) this.values.set(values, slot * this.length);
    else if (this.descriptor !== undefined) {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      writeSync(this.descriptor, bytes, 0, bytes.length, slot * bytes.length);
    }
    Atomics.store(this.present, slot, 1);
  }

  /** Copies the features of the slots, one after another, into memory that threads share. */
  gather(slots: readonly number[]): Float32Array {
    const batch = new Float32Array(
      new SharedArrayBuffer(slots.length * this.length * Float32Array.BYTES_PER_ELEMENT),
    );
    slots.forEach((slot, i) => {
      const target = batch.subarray(i * this.length, (i + 1) * this.length);
      if (this.values !== undefined)
        target.set(this.values.subarray(slot * this.length, (slot + 1) * this.length));
      else if (this.descriptor !== undefined) {
        const bytes = Buffer.alloc(target.byteLength);
        readSync(this.descriptor, bytes, 0, bytes.length, slot * bytes.length);
        target.set(new Float32Array(bytes.buffer, bytes.byteOffset, target.length));
      }
    });
    return batch;
  }

  /** Closes this thread's file; the creator also removes it. */
  close(options: { remove: boolean }): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    if (options.remove && this.handle.file !== undefined) rmSync(this.handle.file, { force: true });
  }
}
