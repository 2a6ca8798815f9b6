import sharp from 'sharp';
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
    const image = sharp(bytes, INPUT);
    const { format, autoOrient } = await image.metadata();
    if (!FORMATS.has(format)) throw new Error(`content of kind ${format}, which is not accepted`);
    const short = Math.min(autoOrient.width, autoOrient.height);
    const downscaled = short > shortSide;
    const scaled = (side: number) => (downscaled ? Math.round((side * shortSide) / short) : side);
    const full = { width: scaled(autoOrient.width), height: scaled(autoOrient.height) };
    const longest = LONGEST * Math.min(full.width, full.height);
    const kept = { width: Math.min(full.width, longest), height: Math.min(full.height, longest) };

    image
      .timeout({ seconds: SECONDS_LIMIT })
      .autoOrient()
      .flatten({ background: '#fff' })
      .toColourspace('srgb');
    if (downscaled) image.resize({ ...full, fit: 'fill' });
    if (kept.width < full.width || kept.height < full.height) {
      const left = Math.floor((full.width - kept.width) / 2);
      const top = Math.floor((full.height - kept.height) / 2);
      image.extract({ left, top, ...kept });
    }
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels instead of 3`);
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { pixels, height: info.height, width: info.width, downscaled };
  } catch (error) {
    throw new Error(decodeReason(error), { cause: error });
  }
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
