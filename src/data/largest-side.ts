import { join } from 'node:path';
import { longerSide } from './decode.js';
import type { ImageFolder } from './image-folder.js';

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
