import { type Conditions, ValueCache } from '../../fetch/value-cache.js';
import { ODDITIES, type Oddity } from './audit.js';
import { type DecodedFile, decoderConditions } from './decode.js';

/** Before the pixels: height and width, those of the original (uint32), whether it was made smaller, and a bit an oddity (uint8). */
const HEAD_BYTES = 24;

/** What makes the images decoded to this short side what they are, besides their files. */
export function decodedConditions(shortSide: number): Conditions {
  return { shortSide, oddities: ODDITIES, ...decoderConditions() };
}

/** Images that earlier commands have decoded, by the SHA-256 of their files. A file that has changed has another one. */
export class DecodedCache {
  private constructor(private readonly cache: ValueCache | undefined) {}

  /** Lets some work use the cache of this short side, and hands on what it put in, also where it fails. */
  static async using<Result>(
    shortSide: number,
    work: (cache: DecodedCache) => Promise<Result>,
  ): Promise<Result> {
    const cache = await ValueCache.open('images', decodedConditions(shortSide));
    try {
      return await work(new DecodedCache(cache));
    } finally {
      cache?.close();
    }
  }

  get(hash: Uint8Array): DecodedFile | undefined {
    const value = this.cache?.get(hash);
    if (value === undefined) return undefined;
    const head = new DataView(value.buffer, 0, HEAD_BYTES);
    const [height, width] = [head.getUint32(0, true), head.getUint32(4, true)];
    const pixels = value.subarray(HEAD_BYTES);
    if (pixels.length !== height * width * 3) return undefined;
    return {
      ...{ pixels, height, width, downscaled: head.getUint8(16) === 1 },
      original: { height: head.getUint32(8, true), width: head.getUint32(12, true) },
      oddities: ODDITIES.filter((_, i) => (head.getUint8(17) & (1 << i)) !== 0),
    };
  }

  put(hash: Uint8Array, { pixels, height, width, downscaled, original, oddities }: DecodedFile): void {
    if (this.cache === undefined) return;
    const value = new Uint8Array(HEAD_BYTES + pixels.length);
    const head = new DataView(value.buffer);
    [height, width, original.height, original.width].forEach((side, i) => head.setUint32(4 * i, side, true));
    head.setUint8(16, downscaled ? 1 : 0);
    head.setUint8(17, bitsOf(oddities));
    value.set(pixels, HEAD_BYTES);
    this.cache.put(hash, value);
  }
}

const bitsOf = (oddities: readonly Oddity[]) =>
  ODDITIES.reduce((bits, oddity, i) => bits | (oddities.includes(oddity) ? 1 << i : 0), 0);
