import { dirname, join } from 'node:path';
import { fileKind, isHidden } from './file-kinds.js';
import type { SkippedFile } from './image-folder.js';
import { byCodeUnit, readFolder } from './read-folder.js';
import { contains, resolveLink, type LinkPolicy } from './resolve-link.js';

/** A folder by its path in the data folder (forward slashes) and its real path on disk. */
export interface FolderPlace {
  readonly path: string;
  readonly real: string;
}

/** What a class folder holds, subfolders included; paths as in FolderPlace, sorted by code unit. */
export interface ClassFiles {
  readonly images: readonly string[];
  readonly skipped: readonly SkippedFile[];
}

/**
 * Lists the images of one class, at any depth.
 *
 * Ends whatever links there are: each real folder is read once, those without a link on the way
 * first, and a link to a folder that contains it is refused.
 */
export async function walkClassFolder(folder: FolderPlace, policy: LinkPolicy): Promise<ClassFiles> {
  const images: string[] = [];
  const skipped: SkippedFile[] = [];
  const seen = new Set<string>();
  let folders = [folder];
  let links: FolderPlace[] = [];
  const addFile = (path: string) => {
    const file = fileKind(path.slice(path.lastIndexOf('/') + 1));
    if (file.kind === 'image') images.push(path);
    else if (file.kind === 'refused') skipped.push({ path, reason: file.reason });
  };

  const readOne = async ({ path, real }: FolderPlace) => {
    if (seen.has(real)) return;
    seen.add(real);
    for (const entry of await readFolder(real)) {
      if (isHidden(entry.name)) continue;
      const place = { path: `${path}/${entry.name}`, real: join(real, entry.name) };
      if (entry.isDirectory()) folders.push(place);
      else if (entry.isSymbolicLink()) links.push(place);
      else if (entry.isFile()) addFile(place.path);
      else skipped.push({ path: place.path, reason: 'neither a file nor a folder' });
    }
  };
  const followLinks = async () => {
    const batch = links;
    links = [];
    const targets = await Promise.all(batch.map((link) => resolveLink(link.real, policy)));
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
  return { images: images.sort(byCodeUnit), skipped: skipped.sort((a, b) => byCodeUnit(a.path, b.path)) };
}
