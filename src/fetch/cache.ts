import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { UsageError } from '../errors.js';

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The folder that keeps what was downloaded: ONECYCLE_CACHE, else $XDG_CACHE_HOME/onecycle, else ~/.cache/onecycle, as the XDG
 * Base Directory Specification has it (a relative XDG_CACHE_HOME does not count). It may not exist yet.
 */
export function cacheFolder(variables: Variables = process.env): string {
  const { ONECYCLE_CACHE: own = '', XDG_CACHE_HOME: shared = '' } = variables;
  if (own !== '') return resolve(own);
  return join(isAbsolute(shared) ? shared : join(homedir(), '.cache'), 'onecycle');
}

/**
 * Where a file is asked for: at its official address, or with ONECYCLE_MIRROR at the same host and path below the mirror's, which
 * is how `wget -x` lays files out. Throws UsageError where the mirror is no http address.
 */
export function addressOf(url: string, { ONECYCLE_MIRROR: mirror = '' }: Variables = process.env): URL {
  const official = new URL(url);
  if (mirror === '') return official;
  const base = URL.canParse(mirror) ? new URL(mirror) : undefined;
  if (base === undefined || !['http:', 'https:'].includes(base.protocol)) {
    throw new UsageError(
      `Expected an address such as http://mirror.example/files for ONECYCLE_MIRROR but received ${mirror}. Correct it, or unset it.`,
    );
  }
  base.pathname = `${base.pathname.replace(/\/+$/u, '')}/${official.host}${official.pathname}`;
  return base;
}

/** Where a data set lies, or will, in the cache. */
export function pulledFolder(name: string): string {
  return join(cacheFolder(), 'data', name);
}
