import type { CropBox } from '../../data/image.js';

/** Where an image's bytes lie, its size, and what of it the network sees. */
export interface TableEntry extends CropBox {
  readonly address: number;
  readonly height: number;
  readonly width: number;
}

/** Four-byte numbers of an entry: address, height and width as integers, the box as float32. */
const ENTRY = 7;

/** Bytes of a table of so many images. */
export function imageTableBytes(images: number): number {
  return images * ENTRY * 4;
}

/** The images of a job, in memory that threads share. */
export class ImageTable {
  private readonly integers: Int32Array;
  private readonly floats: Float32Array;

  constructor({ buffer }: WebAssembly.Memory, address: number, images: number) {
    this.integers = new Int32Array(buffer, address, images * ENTRY);
    this.floats = new Float32Array(buffer, address, images * ENTRY);
  }

  write(image: number, { address, height, width, y1, x1, y2, x2 }: TableEntry): void {
    this.integers.set([address, height, width], image * ENTRY);
    this.floats.set([y1, x1, y2, x2], image * ENTRY + 3);
  }

  read(image: number): TableEntry {
    const at = image * ENTRY;
    const [address = 0, height = 0, width = 0] = this.integers.subarray(at, at + 3);
    const [y1 = 0, x1 = 0, y2 = 0, x2 = 0] = this.floats.subarray(at + 3, at + ENTRY);
    return { address, height, width, y1, x1, y2, x2 };
  }
}
