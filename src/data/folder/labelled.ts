import { basename, dirname, extname, isAbsolute, posix, relative, resolve, sep } from 'node:path';
import { UsageError } from '../../errors.js';
import { fileKind } from './file-kinds.js';
import { byCodeUnit, type LeftOut, type Reading, walkClassFolder } from './folders.js';
import type { FoundImages, PathsByClass, SkippedFile } from './image-folder.js';
import { type LabelRow, type LabelsFile, readLabelsFile } from './labels-file.js';
import { EXAMPLES, NAMED_CLASSES, type Part, partOf, some, testNote } from './layout.js';

/** A row whose image was found. */
interface FoundRow extends LabelRow {
  /** In the data folder, with forward slashes. */
  readonly path: string;
}

/**
 * Takes the images of a data folder, at any depth, that a file of labels names, each as of the class that it says.
 *
 * The parts are those of its column for the split; else of the folders that the images lie in, where all lie in such; else there
 * are none. Throws UsageError where a row is wrong, or where most name images that are not there.
 */
export async function findLabelled(reading: Reading, file: string): Promise<FoundImages> {
  const labels = await readLabelsFile(file);
  const leftOut: LeftOut = { skipped: [], passedOver: [] };
  const images = await walkClassFolder({ path: '', real: reading.realRoot }, reading, leftOut);
  const index = new ImageIndex(images, leftOut.skipped);
  const { found, skipped } = findRows(labels, reading, index);
  const named = found.filter(({ label }) => label !== '');
  const rows = withoutRepeats(named, labels.path);
  const divided = divide(rows, labels);
  requireClasses(divided, labels, reading.root);

  const withRow = new Set(found.map(({ path }) => path));
  const withoutRow = images.filter((path) => !withRow.has(path));
  return {
    ...{ learnt: divided.learnt, judged: divided.judged, skipped },
    taken: ({ train, valid }) => {
      const classes = [...divided.learnt.keys()].sort(byCodeUnit);
      const heldOut = `${train + valid} images, of which ${valid} are held out for validation`;
      const parts =
        divided.judged === undefined
          ? heldOut
          : `${train} images to train on and ${valid} to validate with (${divided.by})`;
      const over = [
        counted(divided.aside, 'row of the test part', 'rows of the test part', 'left aside'),
        counted(found.length - named.length, 'row', 'rows', 'without a class left aside'),
        counted(named.length - rows.length, 'row', 'rows', 'left aside as repeated'),
        counted(
          withoutRow.length,
          'image',
          'images',
          `without a row passed over (${some(withoutRow, EXAMPLES)})`,
        ),
        counted(
          labels.unused.length,
          'column',
          'columns',
          `not read (${some(labels.unused, NAMED_CLASSES)})`,
        ),
      ].flat();
      const columns =
        labels.columns === null ? '' : ` (columns ${labels.columns.file}, ${labels.columns.label})`;
      return (
        `${basename(reading.root)} by ${basename(labels.path)}${columns}: ` +
        [`${classes.length} classes (${some(classes, NAMED_CLASSES)}), ${parts}`, ...over].join('; ')
      );
    },
    notes: notesOn(divided, labels, [...divided.learnt.keys()]),
    labels: { file: labels.path, sha256: labels.sha256 },
  };
}

const plural = (count: number, one: string, several: string) => `${count} ${count === 1 ? one : several}`;
const counted = (count: number, one: string, several: string, what: string) =>
  count > 0 ? [`${plural(count, one, several)} ${what}`] : [];

/** The images of a folder, to be found by path or name, with or without extension; composed and decomposed names are one. */
class ImageIndex {
  private readonly images: readonly string[];
  private readonly reasons: ReadonlyMap<string, string>;
  private readonly paths: ReadonlyMap<string, readonly string[]>;
  /** Made once they are asked for: most tables have paths. */
  private stems: ReadonlyMap<string, readonly string[]> | undefined;
  private names: ReadonlyMap<string, readonly string[]> | undefined;
  private nameStems: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(usable: readonly string[], refused: readonly SkippedFile[]) {
    this.reasons = new Map(refused.map(({ path, reason }) => [path, reason]));
    this.images = [...usable, ...this.reasons.keys()];
    this.paths = this.by((path) => path);
  }

  /** The images that a name may mean, the surest meaning alone. @param places where it would lie, the likelier first */
  find(places: readonly string[]): readonly string[] {
    const keys = places.map((place) => place.normalize('NFC'));
    const found = first(keys, (key) => this.paths.get(key));
    if (found !== undefined) return found;
    const [name = ''] = keys;
    const isBare = !name.includes('/');
    if (fileKind(name).kind === 'image') {
      if (!isBare) return [];
      this.names ??= this.by(posix.basename);
      return this.names.get(name) ?? [];
    }
    this.stems ??= this.by(withoutExtension);
    const byStem = first(keys, (key) => this.stems?.get(key));
    if (byStem !== undefined || !isBare) return byStem ?? [];
    this.nameStems ??= this.by((path) => withoutExtension(posix.basename(path)));
    return this.nameStems.get(name) ?? [];
  }

  /** Why a file is no image to be used; undefined where it is one. */
  refusal(path: string): string | undefined {
    return this.reasons.get(path);
  }

  /** An image whose path or name differs in case alone. */
  inOtherCase(place: string): string | undefined {
    const wanted = place.normalize('NFC').toLowerCase();
    return this.images.find((path) =>
      [path, posix.basename(path)].some((key) => key.toLowerCase() === wanted),
    );
  }

  private by(key: (path: string) => string): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>();
    for (const path of this.images) {
      const own = key(path.normalize('NFC'));
      const before = found.get(own);
      if (before === undefined) found.set(own, [path]);
      else before.push(path);
    }
    return found;
  }
}

/** The first result that there is. */
function first<Item, Result>(
  items: readonly Item[],
  of: (item: Item) => Result | undefined,
): Result | undefined {
  for (const item of items) {
    const result = of(item);
    if (result !== undefined) return result;
  }
  return undefined;
}

const withoutExtension = (path: string) => path.slice(0, path.length - extname(path).length);

/** Finds the images of rows. Throws UsageError where a name has two meanings or leads out, and where most have none. */
function findRows(
  { path: file, rows }: LabelsFile,
  { root, realRoot }: Reading,
  index: ImageIndex,
): { found: FoundRow[]; skipped: SkippedFile[] } {
  const found: FoundRow[] = [];
  const skipped: SkippedFile[] = [];
  const missing: LabelRow[] = [];
  for (const row of rows) {
    const { places, isOutside } = placesOf(row.file, [root, realRoot], dirname(resolve(file)));
    const [image, ...others] = index.find(places);
    if (image === undefined) {
      if (isOutside) {
        throw new UsageError(
          `${file}, line ${row.line}: ${row.file} lies outside of the data folder ${root}. ` +
            'Expected images in it; pass a folder that holds them all to --data.',
        );
      }
      missing.push(row);
      continue;
    }
    if (others.length > 0) {
      throw new UsageError(
        `${file}, line ${row.line}: "${row.file}" may be ${some([image, ...others], 3)} in ${root}. ` +
          'Expected one image of this name; pass the folder that is meant to --data, or give the paths.',
      );
    }
    const refusal = index.refusal(image);
    if (refusal === undefined) found.push({ ...row, path: image });
    else skipped.push({ path: image, reason: `${refusal} (${basename(file)}, line ${row.line})` });
  }
  const [example] = missing;
  if (example !== undefined && missing.length > rows.length / 2) {
    const twin = index.inOtherCase(example.file);
    const hint = twin === undefined ? '' : ` ${twin} is there, and differs in case.`;
    throw new UsageError(
      `${missing.length} of ${rows.length} rows in ${file} name images that are not in ${root}, such as ${example.file} in line ${example.line}.${hint} ` +
        'Expected paths from the data folder or from the file of labels, or names of images; check --data.',
    );
  }
  const absent = missing.map(({ file: path, line }) => ({
    path,
    reason: `there is no such image in the data folder (${basename(file)}, line ${line})`,
  }));
  return { found, skipped: [...skipped, ...absent] };
}

/** Where a name may lie, as paths from the data folder: seen from there, or from the folder of the labels. */
function placesOf(
  name: string,
  roots: readonly [string, string],
  labelsFolder: string,
): { readonly places: string[]; readonly isOutside: boolean } {
  const inside = (root: string, path: string) => relative(root, path).split(sep).join('/');
  const leadsOut = (place: string) => place.startsWith('../') || isAbsolute(place);
  const slashed = name.replaceAll('\\', '/');
  if (isAbsolute(slashed)) {
    const places = roots.map((root) => inside(root, slashed));
    // Places365 writes paths from its own root.
    return { places: [...places, slashed.replace(/^\/+/, '')], isOutside: places.every(leadsOut) };
  }
  const places = [name, posix.normalize(slashed), inside(roots[0], resolve(labelsFolder, slashed))];
  return { places, isOutside: places.every(leadsOut) };
}

/** Each image once. Throws UsageError where two rows say different things of one. */
function withoutRepeats(found: readonly FoundRow[], file: string): FoundRow[] {
  const byPath = new Map<string, FoundRow>();
  for (const row of found) {
    const before = byPath.get(row.path);
    if (before === undefined) {
      byPath.set(row.path, row);
    } else if (before.label !== row.label) {
      throw new UsageError(
        `${file}, line ${row.line}: ${row.path} is of class "${row.label}" here and of "${before.label}" in line ${before.line}. ` +
          'Expected one class an image; remove one of the two.',
      );
    } else if (before.part !== row.part) {
      throw new UsageError(
        `${file}, line ${row.line}: ${row.path} is in part ${row.part} here and in ${before.part} in line ${before.line}. ` +
          'What is trained on cannot be validated with; remove one of the two.',
      );
    }
  }
  return [...byPath.values()];
}

/** Images by part and class. */
interface Divided {
  readonly learnt: PathsByClass;
  readonly judged: PathsByClass | undefined;
  /** The part that is validated with, where it is not the validation part. */
  readonly instead: 'test' | undefined;
  /** Rows of a test part that is not needed. */
  readonly aside: number;
  /** What says the part, in words. */
  readonly by: string;
}

/** Throws UsageError where no row is to be trained on. */
function divide(rows: readonly FoundRow[], { path, split }: LabelsFile): Divided {
  const byFolders = split === undefined && lieInParts(rows);
  const partOfRow = (row: FoundRow): Part =>
    row.part ?? (byFolders ? (partOf(topFolder(row.path)) ?? 'train') : 'train');
  const inPart = (part: Part) => rows.filter((row) => partOfRow(row) === part);
  const [train, valid, test] = [inPart('train'), inPart('valid'), inPart('test')];
  if (train.length === 0 && rows.length > 0) {
    throw new UsageError(
      `No row in ${path} that names an image here is of the training part. Expected train in the column for the split of some rows.`,
    );
  }
  const judged = valid.length > 0 ? valid : test;
  return {
    learnt: byClass(train),
    judged: judged.length > 0 ? byClass(judged) : undefined,
    instead: valid.length === 0 && test.length > 0 ? 'test' : undefined,
    aside: valid.length > 0 ? test.length : 0,
    by: byFolders
      ? `by the folders ${[...new Set(rows.map((row) => `${topFolder(row.path)}/`))].join(', ')}`
      : `by the column ${split}`,
  };
}

const topFolder = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '');

/** Whether all images lie in folders that are parts, some in a training part and some not. */
function lieInParts(rows: readonly FoundRow[]): boolean {
  const parts = new Set(rows.map(({ path }) => partOf(topFolder(path))));
  return parts.has('train') && parts.size > 1 && !parts.has(undefined);
}

function byClass(rows: readonly FoundRow[]): PathsByClass {
  const classes = new Map<string, string[]>();
  for (const { label, path } of rows) {
    const paths = classes.get(label);
    if (paths === undefined) classes.set(label, [path]);
    else paths.push(path);
  }
  for (const paths of classes.values()) paths.sort(byCodeUnit);
  return classes;
}

/** Classes that a message names. */
const NAMED = 20;

/** Throws UsageError unless there are two classes or more, each to be trained on and validated with. */
function requireClasses({ learnt, judged }: Divided, { path }: LabelsFile, root: string): void {
  const names = [...learnt.keys(), ...(judged?.keys() ?? [])];
  if (new Set(names).size < 2) {
    const [only] = names;
    const found = only === undefined ? 'names no image with a class' : `knows one class alone, "${only}"`;
    throw new UsageError(
      `${path} ${found} in ${root}. Expected at least two classes; check the column for the class, and --data.`,
    );
  }
  if (judged === undefined) {
    const small = [...learnt].flatMap(([name, paths]) =>
      paths.length < 2 ? [`"${name}" with 1 image`] : [],
    );
    if (small.length === 0) return;
    throw new UsageError(
      `Classes in ${path} have too few images to hold one out for validation: ${some(small, NAMED)}. ` +
        'Expected at least 2 images a class; add rows, remove the class, or say in a column called split what is train and what is val.',
    );
  }
  const lacking = (has: PathsByClass, other: PathsByClass, part: string) => {
    const absent = [...other.keys()].filter((name) => !has.has(name)).map((name) => `"${name}"`);
    return absent.length > 0 ? [`no ${part} image is of ${some(absent, NAMED)}`] : [];
  };
  const faults = [...lacking(learnt, judged, 'training'), ...lacking(judged, learnt, 'validation')];
  if (faults.length === 0) return;
  throw new UsageError(
    `The parts in ${path} have other classes: ${faults.join('; ')}. Expected the same classes in both; ` +
      'add rows, remove the class, or leave the split out to hold out a share of each class.',
  );
}

/** What a reader of the results should know of the labels. */
function notesOn({ instead }: Divided, { path }: LabelsFile, classNames: readonly string[]): string[] {
  const lower = new Map<string, string[]>();
  for (const name of classNames)
    lower.set(name.toLowerCase(), [...(lower.get(name.toLowerCase()) ?? []), name]);
  const twins = [...lower.values()].filter((names) => names.length > 1).map((names) => names.join(' and '));
  const file = basename(path);
  return [
    ...(instead === undefined
      ? []
      : [testNote(`the test part of ${file}`, 'no row is of a validation part')]),
    ...(twins.length === 0
      ? []
      : [
          `classes in ${file} differ in case alone (${some(twins, EXAMPLES)}): if they are one, spell them alike`,
        ]),
  ];
}
