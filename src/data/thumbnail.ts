import { isAbsolute, join, relative } from 'node:path';
import sharp from 'sharp';
import { MEGAPIXEL_LIMIT, SECONDS_LIMIT } from './decode-reason.js';

/** Up to this many pixels a side an image is kept to the pixel. */
const SMALL = 64;

/**
 * A small copy of an image as a data URI, upright, on white, at most `side` pixels a side and never enlarged; null where
 * the file is not there, cannot be read or lies outside the data folder.
 */
export async function thumbnail(root: string, path: string, side: number): Promise<string | null> {
  const inside = relative(root, join(root, path));
  if (inside.startsWith('..') || isAbsolute(inside)) return null;
  try {
    const image = sharp(join(root, path), { limitInputPixels: MEGAPIXEL_LIMIT * 1e6 }).timeout({
      seconds: SECONDS_LIMIT,
    });
    const { width, height } = await image.metadata();
    image
      .autoOrient()
      .flatten({ background: '#fff' })
      .resize(side, side, { fit: 'inside', withoutEnlargement: true });
    const tiny = Math.max(width, height) <= SMALL;
    const bytes = await (tiny ? image.png() : image.jpeg({ quality: 82 })).toBuffer();
    return `data:image/${tiny ? 'png' : 'jpeg'};base64,${bytes.toString('base64')}`;
  } catch {
    return null;
  }
}
