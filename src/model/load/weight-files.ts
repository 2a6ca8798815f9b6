import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { messageOf, UsageError } from '../../errors.js';
import { withFile } from '../../files.js';
import type { Quantization, WeightEntry, WeightGroup } from './model-json.js';

/** A tensor of a weight file; `values` may be a view into the file's bytes. */
export interface WeightTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** MobileNetV2 1.4 with its top has 25 MB; nothing that is a MobileNet comes near this. */
export const MAX_WEIGHT_BYTES = 512 * 2 ** 20;
const maxFiles = 1000;

/**
 * Reads the tensors of a weights manifest from `folder`, each file once, in the manifest's order.
 *
 * Nothing is allocated before the declared shapes and the sizes of the files agree and stay below
 * 512 MB. A path must stay inside the folder, symlinks followed. `onBytes` sees each group's bytes
 * (for a hash). Throws UsageError naming the file or tensor.
 */
export async function readWeightFiles(
  folder: string,
  manifest: readonly WeightGroup[],
  onBytes: (bytes: Uint8Array) => void,
): Promise<Map<string, WeightTensor>> {
  const sizes = manifest.map((group) => declaredBytes(group));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total > MAX_WEIGHT_BYTES) {
    throw new UsageError(
      `the weights manifest declares ${total} bytes; at most ${MAX_WEIGHT_BYTES} are read`,
    );
  }
  const listed = manifest.reduce((sum, group) => sum + group.paths.length, 0);
  if (listed > maxFiles)
    throw new UsageError(`the weights manifest lists ${listed} files; at most ${maxFiles} are read`);
  const files = await Promise.all(manifest.map((group) => locate(folder, group)));
  requireOnce(files.flat().map((file) => file.path));
  for (const [i, group] of manifest.entries()) {
    const found = (files[i] ?? []).reduce((sum, file) => sum + file.size, 0);
    if (found !== sizes[i]) {
      throw new UsageError(
        `${group.paths.join(', ')}: expected ${sizes[i]} bytes by the shapes in the manifest, found ${found}`,
      );
    }
  }
  const tensors = new Map<string, WeightTensor>();
  for (const [i, group] of manifest.entries()) {
    const bytes = new Uint8Array(sizes[i] ?? 0);
    let offset = 0;
    for (const file of files[i] ?? []) {
      await readInto(file, bytes.subarray(offset, offset + file.size));
      offset += file.size;
    }
    onBytes(bytes);
    cut(group.weights, bytes, tensors);
  }
  return tensors;
}

function declaredBytes(group: WeightGroup): number {
  return group.weights.reduce((sum, entry) => {
    // An optimizer counts its steps in an int32, four bytes as well.
    const unread = entry.group === 'optimizer' && entry.dtype === 'int32';
    if (entry.dtype !== 'float32' && !unread) {
      throw new UsageError(`weight «${entry.name}»: expected float32, found ${entry.dtype}`);
    }
    return sum + bytesOf(entry);
  }, 0);
}

function bytesOf(entry: WeightEntry): number {
  return count(entry) * (entry.quantization === undefined ? 4 : entry.quantization.dtype === 'uint8' ? 1 : 2);
}

function count(entry: WeightEntry): number {
  return entry.shape.reduce((product, length) => product * length, 1);
}

async function locate(folder: string, group: WeightGroup): Promise<LocatedFile[]> {
  return await Promise.all(group.paths.map((path) => locateWeightFile(folder, path)));
}

function requireOnce(paths: readonly string[]): void {
  const seen = new Set<string>();
  const twice = paths.find((path) => seen.size === seen.add(path).size);
  if (twice !== undefined) throw new UsageError(`weight file ${JSON.stringify(twice)} is listed twice`);
}

async function readInto({ path }: LocatedFile, target: Uint8Array): Promise<void> {
  const length = await withFile(path, MAX_WEIGHT_BYTES, async (file) => file.readInto(target)).catch(
    (error: unknown) => {
      throw unreadable(path, error);
    },
  );
  if (length < target.length)
    throw new UsageError(`weight file ${JSON.stringify(path)} ended while it was read`);
}

function unreadable(path: string, error: unknown): UsageError {
  if (error instanceof UsageError) return error;
  return new UsageError(`weight file ${JSON.stringify(path)} cannot be read: ${messageOf(error)}`, {
    cause: error,
  });
}

/** TFJS writes little-endian numbers, which is what every platform of Node with a release has. */
function cut(entries: readonly WeightEntry[], bytes: Uint8Array, into: Map<string, WeightTensor>): void {
  let offset = 0;
  for (const entry of entries) {
    const start = offset;
    offset += bytesOf(entry);
    if (entry.group === 'optimizer') continue;
    if (into.has(entry.name)) throw new UsageError(`weight «${entry.name}» is declared twice`);
    into.set(entry.name, { shape: entry.shape, values: floatsOf(bytes, start, offset, entry.quantization) });
  }
}

/** The values that lie at these bytes; behind quantized ones floats may begin where no array of floats can. */
function floatsOf(bytes: Uint8Array, from: number, to: number, quantization?: Quantization): Float32Array {
  const aligned = from % 4 === 0 ? bytes.subarray(from, to) : bytes.slice(from, to);
  const { buffer, byteOffset, byteLength } = aligned;
  if (quantization === undefined) return new Float32Array(buffer, byteOffset, byteLength / 4);
  if (quantization.dtype === 'float16') {
    return Float32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), ofFloat16);
  }
  const { dtype, min, scale } = quantization;
  const steps = dtype === 'uint8' ? aligned : new Uint16Array(buffer, byteOffset, byteLength / 2);
  return Float32Array.from(steps, (step) => step * scale + min);
}

/** The number that the bits of a float16 mean (IEEE 754, binary16): a sign, 5 bits of exponent, 10 of fraction. */
function ofFloat16(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** A weight file that is there: its real path and its size in bytes. */
interface LocatedFile {
  readonly path: string;
  readonly size: number;
}

/**
 * Finds a weight file that model.json names. Throws UsageError where it is missing, no regular file, or
 * leaves the folder of model.json: by an absolute path, by `..`, or by a symlink. A model.json from elsewhere
 * could otherwise make the program read any file of the user's.
 */
async function locateWeightFile(folder: string, path: string): Promise<LocatedFile> {
  const escapes = isAbsolute(path) || path.split(/[\\/]/).includes('..') || path.includes('\0');
  if (escapes) throw outside(path);
  try {
    const real = await realpath(join(folder, path));
    const inside = relative(await realpath(folder), real);
    if (isAbsolute(inside) || inside.split(sep)[0] === '..') throw outside(path);
    return { path: real, size: await withFile(real, MAX_WEIGHT_BYTES, async ({ size }) => size) };
  } catch (error) {
    throw unreadable(path, error);
  }
}

function outside(path: string): UsageError {
  return new UsageError(
    `weight file ${JSON.stringify(path)} lies outside the folder of model.json; put it inside`,
  );
}
