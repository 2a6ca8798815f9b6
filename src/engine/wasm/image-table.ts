import type { CropBox } from '../../data/images/image.js';
import type { NetworkPlan } from './network-plan.js';

/** An image's address and size, and the part of it that the network sees. */
export interface ImageEntry extends CropBox {
  readonly address: number;
  readonly height: number;
  readonly width: number;
}

/** Bytes of an entry, laid out as the class in kernels/image-input.as.ts. */
const ENTRY = 7 * 4;

/** Bytes of a table of so many images. */
export function imageTableBytes(images: number): number {
  return images * ENTRY;
}

/** The address of an image's entry in the table, which threads share. */
export function imageEntry({ imageTable }: Pick<NetworkPlan, 'imageTable'>, image: number): number {
  return imageTable + image * ENTRY;
}

/** Writes an entry where the kernel reads it. */
export function writeImageEntry(
  { buffer }: WebAssembly.Memory,
  at: number,
  { address, height, width, y1, x1, y2, x2 }: ImageEntry,
): void {
  new Int32Array(buffer, at, 3).set([address, height, width]);
  new Float32Array(buffer, at + 12, 4).set([y1, x1, y2, x2]);
}
