import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { UsageError } from '../errors/errors.js';
import { messageOf } from '../errors/message-of.js';

/** A weight file that is there: its real path and its size in bytes. */
export interface LocatedFile {
  readonly path: string;
  readonly size: number;
}

/**
 * Finds a weight file that model.json names. Throws UsageError where it is missing, no regular file, or
 * leaves the folder of model.json: by an absolute path, by `..`, or by a symlink. A model.json from elsewhere
 * could otherwise make the program read any file of the user's.
 */
export async function locateWeightFile(folder: string, path: string): Promise<LocatedFile> {
  const escapes = isAbsolute(path) || path.split(/[\\/]/).includes('..') || path.includes('\0');
  if (escapes) throw outside(path);
  try {
    const real = await realpath(join(folder, path));
    const inside = relative(await realpath(folder), real);
    if (isAbsolute(inside) || inside.split(sep)[0] === '..') throw outside(path);
    const found = await stat(real);
    if (!found.isFile()) throw new UsageError(`weight file ${JSON.stringify(path)} is no regular file`);
    return { path: real, size: found.size };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`weight file ${JSON.stringify(path)} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function outside(path: string): UsageError {
  return new UsageError(
    `weight file ${JSON.stringify(path)} lies outside the folder of model.json; put it inside`,
  );
}
