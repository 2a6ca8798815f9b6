import { mkdir } from 'node:fs/promises';
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

async function writeImage(path: string, label: number, number: number, side: number): Promise<void> {
  const pixels = Buffer.alloc(side * side * 3);
  // A small linear congruential generator: the same images on every machine.
  let state = label * 7919 + number * 104729 + 1;
  for (let i = 0; i < pixels.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const tint = i % 3 === label % 3 ? 150 : 60;
    pixels[i] = tint + (state >>> 26);
  }
  await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toFile(path);
}
