import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

/** How large a made-up data set is. */
export interface TinyImages {
  readonly classes?: readonly string[];
  /** Images of each class. */
  readonly train?: number;
  readonly valid?: number;
  /** Pixels a side. */
  readonly side?: number;
}

/** Writes DIR/train and DIR/val with images that a network can tell apart: each class its own tint, plus noise. */
export async function tinyImages(
  dir: string,
  { classes = ['ants', 'bees'], train = 12, valid = 6, side = 32 }: TinyImages = {},
): Promise<void> {
  for (const [label, name] of classes.entries()) {
    for (const [part, count] of Object.entries({ train, val: valid })) {
      const folder = join(dir, part, name);
      await mkdir(folder, { recursive: true });
      // No image is in both parts.
      const first = part === 'val' ? train : 0;
      for (let i = 0; i < count; i++) await writeImage(join(folder, `${i}.png`), label, first + i, side);
    }
  }
}

/**
 * Puts shapes that are easily got wrong in the place of two validation images of `tinyImages`: one eight times as long as it is
 * high, and a JPEG that lies on its side, as its EXIF says.
 */
export async function oddShapes(dir: string, { side = 32 }: Pick<TinyImages, 'side'> = {}): Promise<void> {
  const long = join(dir, 'val', 'ants', '0.png');
  await sharp(noise(0, 1001, 8 * side + 1, side), { raw: { width: 8 * side + 1, height: side, channels: 3 } })
    .png()
    .toFile(long);
  const lying = join(dir, 'val', 'bees', '0');
  await rm(`${lying}.png`);
  await sharp(noise(1, 1002, side + 7, side), { raw: { width: side + 7, height: side, channels: 3 } })
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .withMetadata({ orientation: 6 })
    .toFile(`${lying}.jpg`);
}

async function writeImage(path: string, label: number, number: number, side: number): Promise<void> {
  await sharp(noise(label, number, side, side), { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toFile(path);
}

function noise(label: number, number: number, width: number, height: number): Buffer {
  const pixels = Buffer.alloc(width * height * 3);
  // A small linear congruential generator: the same images on every machine.
  let state = label * 7919 + number * 104729 + 1;
  for (let i = 0; i < pixels.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const tint = i % 3 === label % 3 ? 150 : 60;
    pixels[i] = tint + (state >>> 26);
  }
  return pixels;
}
