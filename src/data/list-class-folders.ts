import { join } from 'node:path';
import { fileKind, isHidden } from './file-kinds.js';
import type { SkippedFile } from './image-folder.js';
import { readFolder } from './read-folder.js';
import { contains, resolveLink, type LinkPolicy } from './resolve-link.js';
import type { FolderPlace } from './walk-class-folder.js';

/** The folders that lie directly in a folder, by name, and what else there is to tell of it. */
export interface ListedFolders {
  readonly folders: ReadonlyMap<string, FolderPlace>;
  readonly skipped: readonly SkippedFile[];
}

/**
 * Lists the folders in `parent`, whose path is '' for the data folder itself. Images beside them are
 * skipped with a reason, links treated by the policy.
 */
export async function listClassFolders(parent: FolderPlace, policy: LinkPolicy): Promise<ListedFolders> {
  const folders = new Map<string, FolderPlace>();
  const skipped: SkippedFile[] = [];
  for (const entry of await readFolder(parent.real)) {
    if (isHidden(entry.name)) continue;
    const path = parent.path === '' ? entry.name : `${parent.path}/${entry.name}`;
    const real = join(parent.real, entry.name);
    if (entry.isDirectory()) folders.set(entry.name, { path, real });
    else if (entry.isSymbolicLink()) {
      const target = await resolveLink(real, policy);
      if (target.kind === 'folder' && contains(target.real, parent.real)) {
        skipped.push({ path, reason: 'link to a folder that contains it' });
      } else if (target.kind === 'folder') folders.set(entry.name, { path, real: target.real });
      else if (target.kind === 'refused') skipped.push({ path, reason: target.reason });
    } else if (fileKind(entry.name).kind === 'image') {
      skipped.push({ path, reason: 'lies beside the class folders, so it has no class' });
    }
  }
  return { folders, skipped };
}
