import sharp, { type Sharp } from 'sharp';
import { decodeReason, MEGAPIXEL_LIMIT, SECONDS_LIMIT } from './decode-reason.js';
import type { DecodedImage } from './image.js';

// One thread an image, many images at once; nothing is decoded twice, so caching would be waste.
sharp.cache(false);
sharp.concurrency(1);

const FORMATS: ReadonlySet<string> = new Set(['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif']);

/**
 * Longest side kept, in short sides. Training crops of half the area and at most 4:3 fit only while an
 * image is no longer than 8/3 of its short side; beyond that all crops are at the centre. So the ends
 * of longer images are never looked at, and a 20 x 5,000,000 one need not be kept.
 */
const LONGEST = 4;

/** Bytes of a file, and pixels of an image, up to which it is tried as a thumbnail. */
const SMALL_FILE = 16_384;
const SMALL_IMAGE = 65_536;
/** How PNG and JPEG files begin. */
const SIGNATURES = [Buffer.from([0x89, 0x50, 0x4e, 0x47]), Buffer.from([0xff, 0xd8, 0xff])];

const INPUT = { failOn: 'error', limitInputPixels: MEGAPIXEL_LIMIT * 1e6 } as const;

/**
 * Decodes a photograph to 8-bit sRGB: upright by EXIF, first frame, transparency on white, aspect kept.
 *
 * The short side becomes min(original, shortSide) pixels, never more; of images longer than 4 short
 * sides the centre is kept. Throws Error with a reason for the user: not an image, cut short, over 100
 * megapixels, over 5 seconds.
 */
export async function decodeImage(bytes: Buffer, shortSide: number): Promise<DecodedImage> {
  try {
    const thumbnail = await decodeThumbnail(bytes, shortSide);
    if (thumbnail !== undefined) return thumbnail;
    const image = sharp(bytes, INPUT);
    const { format, autoOrient } = await image.metadata();
    if (!FORMATS.has(format)) throw new Error(`content of kind ${format}, which is not accepted`);
    const short = Math.min(autoOrient.width, autoOrient.height);
    const downscaled = short > shortSide;
    const scaled = (side: number) => (downscaled ? Math.round((side * shortSide) / short) : side);
    const full = { width: scaled(autoOrient.width), height: scaled(autoOrient.height) };
    const longest = LONGEST * Math.min(full.width, full.height);
    const kept = { width: Math.min(full.width, longest), height: Math.min(full.height, longest) };

    upright(image);
    if (downscaled) image.resize({ ...full, fit: 'fill' });
    if (kept.width < full.width || kept.height < full.height) {
      const left = Math.floor((full.width - kept.width) / 2);
      const top = Math.floor((full.height - kept.height) / 2);
      image.extract({ left, top, ...kept });
    }
    return { ...(await pixelsOf(image)), downscaled };
  } catch (error) {
    throw new Error(decodeReason(error), { cause: error });
  }
}

/**
 * A small PNG or JPEG file is mostly a thumbnail, which needs no look at its header first. What turns out larger, or cannot be
 * decoded, is undefined and goes the long way.
 */
async function decodeThumbnail(bytes: Buffer, shortSide: number): Promise<DecodedImage | undefined> {
  if (
    bytes.length > SMALL_FILE ||
    !SIGNATURES.some((start) => bytes.subarray(0, start.length).equals(start))
  ) {
    return undefined;
  }
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

async function pixelsOf(image: Sharp): Promise<Pick<DecodedImage, 'pixels' | 'height' | 'width'>> {
  const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels instead of 3`);
  const pixels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { pixels, height: info.height, width: info.width };
}

/** The longer side of an image file in pixels, from its header alone; undefined where that cannot be read. */
export async function longerSide(file: string): Promise<number | undefined> {
  try {
    const { width, height } = await sharp(file, INPUT).metadata();
    return Math.max(width, height);
  } catch {
    return undefined;
  }
}
