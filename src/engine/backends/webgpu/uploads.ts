/** Bytes from which an upload has a buffer of its own; the queue takes smaller ones itself. */
const LARGE = 65_536;
/** Buffers on their way at a time; where the host runs further ahead, the queue makes new ones. */
const MOST = 4;

/**
 * Brings values from the host into buffers of the device. Large ones go through buffers that are mapped again after each use: making
 * one anew takes the system as long as filling it.
 */
export class Uploads {
  private readonly mapped: GPUBuffer[] = [];
  private readonly filled: GPUBuffer[] = [];
  private readonly all = new Set<GPUBuffer>();

  constructor(private readonly device: GPUDevice) {}

  /** Writes values before whatever the encoder's next commands do. */
  write(encoder: GPUCommandEncoder, target: GPUBuffer, values: Float32Array): void {
    const size = values.byteLength;
    const buffer = size < LARGE ? undefined : this.free(size);
    if (buffer === undefined) {
      this.device.queue.writeBuffer(target, 0, unshared(values));
      return;
    }
    new Float32Array(buffer.getMappedRange()).set(values);
    buffer.unmap();
    encoder.copyBufferToBuffer(buffer, 0, target, 0, size);
    this.filled.push(buffer);
  }

  /** The commands were submitted: the buffers are free when the device has done them. */
  submitted(): void {
    for (const buffer of this.filled.splice(0)) {
      buffer.mapAsync(GPUMapMode.WRITE).then(
        () => this.mapped.push(buffer),
        // The device is lost, or the buffer was given back in the meantime.
        () => this.all.delete(buffer),
      );
    }
  }

  destroy(): void {
    for (const buffer of this.all) buffer.destroy();
    this.all.clear();
    this.mapped.length = 0;
  }

  private free(size: number): GPUBuffer | undefined {
    const i = this.mapped.findIndex((buffer) => buffer.size === size);
    if (i >= 0) return this.mapped.splice(i, 1)[0];
    if (this.all.size >= MOST) return undefined;
    const usage = GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC;
    const buffer = this.device.createBuffer({ size, usage, mappedAtCreation: true });
    this.all.add(buffer);
    return buffer;
  }
}

/** Dawn's queue refuses memory that threads share. */
function unshared(values: Float32Array): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = values;
  return buffer instanceof ArrayBuffer
    ? new Float32Array(buffer, byteOffset, length)
    : new Float32Array(values);
}
