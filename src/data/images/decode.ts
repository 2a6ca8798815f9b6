import sharp from 'sharp';
import type { Metadata, Sharp } from 'sharp';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { messageOf } from '../../errors.js';
import type { Conditions } from '../../fetch/value-cache.js';
import { readWholeFile } from '../../files.js';
import { HEIC } from '../folder/file-kinds.js';
import type { ImageFolder } from '../folder/image-folder.js';
import type { Oddity } from './audit.js';
import { LONGEST } from './crop.js';
import type { DecodedImage } from './image.js';
import { tiffRefusal } from './tiff-header.js';

/** Megapixels beyond which an image is refused: a few kilobytes can claim gigabytes. */
const MEGAPIXEL_LIMIT = 100;
/** Seconds that one decode may take. */
const SECONDS_LIMIT = 5;
const INPUT = { failOn: 'error', limitInputPixels: MEGAPIXEL_LIMIT * 1e6 } as const;
/** What is accepted, by sharp's names; of HEIF the AVIF files alone. */
const FORMATS: ReadonlyMap<string, string> = new Map([
  ['jpeg', 'JPEG'],
  ['png', 'PNG'],
  ['webp', 'WebP'],
  ['gif', 'GIF'],
  ['tiff', 'TIFF'],
  ['heif', 'AVIF'],
]);

// One thread an image, many images at once; nothing is decoded twice, so caching would be waste.
sharp.cache(false);
sharp.concurrency(1);

/** An image as it was decoded, and what is odd about it. */
export interface DecodedFile extends DecodedImage {
  /** Before it was made smaller, upright. */
  readonly original: { readonly height: number; readonly width: number };
  readonly oddities: readonly Oddity[];
}

let decoder: Conditions | undefined;

/** What makes a decoded image what it is, besides its file and the size: the code of this module, and the libraries under it. */
export function decoderConditions(): Conditions {
  decoder ??= {
    code: createHash('sha256')
      .update(readFileSync(new URL(import.meta.url)))
      .digest('hex'),
    libraries: sharp.versions,
    platform: `${process.platform}-${process.arch}`,
  };
  return decoder;
}

/**
 * Decodes a photograph to 8-bit sRGB: upright by EXIF, first frame, transparency on white, aspect kept.
 *
 * The short side becomes min(original, shortSide) pixels, never more; of images longer than 4 short
 * sides the centre is kept. Throws Error with a reason for the user: not an image, cut short, over 100
 * megapixels, over 5 seconds, samples that are no picture.
 */
export async function decodeImage(bytes: Buffer, shortSide: number): Promise<DecodedFile> {
  try {
    const thumbnail = await decodeThumbnail(bytes, shortSide);
    if (thumbnail !== undefined)
      return { ...thumbnail, original: thumbnail, oddities: odditiesOf(thumbnail, thumbnail, false) };
    const { image, metadata } = await openImage(bytes);
    const { format, autoOrient } = metadata;
    const short = Math.min(autoOrient.width, autoOrient.height);
    const downscaled = short > shortSide;
    const scaled = (side: number) => (downscaled ? Math.round((side * shortSide) / short) : side);
    const full = { width: scaled(autoOrient.width), height: scaled(autoOrient.height) };
    const longest = LONGEST * Math.min(full.width, full.height);
    const kept = { width: Math.min(full.width, longest), height: Math.min(full.height, longest) };

    toEightBits(upright(image), metadata);
    // The scaling of libwebp, which sharp prefers, gives other pixels than that of all other formats without loss.
    if (downscaled) image.resize({ ...full, fit: 'fill', fastShrinkOnLoad: format !== 'webp' });
    if (kept.width < full.width || kept.height < full.height) {
      const left = Math.floor((full.width - kept.width) / 2);
      const top = Math.floor((full.height - kept.height) / 2);
      image.extract({ left, top, ...kept });
    }
    const decoded = { ...(await pixelsOf(image)), downscaled };
    const oddities = odditiesOf(decoded, autoOrient, metadata.depth === 'ushort');
    return { ...decoded, original: autoOrient, oddities };
  } catch (error) {
    throw explained(error);
  }
}

/** What an image file holds, without its pixels. */
export interface ImageFacts {
  /** JPEG, PNG, WebP, GIF, TIFF or AVIF, whatever the file is called. */
  readonly format: string;
  /** How colours are stored, such as «grey», «RGB, alpha» or «RGB, 16 bit». */
  readonly colours: string;
  /** In pixels, upright. */
  readonly height: number;
  readonly width: number;
  readonly oddities: readonly Oddity[];
}

/**
 * Looks at an image without decoding all of its pixels where its format allows that, and gives its facts with a grey copy of it,
 * drawn to a square of `side` pixels. Refuses what {@link decodeImage} refuses, with the same reasons.
 */
export async function examineImage(
  bytes: Buffer,
  side: number,
): Promise<ImageFacts & { readonly grey: Uint8Array }> {
  try {
    const { image, metadata } = await openImage(bytes);
    const { autoOrient, depth } = metadata;
    toEightBits(upright(image), metadata).resize(side, side, { fit: 'fill' });
    const small = { ...(await pixelsOf(image)), downscaled: true };
    return {
      format: FORMATS.get(metadata.format) ?? metadata.format,
      colours: coloursOf(metadata),
      ...{ height: autoOrient.height, width: autoOrient.width },
      oddities: odditiesOf(small, autoOrient, depth === 'ushort'),
      grey: greyOf(small.pixels),
    };
  } catch (error) {
    throw explained(error);
  }
}

function coloursOf({ space, hasAlpha, depth }: Metadata): string {
  const kind = /^(b-w|grey16)$/u.test(space) ? 'grey' : space === 'cmyk' ? 'CMYK' : 'RGB';
  const deep = depth === 'ushort' ? '16 bit' : depth === 'uchar' ? '' : depth;
  return [kind, hasAlpha ? 'alpha' : '', deep].filter((part) => part !== '').join(', ');
}

/** The brightness of RGB pixels (ITU-R BT.601, section 2.5.1). */
function greyOf(pixels: Uint8Array): Uint8Array {
  return Uint8Array.from(
    { length: pixels.length / 3 },
    (_, i) =>
      0.299 * (pixels[3 * i] ?? 0) +
      0.587 * (pixels[3 * i + 1] ?? 0) +
      0.114 * (pixels[3 * i + 2] ?? 0) +
      0.5,
  );
}

/** Reads an image's header. Throws what {@link explained} puts into words where it is none that is taken. */
async function openImage(bytes: Buffer): Promise<{ image: Sharp; metadata: Metadata }> {
  refuse(textRefusal(bytes) ?? tiffRefusal(bytes));
  const image = sharp(bytes, INPUT);
  const metadata = await image.metadata();
  const { format, compression } = metadata;
  if (!FORMATS.has(format)) refuse(`its content is of the kind ${format}, which is not accepted`);
  if (format === 'heif' && compression !== 'av1') refuse(HEIC);
  return { image, metadata };
}

/** What went wrong with an image, in words for the user. */
function explained(error: unknown): Error {
  return error instanceof RefusedImage ? error : new Error(decodeReason(error), { cause: error });
}

/** Bytes of a file, and pixels of an image, up to which it is tried as a thumbnail. */
const SMALL_FILE = 16_384;
const SMALL_IMAGE = 65_536;
/** How PNG and JPEG files begin. */
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47]);
const JPEG = Buffer.from([0xff, 0xd8, 0xff]);
/** Where a PNG file says how many bits a sample has (PNG specification, 11.2.1). */
const PNG_DEPTH = 24;

/**
 * A small PNG or JPEG file is mostly a thumbnail, which needs no look at its header first. What turns out larger or deeper, or
 * cannot be decoded, is undefined and goes the long way.
 */
async function decodeThumbnail(bytes: Buffer, shortSide: number): Promise<DecodedImage | undefined> {
  const starts = (signature: Buffer) => bytes.subarray(0, signature.length).equals(signature);
  const isPng = starts(PNG);
  const plain = isPng ? bytes[PNG_DEPTH] !== 16 : starts(JPEG);
  if (bytes.length > SMALL_FILE || !plain) return undefined;
  try {
    const pixels = await pixelsOf(upright(sharp(bytes, { ...INPUT, limitInputPixels: SMALL_IMAGE })));
    const [short, long] = [pixels.height, pixels.width].sort((a, b) => a - b) as [number, number];
    return short > shortSide || long > LONGEST * short ? undefined : { ...pixels, downscaled: false };
  } catch {
    return undefined;
  }
}

function upright(image: Sharp): Sharp {
  return image
    .timeout({ seconds: SECONDS_LIMIT })
    .autoOrient()
    .flatten({ background: '#fff' })
    .toColourspace('srgb');
}

/**
 * Brings an image of 16 bits to 8 before anything else, so that it is treated as the 8-bit file of the same picture would be. Else
 * sharp 0.35 leaves a deep colour image with a profile in Display P3 (findings/deep-images-end-in-p3.sh), and ignores the profile
 * of a deep grey one.
 */
function toEightBits(image: Sharp, { space }: Metadata): Sharp {
  if (space === 'rgb16') return image.pipelineColourspace('srgb');
  return space === 'grey16' ? image.pipelineColourspace('b-w') : image;
}

async function pixelsOf(image: Sharp): Promise<Pick<DecodedImage, 'pixels' | 'height' | 'width'>> {
  const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels instead of 3`);
  const pixels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { pixels, height: info.height, width: info.width };
}

/** Pixels of the shorter side below which nothing can be told from an image. */
const TINY = 8;
/** The brightest level that 14 bits in a 16-bit file come to. */
const FAINT = 64;

function odditiesOf(
  { pixels }: DecodedImage,
  original: { readonly width: number; readonly height: number },
  deep: boolean,
): Oddity[] {
  const [short, long] = [original.height, original.width].sort((a, b) => a - b) as [number, number];
  if (short < TINY) return ['tiny'];
  const oddities: Oddity[] = long > LONGEST * short ? ['long'] : [];
  if (isOneColour(pixels)) oddities.push('one colour');
  else if (
    deep &&
    (pixels.every((level) => level <= FAINT) || pixels.every((level) => level >= 255 - FAINT))
  ) {
    oddities.push('faint');
  }
  return oddities;
}

/** Mostly ends at the first pixels. */
function isOneColour(pixels: Uint8Array): boolean {
  for (let i = 3; i < pixels.length; i++) if (pixels[i] !== pixels[i - 3]) return false;
  return true;
}

/** What is no image but stands in the place of one; undefined for all else. */
function textRefusal(bytes: Buffer): string | undefined {
  const start = bytes.toString('latin1', 0, 200).trimStart();
  if (start.startsWith('version https://git-lfs'))
    return 'it is a pointer of Git LFS: fetch the images with git lfs pull';
  if (/^<(!doctype html|html)/iu.test(start))
    return 'it is a web page, as servers send in place of an image that is not there';
  return undefined;
}

/** An image that was understood and is not taken; its message is the reason. */
class RefusedImage extends Error {}

function refuse(reason: string | undefined): void {
  if (reason !== undefined) throw new RefusedImage(reason);
}

const REASONS: readonly (readonly [RegExp, (detail: string) => string])[] = [
  [/buffer is empty/i, () => 'the file is empty'],
  [/exceeds pixel limit/i, () => `more than ${MEGAPIXEL_LIMIT} megapixels: make it smaller`],
  [
    /unsupported image format/i,
    () => 'its content is no image of a known kind (JPEG, PNG, WebP, GIF, TIFF, AVIF), or is cut short',
  ],
  [/timeout/i, () => `decoding took more than ${SECONDS_LIMIT} seconds`],
  [
    /premature end|read error|unexpected end|corrupt|truncat/i,
    (detail) => `damaged or cut short (${detail})`,
  ],
];

/** Puts what the decoder says into one line for the user. */
export function decodeReason(error: unknown): string {
  const message = messageOf(error);
  // libheif puts a dozen lines on seeking before the line that tells.
  const lines = message
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('source: bad seek'));
  const detail = (lines[0] ?? 'unknown error').trim();
  const known = REASONS.find(([pattern]) => pattern.test(detail));
  return known === undefined ? `cannot be decoded (${detail})` : known[1](detail);
}

/** The longer side of an image file in pixels, as its header has it; undefined where that cannot be read. */
async function longerSide(file: string): Promise<number | undefined> {
  try {
    const { width, height } = await sharp(await readImageFile(file), INPUT).metadata();
    return Math.max(width, height);
  } catch {
    return undefined;
  }
}

/** Bytes of a file beyond which it is not read: 100 megapixels uncompressed are 300 MB. */
const FILE_BYTES = 1e9;

/** A file's bytes. Throws Error with a reason for the user. */
export async function readImageFile(file: string): Promise<Buffer> {
  return readWholeFile(file, FILE_BYTES).catch((error: unknown) => {
    throw new Error(fileReason(error), { cause: error });
  });
}

function fileReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT')
    return 'the file is gone since the folder was listed, or its name is not valid UTF-8';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return messageOf(error);
}

/** Headers that are read: enough to tell thumbnails from photographs. */
const PROBES = 32;

/**
 * The longest side in pixels among training images spread evenly over the list; 0 where no header can be
 * read. Serves to choose an image size before anything is decoded.
 */
export async function largestSide({ root, train }: ImageFolder): Promise<number> {
  const stride = Math.max(1, Math.ceil(train.length / PROBES));
  const probes = train.filter((_, i) => i % stride === 0);
  const sides = await Promise.all(probes.map(({ path }) => longerSide(join(root, path))));
  return Math.max(0, ...sides.map((side) => side ?? 0));
}

/** Pixels of the longer side up to which an image is a thumbnail, and a copy of it is kept to the pixel. */
export const SMALL = 64;

/**
 * A small copy of an image as a data URI, upright, on white, at most `side` pixels a side and never enlarged; null where
 * the file is not there, cannot be read, lies outside the data folder, or is another than the one that was recorded.
 * @param sha256 of the recorded file, in hex
 */
export async function thumbnail(
  root: string,
  path: string,
  side: number,
  sha256: string,
): Promise<string | null> {
  const inside = relative(root, join(root, path));
  if (inside.startsWith('..') || isAbsolute(inside)) return null;
  try {
    const file = await readImageFile(join(root, path));
    if (createHash('sha256').update(file).digest('hex') !== sha256) return null;
    const image = upright(sharp(file, { limitInputPixels: INPUT.limitInputPixels }));
    const metadata = await image.metadata();
    const { width, height } = metadata;
    toEightBits(image, metadata).resize(side, side, { fit: 'inside', withoutEnlargement: true });
    const tiny = Math.max(width, height) <= SMALL;
    const bytes = await (tiny ? image.png() : image.jpeg({ quality: 82 })).toBuffer();
    return `data:image/${tiny ? 'png' : 'jpeg'};base64,${bytes.toString('base64')}`;
  } catch {
    return null;
  }
}

/** Pixels of the picture for each of the SVG's: sharp on screens of high density too. */
const SCALE = 2;
/** The density at which an SVG's pixel is one pixel of the picture. */
const PLAIN_DENSITY = 72;

/** An SVG document as a PNG of twice its size in pixels. */
export async function pngOf(svg: string): Promise<Uint8Array> {
  return sharp(Buffer.from(svg), { density: SCALE * PLAIN_DENSITY })
    .flatten({ background: 'white' })
    .png()
    .toBuffer();
}

/** Pixels of 8-bit red, green and blue, row by row, as a PNG. */
export async function pngOfPixels(pixels: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
