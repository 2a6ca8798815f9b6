/** Pixels a side of the small grey copies that pictures are compared by. */
export const SIDE = 32;

/** Frequencies in each direction that a hash takes, the constant one left out: 8 x 8 = 64 bits. */
const FREQUENCIES = 8;

/** A 64-bit hash as two words of 32 bits. */
export type Hash = readonly [high: number, low: number];

/** The 8 x SIDE values that the frequencies 1 to 8 of the discrete cosine transform (DCT-II) have at the pixels, row by row. */
const COSINES = Float64Array.from({ length: FREQUENCIES * SIDE }, (_, i) => {
  const [frequency, x] = [Math.floor(i / SIDE) + 1, i % SIDE];
  return Math.cos((Math.PI * frequency * (2 * x + 1)) / (2 * SIDE));
});

/**
 * The hash of a picture and that of its mirror image: which of the 8 x 8 lowest frequencies of its cosine transform lie above
 * their median (Zauner, «Implementation and Benchmarking of Perceptual Image Hash Functions», 2010, section 3.2.1). Pictures
 * that look alike have hashes that differ in few bits, whatever their size, brightness and compression.
 * @param grey SIDE x SIDE levels, rows top to bottom
 */
export function perceptualHashes(grey: Uint8Array): { readonly plain: Hash; readonly mirrored: Hash } {
  const spectrum = lowFrequencies(grey, COSINES, COSINES);
  // Mirroring turns the sign of every other frequency across, the first of them included.
  const mirrored = spectrum.map((value, i) => (i % 2 === 0 ? -value : value));
  return { plain: aboveMedian(spectrum), mirrored: aboveMedian(mirrored) };
}

/** What hashes what is left of any picture behind certain cuts; the same as the hash of {@link cutOut}. */
export function cutHash({ left, top, right, bottom }: Cuts): (grey: Uint8Array) => Hash {
  const [across, down] = [cutCosines(left, right), cutCosines(top, bottom)];
  return (grey) => aboveMedian(lowFrequencies(grey, across, down));
}

/** The cosines of a cut and enlarged picture, as they fall on the pixels of the whole one. */
function cutCosines(before: number, behind: number): Float64Array {
  const cosines = new Float64Array(FREQUENCIES * SIDE);
  positions(before, behind).forEach((position, i) => {
    const pixel = Math.min(SIDE - 2, Math.floor(position));
    for (let k = 0; k < FREQUENCIES * SIDE; k += SIDE) {
      const cosine = COSINES[k + i] ?? 0;
      cosines[k + pixel] = (cosines[k + pixel] ?? 0) + cosine * (1 - position + pixel);
      cosines[k + pixel + 1] = (cosines[k + pixel + 1] ?? 0) + cosine * (position - pixel);
    }
  });
  return cosines;
}

/** Frequencies 1 to 8 down, and within each of them 1 to 8 across. */
function lowFrequencies(grey: Uint8Array, across: Float64Array, down: Float64Array): Float64Array {
  const rows = new Float64Array(SIDE * FREQUENCIES);
  for (let y = 0; y < SIDE; y++) {
    for (let k = 0; k < FREQUENCIES; k++) {
      let sum = 0;
      for (let x = 0; x < SIDE; x++) sum += (grey[y * SIDE + x] ?? 0) * (across[k * SIDE + x] ?? 0);
      rows[y * FREQUENCIES + k] = sum;
    }
  }
  const spectrum = new Float64Array(FREQUENCIES * FREQUENCIES);
  for (let v = 0; v < FREQUENCIES; v++) {
    for (let k = 0; k < FREQUENCIES; k++) {
      let sum = 0;
      for (let y = 0; y < SIDE; y++) sum += (rows[y * FREQUENCIES + k] ?? 0) * (down[v * SIDE + y] ?? 0);
      spectrum[v * FREQUENCIES + k] = sum;
    }
  }
  return spectrum;
}

function aboveMedian(values: Float64Array): Hash {
  const sorted = values.slice().sort();
  const median = ((sorted[31] ?? 0) + (sorted[32] ?? 0)) / 2;
  const word = (first: number) => {
    let bits = 0;
    for (let i = first; i < first + 32; i++) bits = (bits << 1) | ((values[i] ?? 0) > median ? 1 : 0);
    return bits >>> 0;
  };
  return [word(0), word(32)];
}

/** Ones in a word of 32 bits (Warren, «Hacker's Delight», 2nd edition, section 5-1). */
export function bitsSet(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** What is cut off a picture, as shares of its width and height. */
export interface Cuts {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Nothing is cut off. */
export const WHOLE: Cuts = { left: 0, top: 0, right: 0, bottom: 0 };

/** What is left of a grey copy behind cuts, enlarged to SIDE x SIDE by linear interpolation. */
export function cutOut(grey: Uint8Array, { left, top, right, bottom }: Cuts): Float32Array {
  const out = new Float32Array(SIDE * SIDE);
  const columns = positions(left, right);
  const rows = positions(top, bottom);
  for (let y = 0; y < SIDE; y++) {
    const down = rows[y] ?? 0;
    const row = Math.min(SIDE - 2, Math.floor(down));
    for (let x = 0; x < SIDE; x++) {
      const across = columns[x] ?? 0;
      const column = Math.min(SIDE - 2, Math.floor(across));
      const i = row * SIDE + column;
      const upper = mix(grey[i] ?? 0, grey[i + 1] ?? 0, across - column);
      const lower = mix(grey[i + SIDE] ?? 0, grey[i + SIDE + 1] ?? 0, across - column);
      out[y * SIDE + x] = mix(upper, lower, down - row);
    }
  }
  return out;
}

/** Where the SIDE pixels of a cut copy lie on the whole one, in its pixels. */
function positions(before: number, behind: number): Float64Array {
  const scale = 1 - before - behind;
  return Float64Array.from({ length: SIDE }, (_, i) =>
    Math.min(SIDE - 1, Math.max(0, SIDE * before + (i + 0.5) * scale - 0.5)),
  );
}

function mix(from: number, to: number, share: number): number {
  return from + share * (to - from);
}

/** A grey copy mirrored left to right. */
export function mirrorImage(grey: Uint8Array): Uint8Array {
  return Uint8Array.from(grey, (_, i) => {
    const column = i % SIDE;
    return grey[i - column + SIDE - 1 - column] ?? 0;
  });
}

/** Pixels a side at which slopes are taken: coarse enough that compression and another size change little. */
const COARSE = SIDE / 2;
const STEPS = COARSE - 1;

/**
 * The slopes of a grey copy: how much brighter each place is than its neighbours to the left and above, at half the size, less the
 * mean slope. Neither brightness nor an even shade from one side to the other counts.
 */
export function slopesOf(grey: Uint8Array | Float32Array): Float32Array {
  const coarse = new Float32Array(COARSE * COARSE);
  for (let y = 0; y < COARSE; y++) {
    for (let x = 0; x < COARSE; x++) {
      const i = 2 * y * SIDE + 2 * x;
      const sum = (grey[i] ?? 0) + (grey[i + 1] ?? 0) + (grey[i + SIDE] ?? 0) + (grey[i + SIDE + 1] ?? 0);
      coarse[y * COARSE + x] = sum / 4;
    }
  }
  const slopes = new Float32Array(2 * STEPS * STEPS);
  const mean = [0, 0] as [number, number];
  for (let y = 0; y < STEPS; y++) {
    for (let x = 0; x < STEPS; x++) {
      const [i, at] = [y * COARSE + x, 2 * (y * STEPS + x)];
      const here = coarse[i] ?? 0;
      slopes[at] = (coarse[i + 1] ?? 0) - here;
      slopes[at + 1] = (coarse[i + COARSE] ?? 0) - here;
      mean[0] += (slopes[at] ?? 0) / (STEPS * STEPS);
      mean[1] += (slopes[at + 1] ?? 0) / (STEPS * STEPS);
    }
  }
  return slopes.map((slope, i) => slope - (i % 2 === 0 ? mean[0] : mean[1]));
}

/** Root mean square of slopes, in levels of 255: how much there is to see. */
export function detailOf(slopes: Float32Array): number {
  let sum = 0;
  for (const slope of slopes) sum += slope * slope;
  return Math.sqrt(sum / slopes.length);
}

/** Correlation of slopes, from -1 to 1; 0 where one side has none. */
export function slopeCorrelation(a: Float32Array, b: Float32Array): number {
  let [aa, bb, ab] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [p, q] = [a[i] ?? 0, b[i] ?? 0];
    aa += p * p;
    bb += q * q;
    ab += p * q;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}
