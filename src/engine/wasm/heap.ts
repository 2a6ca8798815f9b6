import { RunError } from '../../errors.js';
import { limitReached } from '../../system.js';

const PAGE = 65536;
/** A wasm memory ends at 4 GB. */
const PAGES = 65536;
/** Vector loads may reach beyond the last float, to whole panels of 8. */
const BEYOND = 64;
const LINE = 64;

/**
 * Memories of closed heaps, for the next heaps to use. V8 would free them only at its next garbage collection, which it does not
 * hurry for: it does not count the hundreds of megabytes behind these small objects.
 */
const spares: { readonly memory: WebAssembly.Memory; readonly written: number }[] = [];

/** Memory that kernels and threads share, allocated from front to back and freed as a whole. */
export class Heap {
  readonly memory: WebAssembly.Memory;
  /** How far earlier heaps have written. */
  private readonly written: number;
  // Address 0 means none.
  private top = LINE;
  private closed = false;

  constructor() {
    // The largest one, which is the least likely to have to grow.
    const spare = spares.pop();
    this.memory = spare?.memory ?? new WebAssembly.Memory({ initial: 1, maximum: PAGES, shared: true });
    this.written = spare?.written ?? 0;
  }

  /** The address of so many bytes, zeros, on a cache line of their own. Throws RunError where the memory is full. */
  allocate(bytes: number): number {
    const address = this.top;
    const top = address + Math.ceil(bytes / LINE) * LINE;
    const pages = Math.ceil((top + BEYOND) / PAGE) - this.memory.buffer.byteLength / PAGE;
    if (pages > 0) this.grow(pages, bytes);
    this.top = top;
    const doubles = (Math.min(top, this.written) - address) / Float64Array.BYTES_PER_ELEMENT;
    if (doubles > 0) new Float64Array(this.memory.buffer, address, doubles).fill(0);
    return address;
  }

  /** Leaves the memory to the next heap; nobody may use it through this one any more. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    spares.push({ memory: this.memory, written: Math.max(this.top, this.written) });
    spares.sort((a, b) => a.memory.buffer.byteLength - b.memory.buffer.byteLength);
  }

  allocateFloats(count: number): number {
    return this.allocate(count * Float32Array.BYTES_PER_ELEMENT);
  }

  private grow(pages: number, bytes: number): void {
    try {
      this.memory.grow(pages);
    } catch (cause) {
      const full = this.memory.buffer.byteLength / PAGE + pages > PAGES;
      const limit = full ? undefined : limitReached(cause);
      if (limit !== undefined) throw limit;
      const held = (this.top / 2 ** 30).toFixed(1);
      throw new RunError(
        `The wasm heap (4 GB) is full: ${(bytes / 2 ** 20).toFixed(1)} MiB could not be allocated on top of ${held} GiB. ` +
          'Use a smaller image size or batch size, fewer --workers, or a narrower network.',
        { cause },
      );
    }
  }
}

/** The floats at an address, in place. */
export function floatsAt({ buffer }: WebAssembly.Memory, address: number, count: number): Float32Array {
  return new Float32Array(buffer, address, count);
}
