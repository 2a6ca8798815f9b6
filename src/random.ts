import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { createHash } from 'node:crypto';

/**
 * A reproducible source of random numbers that belongs to one purpose.
 *
 * Each stream depends on the run's seed and on its own name alone, never on how many numbers other
 * streams have drawn. So any epoch, image or view can be replayed without replaying what came before,
 * and two arms of a comparison see the same initial weights, order and augmentations.
 */
export interface RandomStream {
  /** A number in [0, 1) with 32 random bits. */
  uniform(): number;
  /** An integer in [0, limit). */
  integer(limit: number): number;
}

/** A 32-bit hash of a name, equal on every machine. */
export function hash32(...name: readonly (string | number)[]): number {
  return createHash('sha256').update(JSON.stringify(name)).digest().readInt32LE(0);
}

/** Opens the stream called `name` under `seed`, for example `randomStream(0, 'shuffle', epoch)`. */
export function randomStream(seed: number, ...name: readonly (string | number)[]): RandomStream {
  const generator = xoroshiro128plus(hash32(seed, ...name));
  const uniform = () => (generator.next() >>> 0) / 2 ** 32;
  return { uniform, integer: (limit) => Math.floor(uniform() * limit) };
}

/** A number from the normal distribution of mean 0 and deviation 1, made of two uniform ones (Box and Muller 1958). */
export function normal(stream: RandomStream): number {
  // 1 - uniform lies in (0, 1], where the logarithm is finite.
  return Math.sqrt(-2 * Math.log(1 - stream.uniform())) * Math.cos(2 * Math.PI * stream.uniform());
}

/** The integers 0 to n - 1 in random order (Fisher and Yates). */
export function permutation(n: number, stream: RandomStream): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = stream.integer(i + 1);
    const other = order[j] ?? 0;
    order[j] = order[i] ?? 0;
    order[i] = other;
  }
  return order;
}
