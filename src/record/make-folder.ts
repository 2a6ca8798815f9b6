import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, temporaryName, writeDurably } from './atomic.js';
import { jsonText } from './json.js';
import { ownLockText } from './lock-owner.js';
import { heldLock, lockPath, type RunLock } from './run-lock.js';
import { errnoOf, explainWriteError } from './write-error.js';

/** A folder that was just made and is locked by this process. */
export interface MadeFolder {
  readonly dir: string;
  readonly lock: RunLock;
}

/**
 * Makes the folder `outDir`/`name`, or `name`-2, -3 and so on where that exists, with these files and folders in
 * it; a file's name may lead into one of the folders. `outDir` is made too. The folder appears whole or not at all. Throws UsageError where it cannot be made,
 * RunError where there is no space, RangeError for a name that is no plain visible file name.
 */
export async function makeFolder(
  outDir: string,
  name: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  folders: readonly string[] = [],
): Promise<MadeFolder> {
  if (!/^[^./\\\0][^/\\\0]*$/.test(name)) {
    throw new RangeError(
      `Expected a file name without folders and leading dot for a run but received ${JSON.stringify(name)}.`,
    );
  }
  const lockText = ownLockText();
  let made = temporaryName(join(outDir, name));
  try {
    await mkdir(outDir, { recursive: true });
    await mkdir(made);
    await writeDurably(lockPath(made), lockText);
    for (const folder of folders) await mkdir(join(made, folder));
    for (const [file, data] of Object.entries(files)) await writeDurably(join(made, file), data);
    for (const folder of folders) await syncFolder(join(made, folder));
    await syncFolder(made);
    made = await moveToFreeName(made, join(outDir, name));
    await syncFolder(outDir);
    return { dir: made, lock: heldLock(made, lockText) };
  } catch (error) {
    await rm(made, { recursive: true, force: true }).catch(() => undefined);
    throw explainWriteError(error, join(outDir, name), 'start');
  }
}

/** A whole JSON file's text. Throws RangeError for numbers that are not finite. */
export function documentText(value: object): string {
  return `${jsonText(value, 2)}\n`;
}

/** Renames a folder to `path`, or `path`-2, -3 and so on; nobody else can get the same name. */
async function moveToFreeName(from: string, path: string): Promise<string> {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? path : `${path}-${n}`;
    // A rename fails on a folder with something in it, but it would replace an empty one, or on Windows fail otherwise.
    if (await exists(candidate)) continue;
    try {
      await rename(from, candidate);
      return candidate;
    } catch (error) {
      const code = errnoOf(error);
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && !(await exists(candidate))) throw error;
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
