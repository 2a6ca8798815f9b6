import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseJson } from '../../files.js';
import { cacheFolder } from '../../fetch/cache.js';
import type { PublishedFile } from './catalog.js';

/** A file that a data set was made from. */
interface Origin {
  readonly url: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface PulledSet {
  readonly folder: string;
  /** Whether it was made now, and did not lie in the cache already. */
  readonly made: boolean;
  readonly images: { readonly train: number; readonly valid: number };
  /** What it was made from. */
  readonly origins: readonly Origin[];
}

/** Where the archives of a data set lie until its folder is made. */
export function archiveFolder(name: string): string {
  return join(cacheFolder(), 'downloads', name);
}

/** An archive's name in the cache: that of its address, so that a file that a browser downloaded need not be renamed. */
export function archiveName({ url }: PublishedFile): string {
  return basename(new URL(url).pathname);
}

/** Beside a data set's folder: what it was made from, and under which licence it is. */
export function recordOf(folder: string): string {
  return `${folder}.json`;
}

/** The data set whose folder is there; undefined where there is none. */
export async function madeBefore(folder: string): Promise<PulledSet | undefined> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() !== true) return undefined;
  // What this program wrote there; somebody may have removed it, which the folder survives.
  const text = await readFile(recordOf(folder), 'utf8').catch(() => '{}');
  const { images = { train: 0, valid: 0 }, origins = [] } = parseJson(text) as Partial<PulledSet>;
  return { folder, made: false, images, origins };
}
