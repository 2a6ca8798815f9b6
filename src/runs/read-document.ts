import { readFile } from 'node:fs/promises';
import { messageOf, UsageError } from '../errors.js';
import { parseJson } from '../parse-json.js';
import { errnoOf } from './atomic.js';
import { SCHEMA_VERSION } from './documents.js';
import { isJsonObject, type JsonObject } from './json.js';

// Without `fatal`, damaged bytes would silently become replacement characters.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there',
  ENOTDIR: 'it is not there',
  EISDIR: 'it is a folder, not a file',
  EACCES: 'permission was denied',
};

/** Reads a file of a run's folder. Throws UsageError naming the file and the reason. */
export async function readBytes(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    const code = errnoOf(error) ?? String(error);
    throw new UsageError(
      `Could not read ${path}: ${REASONS[code] ?? 'the system refused'} (${code}). Expected a file of a run's folder there; check the path.`,
      { cause: error },
    );
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
