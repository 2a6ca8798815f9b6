/** The part that images play: to learn from, to choose by, or to be judged by once at the end. */
export type Part = 'train' | 'valid' | 'test';

/** Names of folders that are parts and not classes; case does not matter. */
const PART_NAMES: Readonly<Record<Part, readonly string[]>> = {
  train: ['train', 'training', 'training_set', 'train_set'],
  valid: ['val', 'valid', 'validation', 'validation_set', 'dev'],
  test: ['test', 'testing', 'test_set'],
};

/** The part that a folder of this name stands for; undefined where it may be a class. */
export function partOf(name: string): Part | undefined {
  const plain = name.toLowerCase().replaceAll(/[\s-]/g, '_');
  return (['train', 'valid', 'test'] as const).find((part) => PART_NAMES[part].includes(plain));
}

/** A folder directly in the data folder, as far as the layout depends on it. */
export interface FolderLook {
  readonly name: string;
  /** Whether image files lie directly in it. */
  readonly images: boolean;
  /** Names of the folders in it that hold images, at any depth. */
  readonly folders: readonly string[];
  /** Why it cannot be looked into, where it is a link that is not followed. */
  readonly refused?: string;
}

/** What the folders of a data folder are; names as in FolderLook. */
export type Layout =
  | { readonly kind: 'classes'; /** A class called train. */ readonly train?: string | undefined }
  | {
      readonly kind: 'parts';
      readonly train: string;
      /** Undefined where a share of the training part is to be held out. */
      readonly valid: string | undefined;
      /** Test parts that are neither trained on nor validated with. */
      readonly aside: readonly string[];
    }
  | LayoutRefusal;

/** Why a folder is no data set, or would be another one than was meant. */
export interface LayoutRefusal {
  readonly kind: 'refused';
  readonly code: keyof typeof REFUSALS;
  /** The folders that it is about. */
  readonly names: readonly string[];
  /** The folders that they are held against, or the reason for a link. */
  readonly others: readonly string[];
}

/**
 * Decides which folders are classes and which are parts of the data set: DIR/<part>/<class>, or DIR/<class>.
 *
 * A part is a folder with a part's name and class folders inside. A test part serves as the validation part only where there is
 * no other. What would silently make another experiment than was meant is refused.
 * @param classDepth how many folders name a class
 */
export function decideLayout(folders: readonly FolderLook[], classDepth = 1): Layout {
  const held = folders.filter(holdsImages);
  const named = (part: Part) => held.filter(({ name }) => partOf(name) === part);
  const [trains, valids, tests] = [named('train'), named('valid'), named('test')];
  const parts = [...trains, ...valids, ...tests];
  const others = held.filter(({ name }) => partOf(name) === undefined);
  const onlyAside = valids.length > 0 ? tests : [];
  const link = parts.find(({ refused, name }) => refused !== undefined && !namesOf(onlyAside).includes(name));
  if (link !== undefined) return refusal('link', [link], [link.refused ?? '']);
  if (!parts.some(hasClasses)) return classesOnly(parts, others, classDepth);

  const [train] = trains;
  if (train === undefined || !trains.some(hasClasses)) {
    if (others.length > 0) return refusal('partBesideClasses', parts, namesOf(others));
    return trains.length > 0 ? refusal('partsWithoutClasses', trains) : refusal('noTraining', parts);
  }
  if (trains.length > 1) return refusal('severalTraining', trains);
  if (others.length > 0) return refusal('besideParts', others, [train.name]);
  const valid = validationPart(folders, valids, tests);
  if (typeof valid === 'object') return valid;
  return {
    kind: 'parts',
    train: train.name,
    valid,
    aside: namesOf(tests).filter((name) => name !== valid),
  };
}

/** The layout where no folder with a part's name has class folders inside. */
function classesOnly(
  parts: readonly FolderLook[],
  others: readonly FolderLook[],
  classDepth: number,
): Layout {
  const [first] = others;
  if (parts.length === 0) {
    const wrapper = others.length === 1 && first !== undefined && !first.images && first.folders.length > 1;
    const holdsClasses = classDepth > 1 && first?.folders.every((name) => partOf(name) === undefined);
    return wrapper && !holdsClasses ? refusal('oneFolder', [first], first.folders) : { kind: 'classes' };
  }
  if (others.length === 0) return refusal('partsWithoutClasses', parts);
  const names = namesOf(parts);
  // Of all these names only this one is a thing that is photographed.
  return names.length === 1 && names[0]?.toLowerCase() === 'train'
    ? { kind: 'classes', train: names[0] }
    : refusal('partBesideClasses', parts, namesOf(others));
}

/** The name of the validation part; undefined where there is none. */
function validationPart(
  folders: readonly FolderLook[],
  valids: readonly FolderLook[],
  tests: readonly FolderLook[],
): string | undefined | LayoutRefusal {
  if (valids.length > 1) return refusal('severalValidation', valids);
  const empty = folders.filter(({ name }) => partOf(name) === 'valid');
  const [valid = empty[0]] = valids;
  if (valid !== undefined) return hasClasses(valid) ? valid.name : refusal('emptyValidation', [valid]);
  const usable = tests.filter(hasClasses);
  return usable.length > 1 ? refusal('severalValidation', usable) : usable[0]?.name;
}

const holdsImages = ({ images, folders, refused }: FolderLook) =>
  images || folders.length > 0 || refused !== undefined;
const hasClasses = ({ folders }: FolderLook) => folders.length > 0;
const namesOf = (folders: readonly FolderLook[]) => folders.map(({ name }) => name);

function refusal(
  code: LayoutRefusal['code'],
  folders: readonly (FolderLook | string)[],
  others: readonly string[] = [],
): LayoutRefusal {
  const names = folders.map((folder) => (typeof folder === 'string' ? folder : folder.name));
  return { kind: 'refused', code, names, others };
}

/** Refuses names of classes such as animals/train and animals/val, whose inner folders are parts of the data. */
export function partsInNames(classNames: readonly string[]): LayoutRefusal | undefined {
  const inner = [...new Set(classNames.flatMap((name) => name.split('/').slice(1)))];
  const parts = inner.filter((name) => partOf(name) !== undefined);
  if (new Set(parts.map(partOf)).size < 2) return undefined;
  const outer = classNames.filter((name) =>
    name.split('/').some((folder, i) => i > 0 && parts.includes(folder)),
  );
  return refusal('partsInsideClasses', [...new Set(outer.map((name) => name.split('/')[0] ?? ''))], parts);
}

/** Folders that are a class and hold classes: with a depth of 2 images of animals/ beside those of animals/cats/. */
export function depthNotes(classNames: readonly string[]): string[] {
  const names = new Set(classNames);
  const above = (name: string) => name.split('/').map((_, i, all) => all.slice(0, i).join('/'));
  const both = [...new Set(classNames.flatMap(above))].filter((name) => names.has(name));
  return both.length === 0
    ? []
    : [
        `${listed(both)} ${both.length === 1 ? 'holds' : 'hold'} images beside folders that are classes: ` +
          `${both.length === 1 ? 'it is a class of its own' : 'they are classes of their own'}`,
      ];
}

/** Images that lie in folders inside their class folder. */
export interface Nesting {
  readonly kind: 'nesting';
  readonly images: number;
  /** As class/folder, each once. */
  readonly folders: readonly string[];
}

/**
 * Looks at the folders between class folders and images. Where several classes hold nothing but folders of the same names, these
 * are parts of the data or the true classes; so are folders named like classes inside of another class.
 * @param classes for each class the paths of its images inside the class folder
 */
export function judgeNesting(classes: ReadonlyMap<string, readonly string[]>): Nesting | LayoutRefusal {
  const between = new Map([...classes].map(([name, paths]) => [name, paths.map(foldersOf)]));
  const classesWith = new Map<string, string[]>();
  for (const [name, all] of between) {
    for (const folder of new Set(all.flat())) {
      classesWith.set(folder, [...(classesWith.get(folder) ?? []), name]);
    }
  }
  const foldersAlone = new Set(
    [...between].flatMap(([name, all]) => (all.every((path) => path.length > 0) ? [name] : [])),
  );
  for (const name of foldersAlone) {
    const copied = [...classes.keys()].filter(
      (other) => other !== name && classesWith.get(other)?.includes(name),
    );
    if (copied.length > 0) return refusal('copyOfClasses', [name], copied);
  }
  const shared = [...classesWith].filter(([, names]) => names.length > 1);
  const parts = shared.filter(([folder]) => partOf(folder) !== undefined);
  const repeated = shared.filter(([, names]) => names.filter((name) => foldersAlone.has(name)).length > 1);
  const suspicious = parts.length > 0 ? parts : repeated.length > 1 ? repeated : [];
  const [first] = suspicious;
  if (first !== undefined) {
    const folders = suspicious.map(([folder]) => folder);
    return refusal('partsInsideClasses', first[1], folders);
  }
  const nested = [...between].flatMap(([name, all]) =>
    all.flatMap((path) => (path.length > 0 ? [[name, ...path].join('/')] : [])),
  );
  return { kind: 'nesting', images: nested.length, folders: [...new Set(nested)] };
}

const foldersOf = (path: string) => path.split('/').slice(0, -1);

/** What was taken from a data folder. */
interface Taken {
  /** The data folder's. */
  readonly name: string;
  readonly classNames: readonly string[];
  readonly train: { readonly path: string; readonly images: number };
  /** Without a path where the images were held out. */
  readonly valid: { readonly path: string | undefined; readonly images: number };
  /** Files and folders that are neither images nor named as skipped. */
  readonly passedOver: readonly string[];
}

/** What was taken as parts and classes, with counts, in one line. */
export function takenText(layout: Layout, { name, classNames, train, valid, passedOver }: Taken): string {
  const classes = `${classNames.length} classes`;
  const heldOut = `${train.images + valid.images} images, of which ${valid.images} are held out for validation`;
  const learnt = valid.path === undefined ? heldOut : `${train.images} images`;
  const parts =
    layout.kind === 'classes'
      ? [`${classes} (${some(classNames, NAMED_CLASSES)}), ${learnt}`]
      : [`${train.path}/ as training part (${classes}, ${learnt})`];
  if (valid.path !== undefined) parts.push(`${valid.path}/ as validation part (${valid.images} images)`);
  const aside =
    layout.kind === 'parts' && layout.aside.length > 0 ? [`${listed(layout.aside)} left aside`] : [];
  const others = `${passedOver.length} other ${passedOver.length === 1 ? 'file or folder' : 'files or folders'}`;
  const over = passedOver.length > 0 ? [`${others} passed over (${some(passedOver, EXAMPLES)})`] : [];
  return `${name}: ${[parts.join(', '), ...aside, ...over].join('; ')}`;
}

/** Class names and other names that one line shows. */
export const NAMED_CLASSES = 8;
export const EXAMPLES = 3;

/**
 * What a reader of the results should know of how the images lie.
 * @param classDepth how many folders name a class
 */
export function layoutNotes(layout: Layout, nestings: readonly Nesting[], classDepth = 1): string[] {
  const notes: string[] = [];
  if (layout.kind === 'classes' && layout.train !== undefined) {
    notes.push(`${layout.train}/ is taken as a class, since images lie in it and no class folders`);
  }
  if (layout.kind === 'parts') {
    const { train, valid, aside } = layout;
    if (valid !== undefined && partOf(valid) === 'test') {
      notes.push(testNote(`${valid}/`, 'there is no val/'));
    }
    if (valid === undefined && aside.length > 0) {
      notes.push(
        `${listed(aside)} cannot be validated with, since there are no class folders in it: ` +
          `a share of ${train}/ is held out instead`,
      );
    }
  }
  const folders = nestings.flatMap((nesting) => nesting.folders);
  const images = nestings.reduce((sum, nesting) => sum + nesting.images, 0);
  if (images > 0) {
    notes.push(
      `${images} ${images === 1 ? 'image lies' : 'images lie'} in folders inside of class folders ` +
        `(${some(folders, EXAMPLES)}) and ${images === 1 ? 'is' : 'are'} taken as images of the class; ` +
        `with --class-depth ${classDepth + 1} each such folder is a class`,
    );
  }
  return notes;
}

/** What it means that a test part is validated with, and why it is. */
export function testNote(part: string, why: string): string {
  return (
    `${part} serves as validation part, since ${why}: rates and epochs that are chosen by it have seen it, ` +
    'so it is no test set any more'
  );
}

/**
 * Puts a refusal into words: what is wrong, where, what was expected, and what to do.
 * @param classDepth how many folders name a class
 */
export function refusalText(root: string, { code, names, others }: LayoutRefusal, classDepth = 1): string {
  return REFUSALS[code](root, listed(names), others, `--class-depth ${classDepth + 1}`);
}

const REFUSALS = {
  link: (root, names, [reason]) =>
    `${names} in ${root} cannot be read: ${reason}. Without it other images would be trained on and judged by. ` +
    'Expected a folder; pass --follow-links where the link leads to one, put the folder itself there, or remove the link.',
  severalTraining: (root, names) =>
    `${root} has more than one training part: ${names}. Expected one; rename the others, or move them away.`,
  severalValidation: (root, names) =>
    `${root} has more than one part to validate with: ${names}. Expected one; call it val, and move the others away.`,
  noTraining: (root, names) =>
    `${root} has ${names} with class folders but no such train/. ` +
    'Expected train/<class>/ beside val/<class>/, or <class>/ folders alone; add or rename the training folder.',
  emptyValidation: (root, names) =>
    `${root} has a training part, but ${names} holds no class folders. ` +
    `Expected ${names}<class>/ for each class; fill ${names}, or remove it to hold out a share of the training part.`,
  partsWithoutClasses: (root, names) =>
    `The images of ${names} in ${root} do not lie in class folders. ` +
    `Expected train/<class>/ and val/<class>/; make a folder for each class. ${OR_LABELS}`,
  besideParts: (root, names, [train]) =>
    `${root} has class folders in ${train}/, and images outside of the parts in ${names}. ` +
    `Expected all images in ${train}/<class>/ and val/<class>/; move ${names} into these, or out of ${root}. ` +
    `If ${train}/ is a class itself, rename it.`,
  partBesideClasses: (root, names, classes) =>
    `${root} has ${names} beside ${listed(classes)}: the name is that of a part of the data, not of a class. ` +
    `Expected train/<class>/ and val/<class>/, or class folders alone; move ${listed(classes)} into train/, ` +
    `or ${names} out of ${root}. If it is a class, rename it.`,
  oneFolder: (root, names, folders, deeper) =>
    `${root} holds nothing but ${names}, and that holds ${listed(folders)}. ` +
    `Expected parts or class folders; pass --data ${root}/${names} if they are what is in there` +
    (folders.some((name) => partOf(name) !== undefined)
      ? '.'
      : `, or ${deeper} if ${names}${folders[0]} is the name of a class.`),
  partsInsideClasses: (root, names, folders, deeper) =>
    `${names} in ${root} would be classes, and hold folders of the same names: ${listed(folders)}. ` +
    'Expected train/<class>/ and val/<class>/, or <class>/ folders alone. If the folders inside are the parts or the classes, ' +
    'put them on the outside; if not, put the images of each class directly into its folder.' +
    (folders.some((name) => partOf(name) !== undefined)
      ? ''
      : ` If the names together make a class, as in ${names.split(',')[0]}${folders[0]}, pass ${deeper}.`),
  copyOfClasses: (root, names, classes) =>
    `${names} in ${root} would be a class, but holds folders named like the classes: ${listed(classes)}. ` +
    `Expected train/<class>/ and val/<class>/, or <class>/ folders alone. If ${names} is a part, call it val and move ` +
    'the classes into train/; if not, move it away.',
} satisfies Record<
  string,
  (root: string, names: string, others: readonly string[], deeper: string) => string
>;

/** What else there is for images that lie in no class folders. */
export const OR_LABELS = 'If a table says which image is of which class, pass it to --labels.';

/** Folders that a sentence lists. */
const LISTED = 5;

const listed = (folders: readonly string[]) =>
  some(
    folders.map((name) => `${name}/`),
    LISTED,
  );

/** The first names of a list, and how many more there are. */
export function some(names: readonly string[], count: number): string {
  const more = names.length > count ? ` and ${names.length - count} more` : '';
  return names.slice(0, count).join(', ') + more;
}
