import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../../errors.js';
import { permutation, randomStream } from '../../random.js';
import { fileKind, isHidden } from './file-kinds.js';
import type { ImageFolder, Sample, SkippedFile } from './image-folder.js';
import { contains, type LinkPolicy, resolveLink } from './links.js';

/** How a data folder is read. */
interface ScanOptions {
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

/** The folders that lie directly in a folder, by name, and what else there is to tell of it. */
interface ListedFolders {
  readonly folders: ReadonlyMap<string, FolderPlace>;
  readonly skipped: readonly SkippedFile[];
}

/**
 * Lists the folders in `parent`, whose path is '' for the data folder itself. Images beside them are
 * skipped with a reason, links treated by the policy.
 */
async function listClassFolders(parent: FolderPlace, policy: LinkPolicy): Promise<ListedFolders> {
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

/** A folder by its path in the data folder (forward slashes) and its real path on disk. */
interface FolderPlace {
  readonly path: string;
  readonly real: string;
}

/** What a class folder holds, subfolders included; paths as in FolderPlace, sorted by code unit. */
interface ClassFiles {
  readonly images: readonly string[];
  readonly skipped: readonly SkippedFile[];
}

/**
 * Lists the images of one class, at any depth.
 *
 * Ends whatever links there are: each real folder is read once, those without a link on the way
 * first, and a link to a folder that contains it is refused.
 */
async function walkClassFolder(folder: FolderPlace, policy: LinkPolicy): Promise<ClassFiles> {
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

/**
 * Entries of a folder, sorted by name by code unit; no call per file.
 * Throws UsageError where there is no such folder or it may not be read.
 */
async function readFolder(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => byCodeUnit(a.name, b.name));
  } catch (error) {
    throw folderError(folder, error);
  }
}

/** Compares by UTF-16 code unit, alike under every locale. */
function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Puts the reason why a folder cannot be read into words. */
function folderError(folder: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const expected = 'Expected a folder with one subfolder of images per class';
  if (code === 'ENOENT') return new UsageError(`No such data folder: ${folder}. ${expected}; check --data.`);
  if (code === 'ENOTDIR') return new UsageError(`Not a folder: ${folder}. ${expected}; check --data.`);
  if (code === 'EACCES' || code === 'EPERM') {
    return new UsageError(
      `No permission to read the data folder ${folder}. All its folders must be readable; grant it (chmod u+rx) or move it away.`,
    );
  }
  return error;
}

/** The two sides of a split, each in the order given. */
interface SplitPaths {
  readonly train: string[];
  readonly valid: string[];
}

/**
 * Holds out a share of one class's images for validation, at least one on each side, by seed and class
 * name alone: other classes, and the folder's place on disk, change nothing.
 * Throws RangeError for a class with fewer than two images.
 */
export function splitClass(
  className: string,
  paths: readonly string[],
  share: number,
  seed: number,
): SplitPaths {
  if (paths.length < 2)
    throw new RangeError(`class ${className} has ${paths.length} images, too few to split`);
  const heldOut = Math.min(Math.max(Math.round(paths.length * share), 1), paths.length - 1);
  const order = permutation(paths.length, randomStream(seed, 'split', className));
  const chosen = new Set(order.subarray(0, heldOut));
  return {
    train: paths.filter((_, i) => !chosen.has(i)),
    valid: paths.filter((_, i) => chosen.has(i)),
  };
}

/** Image paths by class name. */
type PathsByClass = ReadonlyMap<string, readonly string[]>;

/** Throws UsageError unless there are two classes or more. */
function requireClasses(root: string, classNames: readonly string[], skipped: readonly SkippedFile[]): void {
  const expected =
    'Expected at least two classes, as DIR/train/<class>/*.jpg and DIR/val/<class>/*.jpg or DIR/<class>/*.jpg';
  if (classNames.length === 0) {
    const first = skipped[0];
    const hint =
      first === undefined ? '' : ` ${skipped.length} skipped, such as ${first.path}: ${first.reason}.`;
    throw new UsageError(`No images found in ${root}.${hint} ${expected}; check --data.`);
  }
  if (classNames.length === 1) {
    throw new UsageError(
      `Only one class, "${classNames[0]}", found in ${root}. ${expected}. ` +
        'Add a class folder, or pass that folder itself where it is the data set.',
    );
  }
}

/** Throws UsageError unless each class can be split. */
function requireTwoEach(root: string, train: PathsByClass): void {
  const small = [...train.values()].flatMap((paths) => (paths.length < 2 ? paths : []));
  if (small.length === 0) return;
  throw new UsageError(
    `Classes in ${root} have too few images to hold one out for validation (${small.join(', ')}). ` +
      'Expected at least 2 images per class; add images, remove the class, or provide train/<class> and val/<class>.',
  );
}

/**
 * Throws UsageError unless train and val have the same classes: each must be both learnt and judged, or
 * the accuracy means something else than it says.
 */
function requireSameClasses(root: string, train: PathsByClass, valid: PathsByClass): void {
  const missing = (from: PathsByClass, to: PathsByClass) => [...from.keys()].filter((name) => !to.has(name));
  const [unknown, unjudged] = [missing(valid, train), missing(train, valid)];
  if (unknown.length + unjudged.length === 0) return;
  const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ');
  const faults = [
    unknown.length > 0 ? `train/ has no images of ${quoted(unknown)}` : '',
    unjudged.length > 0 ? `val/ has no images of ${quoted(unjudged)}` : '',
  ];
  throw new UsageError(
    `train/ and val/ in ${root} differ: ${faults.filter((fault) => fault !== '').join('; ')}. ` +
      'Expected the same classes in both; add the images, remove the class, or remove val/ to hold out a share of train/.',
  );
}

/** The folder of a data set that was given as a path, or by the name of a bundled one. */
export async function dataFolder(data: string): Promise<string> {
  const bundled = fileURLToPath(new URL(`../../../data/${data}`, import.meta.url));
  const given = await stat(data).catch(() => undefined);
  const isName = /^[\w-]+$/.test(data);
  return given === undefined && isName && (await stat(bundled).catch(() => undefined)) !== undefined
    ? bundled
    : data;
}
