import { realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../../errors.js';
import { pulledFolder } from '../../fetch/cache.js';
import { permutation, randomStream } from '../../random.js';
import { fileKind } from './file-kinds.js';
import {
  byCodeUnit,
  folderError,
  type FolderPlace,
  holdsImages,
  type LeftOut,
  type ListedFolders,
  listFolders,
  type Reading,
  walkClassFolder,
} from './folders.js';
import type { FoundImages, ImageFolder, PathsByClass, Sample, SkippedFile } from './image-folder.js';
import {
  decideLayout,
  depthNotes,
  type FolderLook,
  judgeNesting,
  type Layout,
  type LayoutRefusal,
  layoutNotes,
  type Nesting,
  OR_LABELS,
  partOf,
  partsInNames,
  refusalText,
  some,
  takenText,
} from './layout.js';

/** How a data folder is read. */
interface ScanOptions {
  /** Share of each class held out where there is no validation part, between 0 and 1 exclusive. */
  readonly valSplit: number;
  readonly seed: number;
  /** Whether symbolic links may lead out of the data folder. */
  readonly followLinks: boolean;
  /** A file that says which image is of which class; else the folders do. */
  readonly labels?: string | undefined;
  /** How many folders name a class: 2 where animals/cats is one. 1 if not given. */
  readonly classDepth?: number | undefined;
}

/**
 * The folder of a data set that was given as a path, or by the name of a bundled one or of one in the cache. A path wins: ./NAME and
 * NAME are the same where such a folder lies.
 */
export async function dataFolder(data: string): Promise<string> {
  const isThere = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined;
  const isFolder = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (!/^[\w][\w.-]*$/.test(data) || (await isThere(data))) return data;
  const bundled = fileURLToPath(new URL(`../../../data/${data}`, import.meta.url));
  if (data !== 'weights' && (await isFolder(bundled))) return bundled;
  const pulled = pulledFolder(data);
  return (await isFolder(pulled)) ? pulled : data;
}

/**
 * Lists the images of DIR/<part>/<class>, or of DIR/<class> with a seeded split, see {@link decideLayout}; or those that a file of
 * labels names, see labelled.ts.
 *
 * Class names are brought to Unicode form NFC, since some file systems decompose them.
 * Throws UsageError where a run on this folder would make no sense, or not the sense that was meant.
 */
export async function scanImageFolder(dir: string, options: ScanOptions): Promise<ImageFolder> {
  if (!(options.valSplit > 0 && options.valSplit < 1)) {
    throw new UsageError(
      `The validation split is ${options.valSplit}; expected a share between 0 and 1, such as 0.2.`,
    );
  }
  if (options.labels !== undefined && classDepthOf(options) > 1) {
    throw new UsageError(
      `--class-depth ${options.classDepth} is for classes that folders say, and --labels says them already. Leave one of the two out.`,
    );
  }
  const root = resolve(dir);
  const realRoot = await realpath(root).catch((error: unknown) => {
    throw folderError(root, error);
  });
  const reading: Reading = { root, realRoot, followLinks: options.followLinks, listings: new Map() };
  const { learnt, judged, skipped, taken, notes, labels } =
    options.labels === undefined
      ? await findInFolders(reading, classDepthOf(options))
      : await (await import('./labelled.js')).findLabelled(reading, options.labels);

  const classNames = [...learnt.keys()].sort(byCodeUnit);
  const sides = classNames.map((name) => {
    const paths = learnt.get(name) ?? [];
    return judged === undefined
      ? splitClass(name, paths, options.valSplit, options.seed)
      : { train: paths, valid: judged.get(name) ?? [] };
  });
  const samples = (side: 'train' | 'valid'): Sample[] =>
    sides
      .flatMap((paths, label) => paths[side].map((path) => ({ path, label })))
      .sort((a, b) => byCodeUnit(a.path, b.path));
  const images = { train: samples('train'), valid: samples('valid') };
  return {
    ...{ root, classNames, ...images, skipped },
    taken: taken({ train: images.train.length, valid: images.valid.length }),
    notes,
    ...(labels === undefined ? {} : { labels }),
  };
}

function classDepthOf({ classDepth = 1 }: ScanOptions): number {
  return classDepth;
}

/** Finds the images of a folder whose folders say parts and classes. */
async function findInFolders(reading: Reading, classDepth: number): Promise<FoundImages> {
  const { root } = reading;
  const top = await listFolders({ path: '', real: reading.realRoot }, reading);
  const looks = await lookInto(top, reading);
  const layout = decideLayout(looks, classDepth);
  if (layout.kind === 'refused') throw new UsageError(refusalText(root, layout, classDepth));

  const leftOut: LeftOut = { skipped: [], passedOver: [] };
  const { train, valid } = partsOf(layout, looks, top, leftOut);
  const learnt = await readClasses(train, classDepth, reading, leftOut);
  const judged = valid === undefined ? undefined : await readClasses(valid, classDepth, reading, leftOut);
  const classNames = [...learnt.paths.keys()].sort(byCodeUnit);
  requireClasses(root, classNames, leftOut.skipped);
  if (valid === undefined || judged === undefined) requireTwoEach(root, learnt.paths);
  else requireSameClasses(root, [train.path, learnt.paths], [valid.path, judged.paths], leftOut.skipped);
  const nestings = [learnt.nesting, ...(judged === undefined ? [] : [judged.nesting])];
  return {
    learnt: learnt.paths,
    judged: judged?.paths,
    skipped: leftOut.skipped,
    taken: (images) =>
      takenText(layout, {
        ...{ name: basename(root), classNames, passedOver: leftOut.passedOver },
        train: { path: train.path, images: images.train },
        valid: { path: valid?.path, images: images.valid },
      }),
    notes: [...layoutNotes(layout, nestings, classDepth), ...depthNotes(classNames)],
  };
}

/** A look at a folder, and where it is. */
type PlacedLook = FolderLook & { readonly place: FolderPlace };

/** Looks into the folders that lie in the data folder, as deep as the layout depends on it. */
async function lookInto(top: ListedFolders, reading: Reading): Promise<PlacedLook[]> {
  const looks: PlacedLook[] = [];
  for (const [name, place] of top.folders) looks.push(await lookAt(name, place, reading));
  for (const [name, { reason }] of top.links) {
    if (partOf(name) !== undefined) {
      looks.push({ name, images: false, folders: [], refused: reason, place: top.place });
    }
  }
  return looks;
}

async function lookAt(name: string, place: FolderPlace, reading: Reading): Promise<PlacedLook> {
  const listed = await listFolders(place, reading);
  const folders: string[] = [];
  for (const [inner, folder] of listed.folders) {
    if (await holdsImages(folder, reading)) folders.push(inner);
  }
  // Where classes are links, their images are not there to be taken, but meant.
  for (const [inner, { outside }] of listed.links) {
    if (outside && fileKind(inner).kind !== 'image') folders.push(inner);
  }
  // Archives often hold a part in a folder of its own name: training_set/training_set.
  const [only = ''] = folders;
  const same = listed.folders.get(only);
  const part = partOf(name);
  if (folders.length === 1 && !listed.images && same && part !== undefined && partOf(only) === part) {
    return { ...(await lookAt(only, same, reading)), name };
  }
  return { name, images: listed.images, folders, place };
}

/** Where the parts are; what lies beside them is left out. */
function partsOf(
  layout: Exclude<Layout, LayoutRefusal>,
  looks: readonly PlacedLook[],
  top: ListedFolders,
  leftOut: LeftOut,
): { train: FolderPlace; valid: FolderPlace | undefined } {
  if (layout.kind === 'classes') return { train: top.place, valid: undefined };
  const placeOf = (name: string | undefined) => looks.find((look) => look.name === name)?.place;
  leftOut.skipped.push(...top.skipped.filter(({ path }) => !layout.aside.includes(path)));
  const used = [layout.train, layout.valid, ...layout.aside];
  leftOut.passedOver.push(
    ...top.passedOver,
    ...[...top.folders.keys()].filter((name) => !used.includes(name)),
  );
  return { train: placeOf(layout.train) ?? top.place, valid: placeOf(layout.valid) };
}

/** The classes of a part: image paths by class name, and how many lie deeper. */
interface ReadClasses {
  readonly paths: PathsByClass;
  readonly nesting: Nesting;
}

/** Throws UsageError where the class folders hold parts or other classes. */
async function readClasses(
  part: FolderPlace,
  classDepth: number,
  reading: Reading,
  leftOut: LeftOut,
): Promise<ReadClasses> {
  const listed = await listFolders(part, reading);
  leftOut.skipped.push(...listed.skipped);
  leftOut.passedOver.push(...listed.passedOver);
  const paths = new Map<string, string[]>();
  const inside = new Map<string, string[]>();
  const start = part.path === '' ? 0 : part.path.length + 1;
  for (const folder of listed.folders.values()) {
    const images = await walkClassFolder(folder, reading, leftOut);
    if (images.length === 0) {
      leftOut.skipped.push({ path: folder.path, reason: 'a folder without images: no class' });
    }
    for (const path of images) {
      const names = path.slice(start).split('/');
      const depth = Math.min(classDepth, names.length - 1);
      const className = names.slice(0, depth).join('/').normalize('NFC');
      addTo(paths, className, path);
      addTo(inside, className, names.slice(depth).join('/'));
    }
  }
  for (const own of paths.values()) own.sort(byCodeUnit);
  const judged = partsInNames([...paths.keys()]) ?? judgeNesting(inside);
  if (judged.kind === 'refused') {
    throw new UsageError(refusalText(join(reading.root, part.path), judged, classDepth));
  }
  return { paths, nesting: judged };
}

function addTo(lists: Map<string, string[]>, key: string, value: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
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

/** Throws UsageError unless there are two classes or more. */
function requireClasses(root: string, classNames: readonly string[], skipped: readonly SkippedFile[]): void {
  const expected =
    'Expected at least two classes, as DIR/train/<class>/*.jpg and DIR/val/<class>/*.jpg or DIR/<class>/*.jpg';
  if (classNames.length === 0) {
    throw new UsageError(
      `No images found in ${root}.${skippedText(skipped)} ${expected}; check --data. ${OR_LABELS}`,
    );
  }
  if (classNames.length === 1) {
    const labelled = skipped.some(({ path }) => /(^|\/)(labels|annotations)$/iu.test(path));
    if (labelled && classNames[0]?.toLowerCase() === 'images') {
      throw new UsageError(
        `${root} holds images/ beside labels, as data sets for object detection do: there are no classes of images. ` +
          'Expected a folder a class; export it for classification instead.',
      );
    }
    throw new UsageError(
      `Only one class, "${classNames[0]}", found in ${root}.${skippedText(skipped)} ${expected}. ` +
        `Add a class folder, or pass that folder itself where it is the data set. ${OR_LABELS}`,
    );
  }
}

/** Reasons that a message counts, and names that it gives. */
const REASONS = 3;
const NAMED = 20;

/** The most frequent reasons for which files were skipped, each with its count and an example; empty where none was. */
function skippedText(skipped: readonly SkippedFile[]): string {
  if (skipped.length === 0) return '';
  const byReason = new Map<string, string[]>();
  for (const { path, reason } of skipped) {
    const paths = byReason.get(reason);
    if (paths === undefined) byReason.set(reason, [path]);
    else paths.push(path);
  }
  const groups = [...byReason].sort(([, a], [, b]) => b.length - a.length);
  const counts = groups
    .slice(0, REASONS)
    .map(([reason, paths]) => `${paths.length} such as ${paths[0]} (${reason})`);
  const rest = groups.slice(REASONS).reduce((sum, [, paths]) => sum + paths.length, 0);
  if (rest > 0) counts.push(`${rest} for other reasons`);
  return ` Skipped: ${counts.join(', ')}.`;
}

/** Throws UsageError unless each class can be split. */
function requireTwoEach(root: string, train: PathsByClass): void {
  const small = [...train].flatMap(([name, paths]) => (paths.length < 2 ? [`"${name}" with 1 image`] : []));
  if (small.length === 0) return;
  throw new UsageError(
    `Classes in ${root} have too few images to hold one out for validation (${some(small, NAMED)}). ` +
      'Expected at least 2 images per class; add images, remove the class, or provide train/<class> and val/<class>.',
  );
}

/**
 * Throws UsageError unless both parts have the same classes: each must be both learnt and judged, or the accuracy means something
 * else than it says.
 */
function requireSameClasses(
  root: string,
  [train, learnt]: readonly [string, PathsByClass],
  [valid, judged]: readonly [string, PathsByClass],
  skipped: readonly SkippedFile[],
): void {
  const lacking = (part: string, has: PathsByClass, other: PathsByClass): string[] => {
    const names = [...other.keys()].filter((name) => !has.has(name)).map((name) => `"${name}"`);
    return names.length > 0 ? [`${part}/ has no images of ${some(names, NAMED)}`] : [];
  };
  const faults = [...lacking(train, learnt, judged), ...lacking(valid, judged, learnt)];
  if (faults.length === 0) return;
  const other = [...learnt.keys()].find((name) => !judged.has(name));
  const twin = [...judged.keys()].find((name) => name.toLowerCase() === other?.toLowerCase());
  const inCase =
    twin === undefined ? '' : ` "${other}" and "${twin}" differ in case alone: rename one of them.`;
  throw new UsageError(
    `${train}/ and ${valid}/ in ${root} differ: ${faults.join('; ')}.${inCase}${skippedText(skipped)} ` +
      `Expected the same classes in both; add the images, remove the class, or remove ${valid}/ to hold out a share of ${train}/.`,
  );
}
