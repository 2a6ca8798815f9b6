/** Numbers of the tags that say what a TIFF file's samples are (TIFF 6.0, section 8 and pages 110 and 80). */
const [BITS, COLOURS, BANDS, EXTRA_BANDS, FORMAT] = [258, 262, 277, 338, 339] as const;

/** Colour bands by the value of PhotometricInterpretation: white or black is zero, RGB, palette, mask, CMYK, YCbCr. */
const COLOUR_BANDS = new Map([
  [0, 1],
  [1, 1],
  [2, 3],
  [3, 1],
  [5, 4],
  [6, 3],
]);
const COLOUR_NAMES = new Map([
  [4, 'A transparency mask'],
  [8, 'CIE Lab colours'],
  [9, 'CIE Lab colours'],
  [10, 'CIE Lab colours'],
  [32844, 'LogLuv colours'],
  [32845, 'LogLuv colours'],
]);
const FORMAT_NAMES = new Map([
  [2, 'signed'],
  [3, 'float'],
  [5, 'complex'],
  [6, 'complex'],
]);
const WHOLE_BITS = [1, 2, 4, 8, 16];

/**
 * Why a TIFF file's samples cannot be shown as a picture, and what to do; undefined where they can, and for all other files.
 *
 * Bytes from 0 to 255 and their like mean black to white. Of others the file does not say what black and white are (floats
 * may end at 1 or at 4095), and the decoder would show them as black, white or washed out.
 */
export function tiffRefusal(bytes: Buffer): string | undefined {
  const tags = readTags(bytes);
  if (tags === undefined) return undefined;
  const bits = tags.get(BITS) ?? [1];
  const format = FORMAT_NAMES.get((tags.get(FORMAT) ?? []).find((code) => FORMAT_NAMES.has(code)) ?? 1);
  const odd = format === undefined ? bits.find((count) => !WHOLE_BITS.includes(count)) : bits[0];
  if (odd !== undefined) {
    return `${odd}-bit ${format ?? 'unsigned'} samples cannot be shown: save it as 8 or 16 bit unsigned`;
  }
  const [colours = 1] = tags.get(COLOURS) ?? [];
  const expected = COLOUR_BANDS.get(colours);
  if (expected === undefined) {
    return `${COLOUR_NAMES.get(colours) ?? `colours of kind ${colours}`} cannot be shown: save it as RGB`;
  }
  const [bands = 1] = tags.get(BANDS) ?? [];
  const [extra = 0] = tags.get(EXTRA_BANDS) ?? [];
  // 1 and 2: the extra band is transparency.
  if (bands === expected || (bands === expected + 1 && (extra === 1 || extra === 2))) return undefined;
  return `${bands} bands instead of ${expected}, and none marked as transparency: save it as RGB or grey`;
}

/** Values of a tag that are read; no picture has more bands. */
const VALUES = 8;
/** Bytes of a value by its type: SHORT and LONG. */
const SIZES = new Map([
  [3, 2],
  [4, 4],
]);

/** The tags of the first image, by number, as far as they hold whole numbers; undefined where this is no TIFF or BigTIFF. */
function readTags(bytes: Buffer): Map<number, number[]> | undefined {
  const order = bytes.toString('latin1', 0, 2);
  if (order !== 'II' && order !== 'MM') return undefined;
  const little = order === 'II';
  const short = (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const long = (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  // Files of more than 4 GB are not read: the upper half of a 64-bit number is zero, or the offset is wrong.
  const wide = (at: number) => (little ? long(at) : long(at + 4));
  const tags = new Map<number, number[]>();
  try {
    const version = short(2);
    if (version !== 42 && version !== 43) return undefined;
    const big = version === 43;
    const start = big ? wide(8) : long(4);
    const count = big ? wide(start) : short(start);
    for (let i = 0; i < count; i++) {
      const entry = start + (big ? 8 + 20 * i : 2 + 12 * i);
      const size = SIZES.get(short(entry + 2));
      if (size === undefined) continue;
      const values = Math.min(VALUES, big ? wide(entry + 4) : long(entry + 4));
      const inline = entry + (big ? 12 : 8);
      const at = values * size <= (big ? 8 : 4) ? inline : big ? wide(inline) : long(inline);
      const read = Array.from({ length: values }, (_, k) => (size === 2 ? short : long)(at + k * size));
      tags.set(short(entry), read);
    }
  } catch (error) {
    // A header that points outside of the file: the decoder says what is wrong with it.
    if (!(error instanceof RangeError)) throw error;
  }
  return tags;
}
