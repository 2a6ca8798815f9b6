import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../errors.js';
import { makeFolders } from '../../files.js';
import { addressOf, cacheFolder, pulledFolder } from '../../fetch/cache.js';
import { explainCacheError, fetchFile, sizeText } from '../../fetch/fetch-file.js';
import { withLock } from '../../fetch/lock.js';
import { fileKind } from '../folder/file-kinds.js';
import { BUNDLED_DATA, type DataSet } from './catalog.js';
import { type MadeImages, makeImageFolder } from './image-folders.js';
import { archiveFolder, archiveName, madeBefore, type PulledSet, recordOf } from './places.js';

/** What goes on with a data set: bytes of its archives; the total may be unknown. */
export interface PullProgress {
  readonly doing: 'download' | 'check' | 'unpack';
  readonly done: number;
  readonly total: number | null;
}

interface PullContext {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PullProgress) => void;
  /** Hears in words what is about to be done, and what a user should know of how it goes. */
  readonly onNote: (text: string) => void;
}

/**
 * The folder of a data set in the cache. Where it is not there yet, its archives are downloaded, or taken from the cache where somebody put
 * them there, and it is made from them; it appears whole or not at all, and the archives are removed.
 * @throws UsageError, RunError as `fetchFile` and `makeImageFolder` do; the signal's reason where it is aborted
 */
export async function pullDataSet(set: DataSet, context: PullContext): Promise<PulledSet> {
  const { signal, onNote } = context;
  const folder = pulledFolder(set.name);
  const there = await madeBefore(folder);
  if (there !== undefined) {
    await requireWhole(there);
    return there;
  }
  for (const line of announcement(set)) onNote(line);
  try {
    await makeFolders(join(cacheFolder(), 'data'));
    const onWait = () => onNote(`waiting for another process that is fetching ${set.name}`);
    return await withLock(`${folder}.lock`, { signal, onWait }, async () => {
      const meanwhile = await madeBefore(folder);
      return meanwhile ?? (await make(set, folder, context));
    });
  } catch (error) {
    signal.throwIfAborted();
    throw explainCacheError(error, folder);
  }
}

/** Throws UsageError where images of a data set that was made before have gone; whoever trains on it would not be told. */
async function requireWhole({ folder, images }: PulledSet): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  const there = names.filter((name) => fileKind(name).kind === 'image').length;
  const made = images.train + images.valid;
  if (there >= made) return;
  throw new UsageError(
    `${folder} holds ${there} images, and ${made} were unpacked there: some have been removed. Remove the folder, and the same command makes ` +
      'it anew.',
  );
}

async function make(
  set: DataSet,
  folder: string,
  { signal, onProgress, onNote }: PullContext,
): Promise<PulledSet> {
  const downloads = archiveFolder(set.name);
  const files = [];
  for (const published of set.files) {
    const { url, bytes, sha256 } = published;
    const hash = sha256 === null ? null : ({ algorithm: 'sha256', value: sha256 } as const);
    const file = { url, name: archiveName(published), bytes, hash };
    files.push(await fetchFile(file, { folder: downloads, signal, onProgress, onNote, instead: INSTEAD }));
  }
  onNote(`unpacking ${set.name}`);
  const fresh = `${folder}.unpacking`;
  try {
    await rm(fresh, { recursive: true, force: true });
    await mkdir(fresh);
    const whole = files.reduce((sum, { bytes }) => sum + bytes, 0);
    let before = 0;
    const begins = new Map(files.map(({ path, bytes }) => [path, (before += bytes) - bytes]));
    const images: MadeImages = await makeImageFolder(
      set,
      fresh,
      files.map(({ path }) => path),
      {
        signal,
        onProgress: (archive, done) =>
          onProgress({ doing: 'unpack', done: (begins.get(archive) ?? 0) + done, total: whole }),
      },
    );
    const origins = files.map(({ bytes, sha256 }, i) => ({ url: set.files[i]?.url ?? '', bytes, sha256 }));
    const { name, licence, citation, homepage } = set;
    const record = { name, images, origins, licence, citation, homepage };
    await writeFile(recordOf(folder), `${JSON.stringify(record, null, 2)}\n`);
    await rename(fresh, folder);
    // The checksum of a first download stays, where nobody publishes one.
    for (const { path } of files) await rm(path, { force: true });
    await rmdir(downloads).catch(() => undefined);
    const expected = { train: set.images.train, valid: set.images.valid ?? 0 };
    if (images.train !== expected.train || images.valid !== expected.valid) {
      onNote(
        `${name} has ${images.train} training and ${images.valid} validation images, where its description says ${expected.train} and ${expected.valid}.`,
      );
    }
    return { folder, made: true, images, origins };
  } finally {
    await rm(fresh, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** What is about to be downloaded: what it is, from where, how large, under which licence. */
function announcement(set: DataSet): string[] {
  const { name, about, files, licence, citation, homepage } = set;
  const sizes = files.map(({ bytes }) => bytes);
  const known = sizes.flatMap((bytes) => bytes ?? []).reduce((sum, bytes) => sum + bytes, 0);
  const size = sizes.includes(null) ? 'size unknown' : sizeText(known);
  return [
    `Data set ${name}: ${about}.`,
    `From ${files.map(({ url }) => addressOf(url).href).join(' and ')} (${size}) into ${cacheFolder()}.`,
    `Licence: ${licence}.${homepage === '' ? '' : ` See ${homepage}`}`,
    ...(citation === '' ? [] : [`Please cite: ${citation}.`]),
  ];
}

/** What a user can train on without a network. */
const INSTEAD = `Always here: the bundled ${BUNDLED_DATA.name}, ${BUNDLED_DATA.about} (--data ${BUNDLED_DATA.name}).`;
