import { realpath, stat } from 'node:fs/promises';
import { sep } from 'node:path';

/** How symbolic links are treated while a data folder is read. */
export interface LinkPolicy {
  /** The data folder's real path: what lies under it is inside. */
  readonly realRoot: string;
  /** Whether links may lead outside the data folder. */
  readonly followLinks: boolean;
}

/** Where a link leads, or why it is not followed. */
export type ResolvedLink =
  | { readonly kind: 'file' | 'folder'; readonly real: string }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      /** Where it leads, if that is a file or folder outside the data folder. */
      readonly outside?: string;
    };

/** Follows a symbolic link to its end; never throws for what the link may lead to. */
export async function resolveLink(
  link: string,
  { realRoot, followLinks }: LinkPolicy,
): Promise<ResolvedLink> {
  let real: string;
  try {
    real = await realpath(link);
  } catch (error) {
    return { kind: 'refused', reason: brokenLink(error) };
  }
  if (!followLinks && !contains(realRoot, real)) {
    const reason = 'link out of the data folder: --follow-links allows it';
    return { kind: 'refused', reason, outside: real };
  }
  const target = await stat(real);
  if (target.isDirectory()) return { kind: 'folder', real };
  return target.isFile()
    ? { kind: 'file', real }
    : { kind: 'refused', reason: 'link to something that is no file' };
}

/** Whether `path` is `folder` or lies under it; both real paths. */
export function contains(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function brokenLink(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'link to a file that does not exist';
  if (code === 'ELOOP') return 'link that leads back to itself';
  if (code === 'EACCES') return 'link that may not be followed: permission denied';
  return `link that cannot be followed: ${String(code ?? error)}`;
}
