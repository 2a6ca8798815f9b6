import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { UsageError } from '../errors/errors.js';
import type { ImageFolder, Sample, SkippedFile } from './image-folder.js';
import { listClassFolders } from './list-class-folders.js';
import { byCodeUnit, folderError } from './read-folder.js';
import { requireClasses, requireSameClasses, requireTwoEach, type PathsByClass } from './require-classes.js';
import type { LinkPolicy } from './resolve-link.js';
import { splitClass } from './split-samples.js';
import { walkClassFolder, type FolderPlace } from './walk-class-folder.js';

/** How a data folder is read. */
export interface ScanOptions {
  /** Share of each class held out where there is no val/, between 0 and 1 exclusive. */
  readonly valSplit: number;
  readonly seed: number;
  /** Whether symbolic links may lead out of the data folder. */
  readonly followLinks: boolean;
}

/**
 * Lists the images of DIR/train/<class> and DIR/val/<class>, or of DIR/<class> with a seeded split.
 *
 * `train` counts as the training part only where it holds folders itself: a class may be called train.
 * Class names are brought to Unicode form NFC, since some file systems decompose them.
 * Throws UsageError where a run on this folder would make no sense.
 */
export async function scanImageFolder(dir: string, options: ScanOptions): Promise<ImageFolder> {
  if (!(options.valSplit > 0 && options.valSplit < 1)) {
    throw new UsageError(
      `The validation split is ${options.valSplit}; expected a share between 0 and 1, such as 0.2.`,
    );
  }
  const root = resolve(dir);
  const realRoot = await realpath(root).catch((error: unknown) => {
    throw folderError(root, error);
  });
  const policy = { realRoot, followLinks: options.followLinks };
  const skipped: SkippedFile[] = [];
  const parts = await findParts(root, { path: '', real: realRoot }, policy, skipped);
  const train = await readClasses(parts.train, policy, skipped);
  const valid = parts.valid === undefined ? undefined : await readClasses(parts.valid, policy, skipped);

  const classNames = [...train.keys()].sort(byCodeUnit);
  requireClasses(root, classNames, skipped);
  if (valid === undefined) requireTwoEach(root, train);
  else requireSameClasses(root, train, valid);
  const sides = classNames.map((name) => {
    const paths = train.get(name) ?? [];
    return valid === undefined
      ? splitClass(name, paths, options.valSplit, options.seed)
      : { train: paths, valid: valid.get(name) ?? [] };
  });
  const samples = (side: 'train' | 'valid'): Sample[] =>
    sides
      .flatMap((paths, label) => paths[side].map((path) => ({ path, label })))
      .sort((a, b) => byCodeUnit(a.path, b.path));
  return { root, classNames, train: samples('train'), valid: samples('valid'), skipped };
}

/** Decides which layout this is; `valid` is undefined where the training part is to be split. */
async function findParts(
  root: string,
  top: FolderPlace,
  policy: LinkPolicy,
  skipped: SkippedFile[],
): Promise<{ train: FolderPlace; valid: FolderPlace | undefined }> {
  const { folders, skipped: beside } = await listClassFolders(top, policy);
  const [train, valid] = await Promise.all(
    ['train', 'val'].map(async (name) => {
      const folder = folders.get(name);
      return folder !== undefined && (await listClassFolders(folder, policy)).folders.size > 0
        ? folder
        : undefined;
    }),
  );
  if (train === undefined) {
    if (valid === undefined) return { train: top, valid };
    throw new UsageError(
      `${root} has val/ with class folders but no such train/. ` +
        'Expected train/<class>/ beside val/<class>/, or <class>/ folders alone; add or rename the training folder.',
    );
  }
  if (valid === undefined && folders.has('val')) {
    throw new UsageError(
      `${root} has train/<class>/, but val/ holds no class folders. ` +
        'Expected val/<class>/ for each class; fill val/, or remove it to hold out a share of train/.',
    );
  }
  skipped.push(...beside);
  for (const name of ['valid', 'validation']) {
    if (valid === undefined && folders.has(name)) {
      skipped.push({ path: name, reason: 'not read: the validation folder must be called val' });
    }
  }
  return { train, valid };
}

async function readClasses(
  part: FolderPlace,
  policy: LinkPolicy,
  skipped: SkippedFile[],
): Promise<PathsByClass> {
  const listed = await listClassFolders(part, policy);
  skipped.push(...listed.skipped);
  const classes = new Map<string, readonly string[]>();
  for (const [name, folder] of listed.folders) {
    const files = await walkClassFolder(folder, policy);
    skipped.push(...files.skipped);
    const className = name.normalize('NFC');
    if (files.images.length === 0)
      skipped.push({ path: folder.path, reason: 'a folder without images: no class' });
    else classes.set(className, [...(classes.get(className) ?? []), ...files.images]);
  }
  return classes;
}
