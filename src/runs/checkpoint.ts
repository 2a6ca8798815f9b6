import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, UsageError } from '../errors.js';
import { parseJson, withFile } from '../files.js';
import { RUN_FILES } from './documents.js';
import { isJsonObject, jsonText, type JsonValue } from './json.js';
import { limitOf, readBytes } from './read-document.js';

/** Everything a run needs to go on: arbitrary JSON, and tensors by name. */
export interface Checkpoint {
  readonly header: JsonValue;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/*
 * The container, all numbers little-endian:
 *
 *    0  magic, 8 bytes       a byte above 127 and a line break, so that a transfer as text is noticed (as PNG's)
 *    8  version, uint32
 *   12  length of the JSON, uint32
 *   16  length of the whole file, uint64
 *   24  JSON: { header, tensors: [{ name, length }] }
 *       the tensors' float32 values, one after another in that order
 *  -32  SHA-256 of all the bytes before it
 */
const MAGIC = Uint8Array.from([0x89, 0x4f, 0x4e, 0x45, 0x43, 0x59, 0x43, 0x0a]);
const VERSION = 1;
const PROLOGUE = 24;
const DIGEST = 32;
/** Bytes of JSON beyond which no header is read alone: ten thousand epochs have 2 MB. */
const MAX_HEADER = 64e6;
/** Bytes by which later checkpoints may be longer and still fit in the same buffer. */
const ROOM = 65_536;

/**
 * Packs a checkpoint with its checksum. Throws where the header is not plain JSON: see `jsonText`.
 * @param spare the buffer of an earlier one, to be overwritten where it is large enough: the first write to fresh
 *   memory takes longer than all the rest
 */
export function encodeCheckpoint(
  { header, tensors }: Checkpoint,
  spare?: ArrayBuffer,
): Uint8Array<ArrayBuffer> {
  const index = [...tensors].map(([name, { length }]) => ({ name, length }));
  const json = Buffer.from(jsonText({ header, tensors: index }), 'utf8');
  const values = index.reduce((sum, { length }) => sum + 4 * length, 0);
  const length = PROLOGUE + json.length + values + DIGEST;
  // The header grows as a run goes on.
  const buffer = spare !== undefined && spare.byteLength >= length ? spare : new ArrayBuffer(length + ROOM);
  const bytes = new Uint8Array(buffer, 0, length);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, json.length, true);
  view.setBigUint64(16, BigInt(bytes.length), true);
  bytes.set(json, PROLOGUE);
  let offset = PROLOGUE + json.length;
  for (const tensor of tensors.values()) {
    bytes.set(new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength), offset);
    offset += tensor.byteLength;
  }
  bytes.set(sha256(bytes.subarray(0, offset)), offset);
  return bytes;
}

/** Unpacks what `encodeCheckpoint` packed, to the last bit. Throws an Error that says what is damaged. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const end = bytes.length - DIGEST;
  if (end < PROLOGUE) throw new Error(`cut short: ${bytes.length} bytes are too few for a checkpoint`);
  if (!MAGIC.every((byte, i) => bytes[i] === byte))
    throw new Error('its first bytes are not those of a checkpoint');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const expected = view.getBigUint64(16, true);
  if (expected !== BigInt(bytes.length)) {
    throw new Error(
      `expected a length of ${expected} bytes, as its prologue says, but received ${bytes.length}`,
    );
  }
  if (!sha256(bytes.subarray(0, end)).equals(bytes.subarray(end)))
    throw new Error('its checksum does not fit its content');
  // After the checksum: another version now means another onecycle, and not a flipped bit.
  const version = view.getUint32(8, true);
  if (version !== VERSION)
    throw new Error(`expected version ${VERSION} but received ${version}: another onecycle wrote it`);
  const start = PROLOGUE + view.getUint32(12, true);
  if (start > end) throw new Error('its header is longer than the file');
  const { header, index } = parseHeader(bytes.subarray(PROLOGUE, start));
  return { header, tensors: readTensors(bytes.subarray(start, end), index) };
}

type TensorIndex = readonly { readonly name: string; readonly length: number }[];

function readTensors(bytes: Uint8Array, index: TensorIndex): Map<string, Float32Array> {
  // Before anything is allocated: a length may be nonsense.
  const total = index.reduce((sum, { length }) => sum + 4 * length, 0);
  if (total !== bytes.length) {
    throw new Error(`expected ${total} bytes of tensors, as its header says, but received ${bytes.length}`);
  }
  const tensors = new Map<string, Float32Array>();
  let offset = 0;
  for (const { name, length } of index) {
    const values = new Float32Array(length);
    // As bytes: no alignment is needed, and every bit of a NaN survives.
    new Uint8Array(values.buffer).set(bytes.subarray(offset, offset + 4 * length));
    tensors.set(name, values);
    offset += 4 * length;
  }
  if (tensors.size !== index.length) throw new Error('two of its tensors have the same name');
  return tensors;
}

function parseHeader(json: Uint8Array): { header: JsonValue; index: TensorIndex } {
  let value: unknown;
  try {
    value = parseJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json));
  } catch (error) {
    throw new Error(`its header is no JSON: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (!isJsonObject(value) || value['header'] === undefined || !isTensorIndex(value['tensors'])) {
    throw new Error('its header lacks the state or the list of tensors');
  }
  return { header: value['header'], index: value['tensors'] };
}

function isTensorIndex(value: JsonValue | undefined): value is TensorIndex & JsonValue {
  return (
    Array.isArray(value) &&
    value.every((entry: JsonValue) => {
      if (!isJsonObject(entry)) return false;
      const { name, length } = entry;
      return (
        typeof name === 'string' && typeof length === 'number' && Number.isSafeInteger(length) && length >= 0
      );
    })
  );
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** Which checkpoint: the newest, the one before it, or that of the best epoch. */
type Generation = 'last' | 'previous' | 'best';

/** A checkpoint that was read, and a sentence for the user where it is not the one that was expected. */
export interface FoundCheckpoint extends Checkpoint {
  readonly generation: Generation;
  readonly note: string | null;
}

/** Where a run's folder holds a checkpoint. */
export function checkpointPath(dir: string, generation: Generation): string {
  return join(dir, 'checkpoints', `${generation}.ckpt`);
}

/** Reads one checkpoint of a run's folder. Throws UsageError naming the file where it is missing or damaged. */
export async function readCheckpoint(dir: string, generation: Generation): Promise<FoundCheckpoint> {
  const path = checkpointPath(dir, generation);
  const bytes = await readBytes(path);
  try {
    return { ...decodeCheckpoint(bytes), generation, note: null };
  } catch (error) {
    throw new UsageError(`The checkpoint ${path} cannot be used: ${messageOf(error)}.`, { cause: error });
  }
}

/**
 * The header of a checkpoint without its tensors, which are most of it; null where there is none. Its checksum is not
 * looked at, so that it may be damaged.
 */
export async function peekHeader(dir: string, generation: Generation): Promise<JsonValue> {
  const path = checkpointPath(dir, generation);
  try {
    return await withFile(path, limitOf(path), async ({ size, readInto }) => {
      const prologue = Buffer.alloc(PROLOGUE);
      await readInto(prologue);
      const start = PROLOGUE + prologue.readUInt32LE(12);
      if (start > Math.min(size, MAX_HEADER) || !MAGIC.every((byte, i) => prologue[i] === byte)) return null;
      const bytes = Buffer.alloc(start);
      await readInto(bytes);
      return parseHeader(bytes.subarray(PROLOGUE)).header;
    });
  } catch {
    return null;
  }
}

/**
 * Reads the newest whole checkpoint of a run's folder: the last one, or the one before where the last is missing
 * or damaged, with a `note` that says so. Throws UsageError where neither can be used.
 */
export async function readNewestCheckpoint(dir: string): Promise<FoundCheckpoint> {
  try {
    return await readCheckpoint(dir, 'last');
  } catch (lastError) {
    const model = join(dir, RUN_FILES.model);
    const kept = [checkpointPath(dir, 'last'), checkpointPath(dir, 'previous')].some((path) =>
      existsSync(path),
    );
    if (!kept && existsSync(model)) {
      throw new UsageError(
        `${dir} holds no checkpoint any more, as after onecycle runs --prune. Its best weights are in ${model}: predict and export take them ` +
          'without --final. To train further, train it anew with --again.',
        { cause: lastError },
      );
    }
    const previous = await readCheckpoint(dir, 'previous').catch((previousError: unknown) => {
      throw new UsageError(
        `No checkpoint of ${dir} can be used. ${messageOf(lastError)} ${messageOf(previousError)} Start the run anew.`,
        { cause: lastError },
      );
    });
    return {
      ...previous,
      note: `${messageOf(lastError)} The one before it, ${checkpointPath(dir, 'previous')}, is used.`,
    };
  }
}
