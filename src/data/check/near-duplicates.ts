import { closeSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf, RunError } from '../../errors.js';
import { openNamelessFile } from '../images/store-writer.js';
import { HashIndex } from './hash-index.js';
import {
  cutHash,
  type Cuts,
  cutOut,
  detailOf,
  type Hash,
  mirrorImage,
  perceptualHashes,
  SIDE,
  slopeCorrelation,
  slopesOf,
  WHOLE,
} from './perceptual-hash.js';

/** Pictures whose slopes correlate at least so well, once they are laid over each other, are near duplicates. */
export const ALIKE = 0.85;
/** Bits in which the hashes of two pictures may differ for a closer look at them. */
const RADIUS = 11;
/** Root mean square of slopes, in levels of 255, below which there is too little in a picture to recognise it by. */
const PLAIN = 1;

/**
 * Cuts whose hashes stand for a picture beside its own, so that a copy with somewhat less on one side, at a corner or all around
 * is found.
 */
const WINDOWS: readonly Cuts[] = [
  WHOLE,
  { left: 0.05, top: 0.05, right: 0.05, bottom: 0.05 },
  { ...WHOLE, left: 0.06, top: 0.06 },
  { ...WHOLE, right: 0.06, top: 0.06 },
  { ...WHOLE, left: 0.06, bottom: 0.06 },
  { ...WHOLE, right: 0.06, bottom: 0.06 },
  { ...WHOLE, left: 0.08 },
  { ...WHOLE, right: 0.08 },
  { ...WHOLE, top: 0.08 },
  { ...WHOLE, bottom: 0.08 },
];

/** The hashes of all windows but the first. */
const CUT_HASHES = WINDOWS.slice(1).map(cutHash);

/** Two pictures that show the same. */
export interface NearPair {
  /** Their numbers. */
  readonly pictures: readonly [number, number];
  /** Correlation of their slopes, from ALIKE to 1. */
  readonly similarity: number;
  /** Whether one is the mirror image of the other. */
  readonly mirrored: boolean;
}

/** What a search for near duplicates came to. */
export interface NearDuplicates {
  /** Enough pairs to connect all pictures that are alike: of three copies two pairs. */
  readonly pairs: readonly NearPair[];
  /** Bits in which hashes might differ: fewer where very many are alike. */
  readonly radius: number;
  /** Pictures with too little in them to be compared. */
  readonly plain: number;
}

/** Pictures by number, as small grey copies and hashes. */
export class Pictures {
  private readonly copies: GreyCopies;
  /** For each picture the hashes of its windows, then that of its mirror image; two words each. */
  private readonly words: Uint32Array;
  private readonly known: Uint8Array;
  private plain = 0;

  constructor(private readonly count: number) {
    this.copies = new GreyCopies(count);
    this.words = new Uint32Array(2 * count * (WINDOWS.length + 1));
    this.known = new Uint8Array(count);
  }

  /**
   * Takes a picture in; one that is nearly of one colour is not compared with others.
   * @param grey SIDE x SIDE levels
   */
  put(picture: number, grey: Uint8Array): void {
    if (detailOf(slopesOf(grey)) < PLAIN) {
      this.plain++;
      return;
    }
    this.known[picture] = 1;
    this.copies.put(picture, grey);
    const { plain, mirrored } = perceptualHashes(grey);
    const cut = CUT_HASHES.map((hashOf) => hashOf(grey));
    this.words.set([plain, ...cut, mirrored].flat(), 2 * picture * (WINDOWS.length + 1));
  }

  close(): void {
    this.copies.close();
  }

  /** Finds the pictures that show the same. Rejects with the signal's reason. */
  async nearDuplicates(signal?: AbortSignal): Promise<NearDuplicates> {
    const numbers = Array.from(this.known.keys()).filter((i) => this.known[i] === 1);
    const index = new HashIndex(this.entries(numbers));
    const radius = this.affordableRadius(index, numbers);
    const groups = new Groups(this.count);
    const pairs: NearPair[] = [];
    for (const [at, picture] of numbers.entries()) {
      for (const mirrored of [false, true]) {
        const hash = this.hash(picture, mirrored ? WINDOWS.length : 0);
        const candidates = new Map<number, { window: number; distance: number }>();
        index.search(hash, radius, (entry, distance) => {
          const other = numbers[Math.floor(entry / WINDOWS.length)] ?? picture;
          const window = entry % WINDOWS.length;
          // Two whole pictures meet from either side.
          if (other === picture || (window === 0 && other > picture)) return;
          if (distance < (candidates.get(other)?.distance ?? Infinity))
            candidates.set(other, { window, distance });
        });
        for (const [other, { window }] of candidates) {
          if (groups.joined(picture, other)) continue;
          const own = this.copies.get(picture);
          const similarity = alignedSimilarity(
            this.copies.get(other),
            mirrored ? mirrorImage(own) : own,
            WINDOWS[window] ?? WHOLE,
          );
          if (similarity < ALIKE) continue;
          groups.join(picture, other);
          pairs.push({ pictures: [other, picture], similarity, mirrored });
        }
      }
      if (at % TURN === 0) {
        await nextTurn();
        signal?.throwIfAborted();
      }
    }
    return { pairs, radius, plain: this.plain };
  }

  private hash(picture: number, which: number): Hash {
    const at = 2 * (picture * (WINDOWS.length + 1) + which);
    return [this.words[at] ?? 0, this.words[at + 1] ?? 0];
  }

  private entries(numbers: readonly number[]): Uint32Array {
    const words = new Uint32Array(2 * WINDOWS.length * numbers.length);
    numbers.forEach((picture, i) => {
      const at = 2 * picture * (WINDOWS.length + 1);
      words.set(this.words.subarray(at, at + 2 * WINDOWS.length), 2 * WINDOWS.length * i);
    });
    return words;
  }

  /** The largest radius whose search looks at no more than MOST_LOOKS entries, as some of the pictures tell. */
  private affordableRadius(index: HashIndex, numbers: readonly number[]): number {
    const stride = Math.max(1, Math.floor(numbers.length / PROBES));
    const probes = numbers.filter((_, i) => i % stride === 0);
    const looks = (radius: number) =>
      (probes.reduce((sum, picture) => sum + index.cost(this.hash(picture, 0), radius), 0) *
        2 *
        numbers.length) /
      Math.max(1, probes.length);
    return [RADIUS, 7, 3].find((radius) => looks(radius) <= MOST_LOOKS) ?? 0;
  }
}

/** Pictures that are searched for between two turns of the event loop, in which a signal is heard. */
const TURN = 64;
/** Pictures that tell what a search costs. */
const PROBES = 500;
/** Entries that a search may look at: about a minute. */
const MOST_LOOKS = 4e9;

/** Shares by which the sides of a window are moved to lay one picture over another, coarse to fine. */
const MOVES = [0.05, 0.025, 0.0125];
/** Most that may be cut off a side. */
const MOST_CUT = 0.15;
/** A start from which no pair of pictures that are alike was seen to begin; measured, as ALIKE was. */
const HOPELESS = 0.2;

/**
 * How well two pictures correlate once one of them is laid over the other: cuts of up to 15% a side are tried, beginning with those
 * with which their hashes met, or with none where that is better.
 */
export function alignedSimilarity(from: Uint8Array, to: Uint8Array, met: Cuts): number {
  const [slopes, target] = [slopesOf(from), slopesOf(to)];
  const whole = slopeCorrelation(slopes, target);
  const cut = met === WHOLE ? whole : slopeCorrelation(slopesOf(cutOut(from, met)), target);
  if (Math.max(whole, cut) < HOPELESS) return Math.max(whole, cut);
  if (cut > whole) return climb(from, target, met, cut);
  // Of two whole pictures either may be the one with more to it.
  return Math.max(climb(from, target, WHOLE, whole), climb(to, slopes, WHOLE, whole));
}

function climb(from: Uint8Array, target: Float32Array, start: Cuts, reached: number): number {
  let [cuts, best] = [start, reached];
  for (const move of MOVES) {
    for (const side of ['left', 'top', 'right', 'bottom', 'left', 'top', 'right', 'bottom'] as const) {
      for (const share of [cuts[side] + move, cuts[side] - move]) {
        if (share < 0 || share > MOST_CUT) continue;
        const moved = { ...cuts, [side]: share };
        const similarity = slopeCorrelation(slopesOf(cutOut(from, moved)), target);
        if (similarity > best) [best, cuts] = [similarity, moved];
      }
    }
  }
  return best;
}

/** Which numbers belong together: a forest of sets (Tarjan 1975). */
export class Groups {
  private readonly parent: Int32Array;

  constructor(count: number) {
    this.parent = Int32Array.from({ length: count }, (_, i) => i);
  }

  /** The number that stands for the group of another. */
  of(number: number): number {
    let top = number;
    for (let up = this.up(top); up !== top; up = this.up(top)) {
      this.parent[top] = this.up(up);
      top = up;
    }
    return top;
  }

  joined(a: number, b: number): boolean {
    return this.of(a) === this.of(b);
  }

  join(a: number, b: number): void {
    this.parent[this.of(a)] = this.of(b);
  }

  private up(number: number): number {
    return this.parent[number] ?? number;
  }
}

const COPY = SIDE * SIDE;
/** Copies that are kept in memory: 32 MB. */
const IN_MEMORY = 2 ** 15;

/** Grey copies by number: the first ones in memory, the others in a temporary file without a name. */
class GreyCopies {
  private readonly memory: Uint8Array;
  private file: number | undefined;

  constructor(count: number) {
    this.memory = new Uint8Array(COPY * Math.min(count, IN_MEMORY));
  }

  /** Throws RunError where the temporary file cannot be written. */
  put(picture: number, grey: Uint8Array): void {
    if (picture < IN_MEMORY) {
      this.memory.set(grey, COPY * picture);
      return;
    }
    try {
      this.file ??= openNamelessFile(tmpdir());
      if (writeSync(this.file, grey, 0, COPY, COPY * (picture - IN_MEMORY)) < COPY)
        throw new Error('the disk is full');
    } catch (error) {
      throw new RunError(
        `Cannot write small copies of the images to a temporary file in ${tmpdir()} (${messageOf(error)}). Expected a folder with ` +
          'free space, a kilobyte an image. Free some, or set TMPDIR to a larger disk.',
      );
    }
  }

  get(picture: number): Uint8Array {
    if (picture < IN_MEMORY) return this.memory.subarray(COPY * picture, COPY * (picture + 1));
    const grey = new Uint8Array(COPY);
    if (this.file !== undefined) readSync(this.file, grey, 0, COPY, COPY * (picture - IN_MEMORY));
    return grey;
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }
}
