import { createHash } from 'node:crypto';
import type { CropBox } from '../data/images/image.js';
import type { Engine } from '../engine/engine.js';
import { type Conditions, ValueCache } from '../fetch/value-cache.js';

/**
 * The frozen part's outputs that earlier commands have computed, where an engine says what makes them bit-identical. They are found by
 * the image's file and the part of it that the network saw; seed and path do not matter.
 */
export class KeptFeatures {
  private readonly caches = new Map<string, Promise<ValueCache | undefined>>();
  private readonly opened: ValueCache[] = [];
  private closed = false;

  /** @param images what makes the decoded images what they are, besides their files */
  constructor(readonly images: Conditions) {}

  /** The cache of what this engine computes; undefined where there is none. */
  async of({ featureIdentity: engine }: Pick<Engine, 'featureIdentity'>): Promise<ValueCache | undefined> {
    if (engine === undefined) return undefined;
    const opening = this.caches.get(engine) ?? this.open(engine);
    this.caches.set(engine, opening);
    return opening;
  }

  private async open(engine: string): Promise<ValueCache | undefined> {
    const cache = await ValueCache.open('features', { engine, images: this.images });
    if (this.closed) cache?.close();
    else if (cache !== undefined) this.opened.push(cache);
    return cache;
  }

  /** Hands on what was computed. */
  close(): void {
    this.closed = true;
    for (const cache of this.opened) cache.close();
  }
}

/** The key of an image's features. @param hash the SHA-256 of its file */
export function featureKey(hash: Uint8Array, { y1, x1, y2, x2 }: CropBox): Uint8Array {
  return createHash('sha256')
    .update(hash)
    .update(new Float64Array([y1, x1, y2, x2]))
    .digest();
}
