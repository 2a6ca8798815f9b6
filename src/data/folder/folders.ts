import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { MissingPathError, UsageError } from '../../errors.js';
import { fileKind, isHidden, isSystem } from './file-kinds.js';
import type { SkippedFile } from './image-folder.js';
import { contains, type LinkPolicy, resolveLink } from './links.js';

/** What is under way while a data folder is read. */
export interface Reading extends LinkPolicy {
  /** As the user knows it. */
  readonly root: string;
  /** Entries by real path: folders are looked into before it is known what they are, and read once. */
  readonly listings: Map<string, Promise<Listing>>;
}

/** A folder by its path in the data folder (forward slashes, '' for that itself) and its real path on disk. */
export interface FolderPlace {
  readonly path: string;
  readonly real: string;
}

/** Everything but images. */
export interface LeftOut {
  /** Named one by one, with the reason. */
  readonly skipped: SkippedFile[];
  /** Counted. */
  readonly passedOver: string[];
}

/** What lies directly in a folder of parts or classes. */
export interface ListedFolders extends LeftOut {
  readonly place: FolderPlace;
  readonly folders: ReadonlyMap<string, FolderPlace>;
  /** Links that are not followed, by name: reason, and whether there may be a folder at their end. */
  readonly links: ReadonlyMap<string, { readonly reason: string; readonly outside: boolean }>;
  /** Whether there are images, or links that are called so. */
  readonly images: boolean;
}

/** The path of what lies in a folder. */
function pathIn(place: FolderPlace, name: string): string {
  return place.path === '' ? name : `${place.path}/${name}`;
}

/** Lists the folders in a folder; images beside them are skipped with a reason, links treated by the policy. */
export async function listFolders(place: FolderPlace, reading: Reading): Promise<ListedFolders> {
  const folders = new Map<string, FolderPlace>();
  const links = new Map<string, { reason: string; outside: boolean }>();
  const leftOut: LeftOut = { skipped: [], passedOver: [] };
  let images = false;
  const { entries, misnamed } = await readFolder(place, reading);
  for (const name of misnamed) leftOut.skipped.push({ path: pathIn(place, name), reason: MISNAMED });
  for (const entry of entries) {
    const path = pathIn(place, entry.name);
    const real = join(place.real, entry.name);
    const isImage = fileKind(entry.name).kind === 'image';
    const target = entry.isSymbolicLink() ? await resolveLink(real, reading) : undefined;
    if (isHidden(entry.name)) leftOut.passedOver.push(path);
    else if (entry.isDirectory()) {
      const folder = { path, real };
      if (await holdsRecords(folder, reading)) leftOut.passedOver.push(path);
      else folders.set(entry.name, folder);
    } else if (target?.kind === 'folder' && contains(target.real, place.real)) {
      leftOut.skipped.push({ path, reason: 'link to a folder that contains it' });
    } else if (target?.kind === 'folder') folders.set(entry.name, { path, real: target.real });
    else if (target?.kind === 'refused') {
      images ||= isImage;
      links.set(entry.name, { reason: target.reason, outside: target.outside !== undefined });
      leftOut.skipped.push({ path, reason: target.reason });
    } else if (isImage) {
      images = true;
      leftOut.skipped.push({ path, reason: 'lies beside the class folders, so it has no class' });
    } else leftOut.passedOver.push(path);
  }
  return { place, folders, links, images, ...leftOut };
}

/** Files by which a run's folder and a report's are known. */
const RECORDS = [
  ['config.json', 'environment.json', 'dataset.json'],
  ['report.html', 'learning-rate.svg'],
] as const;

/**
 * Whether a folder is one that this program wrote, or holds nothing but such: a run, a report, --out. Their charts are no images of
 * a class, as they would be where somebody works inside of the data folder.
 */
async function holdsRecords(folder: FolderPlace, reading: Reading): Promise<boolean> {
  const isRecord = async (place: FolderPlace) => {
    const { entries } = await readFolder(place, reading);
    return RECORDS.some((files) => files.every((name) => entries.some((entry) => entry.name === name)));
  };
  if (await isRecord(folder)) return true;
  const { entries } = await readFolder(folder, reading);
  const visible = entries.filter(({ name }) => !isHidden(name));
  for (const entry of visible) {
    const place = { path: `${folder.path}/${entry.name}`, real: join(folder.real, entry.name) };
    if (!entry.isDirectory() || !(await isRecord(place))) return false;
  }
  return visible.length > 0;
}

/** Whether an image, or a link that may lead to one, lies in a folder at any depth. */
export async function holdsImages(
  folder: FolderPlace,
  reading: Reading,
  seen = new Set<string>(),
): Promise<boolean> {
  if (seen.has(folder.real)) return false;
  seen.add(folder.real);
  const { entries } = await readFolder(folder, reading);
  const isImage = (entry: Dirent) => !entry.isDirectory() && fileKind(entry.name).kind === 'image';
  if (entries.some(isImage)) return true;
  for (const entry of entries) {
    if (isHidden(entry.name) || entry.isFile()) continue;
    const place = { path: `${folder.path}/${entry.name}`, real: join(folder.real, entry.name) };
    const target = entry.isSymbolicLink() ? await resolveLink(place.real, reading) : undefined;
    if (target?.kind === 'refused' && target.outside !== undefined) return true;
    const real = target?.kind === 'folder' ? target.real : place.real;
    const isFolder = entry.isDirectory() || target?.kind === 'folder';
    if (isFolder && (await holdsImages({ ...place, real }, reading, seen))) return true;
  }
  return false;
}

/**
 * Lists the images of one class, at any depth, sorted by code unit.
 *
 * Ends whatever links there are: each real folder is read once, those without a link on the way
 * first, and a link to a folder that contains it is refused.
 */
export async function walkClassFolder(
  folder: FolderPlace,
  reading: Reading,
  leftOut: LeftOut,
): Promise<string[]> {
  const images: string[] = [];
  const skipped: SkippedFile[] = [];
  const seen = new Set<string>();
  let folders = [folder];
  let links: FolderPlace[] = [];
  const addFile = (path: string) => {
    const file = fileKind(basename(path));
    if (file.kind === 'image') images.push(path);
    else if (file.kind === 'refused') skipped.push({ path, reason: file.reason });
    else leftOut.passedOver.push(path);
  };

  const readOne = async (place: FolderPlace) => {
    if (seen.has(place.real)) return;
    seen.add(place.real);
    const { entries, misnamed } = await readFolder(place, reading);
    for (const name of misnamed) skipped.push({ path: pathIn(place, name), reason: MISNAMED });
    for (const entry of entries) {
      const inner = { path: pathIn(place, entry.name), real: join(place.real, entry.name) };
      if (isHidden(entry.name)) leftOut.passedOver.push(inner.path);
      else if (entry.isDirectory()) folders.push(inner);
      else if (entry.isSymbolicLink()) links.push(inner);
      else if (entry.isFile()) addFile(inner.path);
      else skipped.push({ path: inner.path, reason: 'neither a file nor a folder' });
    }
  };
  const followLinks = async () => {
    const batch = links;
    links = [];
    const targets = await Promise.all(batch.map((link) => resolveLink(link.real, reading)));
    targets.forEach((target, i) => {
      const { path, real } = batch[i] ?? folder;
      if (target.kind === 'file') addFile(path);
      else if (target.kind === 'refused') skipped.push({ path, reason: target.reason });
      else if (contains(target.real, dirname(real)))
        skipped.push({ path, reason: 'link to a folder that contains it' });
      else if (seen.has(target.real))
        skipped.push({ path, reason: 'link to a folder of this class read already' });
      else folders.push({ path, real: target.real });
    });
  };

  while (folders.length > 0 || links.length > 0) {
    const now = folders;
    folders = [];
    for (const place of now) await readOne(place);
    if (folders.length === 0) await followLinks();
  }
  leftOut.skipped.push(...skipped.sort((a, b) => byCodeUnit(a.path, b.path)));
  return images.sort(byCodeUnit);
}

/** What a folder holds but for the system's files, sorted by name by code unit. */
interface Listing {
  readonly entries: readonly Dirent[];
  /** Files whose names are no UTF-8, which cannot be opened; their other bytes escaped. */
  readonly misnamed: readonly string[];
}

const MISNAMED = 'its name is not UTF-8: rename it';

/**
 * Reads a folder, once and without a call per file.
 * Throws UsageError where there is no such folder, it may not be read, or holds a folder whose name is not UTF-8.
 */
function readFolder(place: FolderPlace, { root, listings }: Reading): Promise<Listing> {
  const known = listings.get(place.real);
  if (known !== undefined) return known;
  const read = async (): Promise<Listing> => {
    try {
      const entries = await readdir(place.real, { withFileTypes: true });
      const suspects = entries.some(({ name }) => name.includes('\ufffd'));
      const misnamed = suspects
        ? await misnamedIn(place.real, join(root, place.path))
        : new Map<string, string>();
      const ours = entries.filter(({ name }) => !isSystem(name) && !misnamed.has(name));
      return { entries: ours.sort((a, b) => byCodeUnit(a.name, b.name)), misnamed: [...misnamed.values()] };
    } catch (error) {
      throw folderError(join(root, place.path), error);
    }
  };
  const listing = read();
  listings.set(place.real, listing);
  return listing;
}

/** Files whose names are no UTF-8: as Node decodes their names, and escaped. Throws UsageError for such folders. */
async function misnamedIn(real: string, shown: string): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const entry of await readdir(real, { withFileTypes: true, encoding: 'buffer' })) {
    if (Buffer.from(entry.name.toString()).equals(entry.name)) continue;
    const escaped = entry.name
      .toString('latin1')
      .replaceAll(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
    if (!entry.isFile()) {
      throw new UsageError(
        `The name of the folder ${escaped} in ${shown} is not UTF-8, so it can neither be read nor printed as a class. ` +
          `Expected names in UTF-8; rename it (convmv -f latin1 -t utf8 does so for many).`,
      );
    }
    names.set(entry.name.toString(), escaped);
  }
  return names;
}

/** Compares by UTF-16 code unit, alike under every locale. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What to do about a data folder that is none, by what people give instead. */
function adviceOn(folder: string): string {
  if (/\bhttps?:\/+/iu.test(folder)) return 'download it and unpack it, and pass the folder to --data';
  if (/\.(zip|tar|tgz|gz|bz2|xz|7z|rar)$/iu.test(folder)) return 'unpack it, and pass the folder to --data';
  if (folder.includes('*')) return 'pass one folder to --data, without a pattern';
  if (sep === '/' && folder.includes('\\')) return 'write / between the folders of --data';
  return 'check --data';
}

/** Puts the reason why a folder cannot be read into words. */
export function folderError(folder: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const expected = 'Expected a folder with one subfolder of images per class';
  const advice = adviceOn(folder);
  if (code === 'ENOENT') {
    return new MissingPathError(`No such data folder: ${folder}. ${expected}; ${advice}.`, 'data');
  }
  if (code === 'ENOTDIR') return new UsageError(`Not a folder: ${folder}. ${expected}; ${advice}.`);
  if (code === 'EACCES' || code === 'EPERM') {
    return new UsageError(
      `No permission to read the data folder ${folder}. All its folders must be readable; grant it (chmod u+rx) or move it away.`,
    );
  }
  return error;
}
