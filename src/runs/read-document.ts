import { extname } from 'node:path';
import { messageOf, UsageError } from '../errors.js';
import { errnoOf, FileRefusal, parseJson, readWholeFile } from '../files.js';
import { SCHEMA_VERSION } from './documents.js';
import { isJsonObject, type JsonObject } from './json.js';

// Without `fatal`, damaged bytes would silently become replacement characters.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there',
  ENOTDIR: 'it is not there',
  EACCES: 'permission was denied',
};

/** Bytes that a file of a run may have, by the end of its name: ten million steps have 1 GB, and a million images 200 MB. */
const LIMITS: Readonly<Record<string, number>> = { '.json': 500e6, '.jsonl': 2e9, '.ckpt': 4e9, '.bin': 2e9 };

/** Bytes of a run's file beyond which it is not read. */
export function limitOf(path: string): number {
  return LIMITS[extname(path)] ?? 64 * 1024;
}

/** Reads a file of a run's folder. Throws UsageError naming the file and the reason. */
export async function readBytes(path: string): Promise<Buffer> {
  return readWholeFile(path, limitOf(path)).catch((error: unknown) => {
    throw unreadable(path, error);
  });
}

/** Says why a file of a run's folder could not be read. */
export function unreadable(path: string, error: unknown): UsageError {
  const code = errnoOf(error) ?? String(error);
  const reason =
    error instanceof FileRefusal ? error.message : `${REASONS[code] ?? 'the system refused'} (${code})`;
  return new UsageError(
    `Could not read ${path}: ${reason}. ${code === 'EACCES' ? 'Make it readable.' : "Expected a file of a run's folder there; check the path."}`,
    { cause: error },
  );
}

/** Reads a file of a run's folder that may be missing: null then. */
export async function ifThere<T>(path: string, read: (path: string) => Promise<T>): Promise<T | null> {
  return read(path).catch((error: unknown) => {
    if (error instanceof UsageError && errnoOf(error.cause) === 'ENOENT') return null;
    throw error;
  });
}

/** Reads a JSON object. Throws UsageError where the file is not there, cannot be read or holds something else. */
export async function readDocument(path: string): Promise<JsonObject> {
  return parseObject(await readBytes(path), path);
}

/** Reads a JSON object out of UTF-8 text. Throws UsageError that begins with `place`. */
export function parseObject(bytes: Uint8Array, place: string): JsonObject {
  const damaged = (problem: string, cause?: unknown) =>
    new UsageError(`${place} is damaged: ${problem}. Put the original back, or remove the run.`, { cause });
  let value: unknown;
  try {
    value = parseJson(utf8.decode(bytes));
  } catch (error) {
    throw damaged(messageOf(error), error);
  }
  if (!isJsonObject(value)) throw damaged('expected a JSON object');
  return value;
}

/** Throws UsageError where `document`, read from `path`, says no version or one that is newer than this program. */
export function checkSchemaVersion(document: JsonObject, path: string): void {
  const { schemaVersion } = document;
  if (typeof schemaVersion !== 'number' || !Number.isInteger(schemaVersion) || schemaVersion < 1) {
    throw new UsageError(
      `Expected a whole number from 1 as schemaVersion in ${path} but received ${JSON.stringify(schemaVersion)}. Is this the folder of a run?`,
    );
  }
  if (schemaVersion > SCHEMA_VERSION) {
    throw new UsageError(
      `${path} was written by a newer onecycle (schemaVersion ${schemaVersion}; this one reads up to ${SCHEMA_VERSION}). Update onecycle to read it.`,
    );
  }
}
