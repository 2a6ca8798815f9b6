import { readFile } from 'node:fs/promises';
import { UsageError } from '../config/errors.js';
import { isJsonObject, type JsonObject } from './json.js';
import { errnoOf } from './write-error.js';

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
  const bytes = await readBytes(path);
  const damaged = (problem: string, cause?: unknown) =>
    new UsageError(`${path} is damaged: ${problem}. Put the original back, or remove the run.`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error), error);
  }
  if (!isJsonObject(value)) throw damaged('expected a JSON object');
  return value;
}
