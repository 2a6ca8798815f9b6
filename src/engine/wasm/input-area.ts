import { type CropBox, WHOLE } from '../../data/images/image.js';
import type { FeatureInput, ImageInput, NetworkInput } from '../engine.js';
import { floatsAt, type Heap } from './heap.js';
import { InputKind, type Job } from './job-board.js';
import type { NetworkPlan } from './network-plan.js';

/** Bytes that the kernel reads beyond an image's last pixel. */
const BEYOND = 1;

/** The place on the heap for a job's images or features and its labels, where all threads read them. */
export class InputArea {
  private readonly labels: Int32Array;
  private area = { address: 0, bytes: 0 };

  constructor(
    private readonly heap: Heap,
    private readonly plan: NetworkPlan,
  ) {
    this.labels = new Int32Array(heap.memory.buffer, plan.labels, plan.capacity);
  }

  /**
   * Writes a job's inputs, no more images than the plan's capacity. Throws, and changes nothing, where images, boxes, labels or
   * sizes do not fit each other: the kernels check nothing.
   */
  put(input: NetworkInput, labels: Int32Array | undefined): Pick<Job, 'kind' | 'images' | 'input'> {
    const images = input.kind === 'images' ? this.countImages(input) : this.countFeatures(input);
    if (labels !== undefined && labels.length !== images) {
      throw new Error(`${images} images and ${labels.length} labels.`);
    }
    if (labels !== undefined) this.labels.set(labels);
    if (input.kind === 'features') {
      return { kind: InputKind.features, images, input: this.putFeatures(input) };
    }
    this.putImages(input);
    return { kind: InputKind.images, images, input: 0 };
  }

  private countImages({ images, boxes }: ImageInput): number {
    if (images.length !== boxes.length) throw new Error(`${images.length} images and ${boxes.length} boxes.`);
    images.forEach(({ pixels, height, width }, i) => {
      if (pixels.length === height * width * 3 && pixels.length > 0) return;
      throw new Error(`Image ${i} has ${pixels.length} bytes instead of ${height} x ${width} x 3.`);
    });
    return images.length;
  }

  private countFeatures({ values, shape }: FeatureInput): number {
    const { featureShape, featureFloats } = this.plan;
    if (shape.join() !== featureShape.join()) {
      throw new Error(`Features of ${shape.join(' x ')} where ${featureShape.join(' x ')} are expected.`);
    }
    const images = values.length / featureFloats;
    if (!Number.isInteger(images)) {
      throw new Error(`${values.length} values make no whole images of ${featureFloats} features.`);
    }
    return images;
  }

  private putFeatures({ values }: FeatureInput): number {
    const address = this.roomFor(values.byteLength);
    floatsAt(this.heap.memory, address, values.length).set(values);
    return address;
  }

  private putImages({ images, boxes }: ImageInput): void {
    let at = this.roomFor(images.reduce((sum, { pixels }) => sum + pixels.length + BEYOND, 0));
    const bytes = new Uint8Array(this.heap.memory.buffer);
    images.forEach(({ pixels, height, width }, i) => {
      bytes.set(pixels, at);
      const entry = { address: at, height, width, ...(boxes[i] ?? WHOLE) };
      writeImageEntry(this.heap.memory, imageEntry(this.plan, i), entry);
      at += pixels.length + BEYOND;
    });
  }

  private roomFor(bytes: number): number {
    if (bytes > this.area.bytes) {
      // The heap frees nothing: doubling keeps the areas that are left behind smaller than the one in use.
      const larger = Math.max(bytes, 2 * this.area.bytes);
      this.area = { address: this.heap.allocate(larger), bytes: larger };
    }
    return this.area.address;
  }
}

/** An image's address and size, and the part of it that the network sees. */
interface ImageEntry extends CropBox {
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
