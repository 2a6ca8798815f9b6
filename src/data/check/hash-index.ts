import { bitsSet, type Hash } from './perceptual-hash.js';

/** Bits of a hash, and of a word of it. */
const BITS = 64;
const WORD = 32;

/**
 * Finds all hashes within a number of bits of another one, without looking at each: hashes are cut into bands, and of two that
 * differ in at most r bits some band of m differs in at most r / m, rounded down (Norouzi, Punjani and Fleet, «Fast Search in Hamming Space with
 * Multi-Index Hashing», CVPR 2012). The bands are as long as a number for an entry, so that a place in them holds about one.
 */
export class HashIndex {
  private readonly bands: readonly Band[];
  private readonly entries: number;

  /** @param words two words of 32 bits an entry */
  constructor(private readonly words: Uint32Array) {
    this.entries = words.length / 2;
    const count = Math.min(6, Math.max(3, Math.round(BITS / Math.log2(Math.max(2, this.entries)))));
    this.bands = Array.from({ length: count }, (_, k) => {
      const first = Math.floor((k * BITS) / count);
      return this.band(first, Math.floor(((k + 1) * BITS) / count) - first);
    });
  }

  /** Calls back once for each entry within `radius` bits of the hash, with its number and its distance. */
  search([high, low]: Hash, radius: number, found: (entry: number, distance: number) => void): void {
    const near = Math.floor(radius / this.bands.length);
    this.bands.forEach((band, at) => {
      const key = bandOf(high, low, band.first, band.width);
      for (const mask of masks(band.width, near)) {
        const place = key ^ mask;
        const end = band.begins[place + 1] ?? 0;
        for (let i = band.begins[place] ?? 0; i < end; i++) {
          const entry = band.listed[i] ?? 0;
          const a = (this.words[2 * entry] ?? 0) ^ high;
          const b = (this.words[2 * entry + 1] ?? 0) ^ low;
          const distance = bitsSet(a) + bitsSet(b);
          if (distance <= radius && !this.metBefore(a, b, at, near)) found(entry, distance);
        }
      }
    });
  }

  /** How many entries a search looks at. */
  cost([high, low]: Hash, radius: number): number {
    const near = Math.floor(radius / this.bands.length);
    let sum = 0;
    for (const { first, width, begins } of this.bands) {
      const key = bandOf(high, low, first, width);
      for (const mask of masks(width, near)) {
        sum += 1 + (begins[(key ^ mask) + 1] ?? 0) - (begins[key ^ mask] ?? 0);
      }
    }
    return sum;
  }

  /** Whether an earlier band than `at` leads to an entry too, given the words of differing bits. */
  private metBefore(a: number, b: number, at: number, near: number): boolean {
    for (let k = 0; k < at; k++) {
      const band = this.bands[k];
      if (band !== undefined && bitsSet(bandOf(a, b, band.first, band.width)) <= near) return true;
    }
    return false;
  }

  /** Sorts the entries by a band of their bits: those with the value v are listed from begins[v] to begins[v + 1]. */
  private band(first: number, width: number): Band {
    const begins = new Uint32Array(2 ** width + 1);
    const keyOf = (entry: number) =>
      bandOf(this.words[2 * entry] ?? 0, this.words[2 * entry + 1] ?? 0, first, width);
    for (let entry = 0; entry < this.entries; entry++) {
      const place = keyOf(entry) + 1;
      begins[place] = (begins[place] ?? 0) + 1;
    }
    for (let v = 1; v < begins.length; v++) begins[v] = (begins[v] ?? 0) + (begins[v - 1] ?? 0);
    const free = begins.slice();
    const listed = new Uint32Array(this.entries);
    for (let entry = 0; entry < this.entries; entry++) {
      const place = keyOf(entry);
      const at = free[place] ?? 0;
      listed[at] = entry;
      free[place] = at + 1;
    }
    return { first, width, begins, listed };
  }
}

interface Band {
  /** Its first bit, counted from the highest of the hash, and how many there are: at most 22. */
  readonly first: number;
  readonly width: number;
  readonly begins: Uint32Array;
  readonly listed: Uint32Array;
}

function bandOf(high: number, low: number, first: number, width: number): number {
  const end = first + width;
  if (end <= WORD) return (high >>> (WORD - end)) & (2 ** width - 1);
  if (first >= WORD) return (low >>> (BITS - end)) & (2 ** width - 1);
  const fromLow = end - WORD;
  return ((high & (2 ** (width - fromLow) - 1)) << fromLow) | (low >>> (WORD - fromLow));
}

const known = new Map<number, Uint32Array>();

/** All numbers of `width` bits with at most `ones` ones. */
function masks(width: number, ones: number): Uint32Array {
  const key = 64 * ones + width;
  const made = known.get(key);
  if (made !== undefined) return made;
  const list = [0];
  const extend = (mask: number, from: number, left: number) => {
    for (let bit = from; left > 0 && bit < width; bit++) {
      list.push(mask | (1 << bit));
      extend(mask | (1 << bit), bit + 1, left - 1);
    }
  };
  extend(0, 0, ones);
  const all = Uint32Array.from(list);
  known.set(key, all);
  return all;
}
