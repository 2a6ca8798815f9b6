import type {
  CheckedFile,
  DataCheckDocument,
  DataFinding,
  OddKind,
  DatasetSummary,
} from '../../runs/documents.js';
import { counted, formatCount } from '../text/numbers.js';
import { lastPart } from '../text/width.js';

/** Training images of the largest class over those of the smallest, from which on classes are called uneven. */
const UNEVEN = 2;
/** Pixels of the long side up to which an image is a thumbnail, which is always enlarged. */
const THUMBNAIL = 64;

/** Of a check all but what is concluded from it. */
type Checked = Omit<DataCheckDocument, 'findings' | 'seconds'>;

/**
 * What speaks against the data, the worst first.
 * @param notes on the folder's layout
 */
export function dataFindings(checked: Checked, notes: readonly string[]): DataFinding[] {
  const finding = (kind: DataFinding['kind'], serious: boolean, text: string | null): DataFinding[] =>
    text === null ? [] : [{ kind, serious, text }];
  return [
    ...finding('unreadable', true, unreadableText(checked)),
    ...finding('contradiction', true, contradictionText(checked)),
    ...finding('leak', true, leakText(checked)),
    ...finding('skipped', isTable(checked), skippedText(checked)),
    ...finding('duplicates', false, duplicatesText(checked)),
    ...finding('imbalance', false, imbalanceText(checked)),
    ...checked.odd.flatMap(({ kind, images }) => finding('odd', false, oddText(kind, images, checked))),
    ...finding('labels', false, labelsText(checked)),
    ...notes.flatMap((text) => finding('layout', false, text)),
  ];
}

function unreadableText({ unreadable }: Checked): string | null {
  if (unreadable.length === 0) return null;
  return `${counted(unreadable.length, 'file')} cannot be read: training leaves ${unreadable.length === 1 ? 'it' : 'them'} out`;
}

/** What training skips before it reads a file: all that is skipped but the unreadable files. */
export function neverRead({
  dataset,
  unreadable,
}: Pick<Checked, 'dataset' | 'unreadable'>): DatasetSummary['skipped'] {
  const read = new Set(unreadable.map(({ path }) => path));
  return dataset.skipped.filter(({ path }) => !read.has(path));
}

/** Whether a table says the classes: each row is meant, where a folder may hold anything. */
function isTable({ config }: Checked): boolean {
  return (config.labels ?? null) !== null;
}

function skippedText(checked: Checked): string | null {
  const { length } = neverRead(checked);
  if (length === 0) return null;
  const { labels } = checked.config;
  const [what, them] =
    length === 1 ? ['1 file or folder is', 'it'] : [`${formatCount(length)} files or folders are`, 'them'];
  return isTable(checked)
    ? `${counted(length, 'row')} of ${lastPart(labels ?? '')} ${length === 1 ? 'names an image' : 'name images'} that cannot be used: training leaves ${them} out`
    : `${what} skipped: training leaves ${them} out`;
}

function contradictionText({ duplicates }: Checked): string | null {
  const groups = duplicates.filter(({ acrossClasses }) => acrossClasses);
  if (groups.length === 0) return null;
  const images = groups.reduce((sum, group) => sum + group.images.length, 0);
  return (
    `contradicting labels: ${counted(images, 'image')} in ${counted(groups.length, 'group')} show the same under several classes, ` +
    'and at most one class of each group is right'
  );
}

function leakText({ leaks: { exact, near }, dataset: { valid } }: Checked): string | null {
  if (exact + near === 0) return null;
  const kinds = [
    exact > 0 ? `${formatCount(exact)} byte for byte` : '',
    near > 0 ? `${formatCount(near)} nearly` : '',
  ].filter((text) => text !== '');
  const are = exact + near === 1 ? 'is a copy of a training image' : 'are copies of training images';
  return `leak: ${formatCount(exact + near)} of ${counted(valid, 'validation image')} ${are} (${kinds.join(', ')}), so the validation accuracy flatters`;
}

function duplicatesText({ duplicates }: Checked): string | null {
  const groups = duplicates.filter(({ acrossParts, acrossClasses }) => !acrossParts && !acrossClasses);
  if (groups.length === 0) return null;
  const images = groups.reduce((sum, group) => sum + group.images.length, 0);
  return `${counted(images, 'image')} in ${counted(groups.length, 'group')} show the same within one class and part: they count several times`;
}

function imbalanceText({ dataset: { counts, train } }: Checked): string | null {
  const sorted = counts.toSorted((a, b) => b.train - a.train);
  const [most, least] = [sorted[0], sorted.at(-1)];
  if (most === undefined || least === undefined || most.train < UNEVEN * least.train || train === 0)
    return null;
  return (
    `uneven classes: "${most.class}" has ${counted(most.train, 'training image')}, "${least.class}" has ${formatCount(least.train)}; ` +
    `always guessing "${most.class}" would be right for ${((100 * most.train) / train).toFixed(0)}% of them`
  );
}

const ODD: Readonly<
  Record<Exclude<OddKind, 'small'>, readonly [one: string, several: string, text: string]>
> = {
  tiny: ['is', 'are', 'less than 8 pixels high or wide, too small to tell anything from'],
  long: ['is', 'are', 'more than 4 times as long as wide; only the middle is looked at'],
  'one colour': ['is', 'are', 'of one single colour'],
  faint: ['uses', 'use', 'less than a quarter of the range of 16 bits, and so nearly black or white'],
};

function oddText(kind: OddKind, images: readonly CheckedFile[], checked: Checked): string | null {
  const { train, valid } = checked.dataset;
  const of = `${formatCount(images.length)} of ${counted(train + valid, 'image')}`;
  if (kind !== 'small') {
    const [one, several, text] = ODD[kind];
    return `${of} ${images.length === 1 ? one : several} ${text}`;
  }
  const { imageSize } = checked.config;
  // Of nothing but thumbnails that is said by their sizes.
  if (checked.sizes !== null && checked.sizes.longSide.greatest <= THUMBNAIL) return null;
  return `${of} ${images.length === 1 ? 'is' : 'are'} smaller than the network's input of ${imageSize} pixels, and enlarged`;
}

function labelsText({ labels }: Checked): string | null {
  if (labels === null || labels.valid.length + labels.train.length === 0) return null;
  const { valid, train, judged } = labels;
  const parts = [
    `${formatCount(valid.length)} of ${counted(judged.valid, 'image')} that ${labels.runs.length === 1 ? 'the run was' : 'the runs were'} validated with`,
    ...(judged.train > 0 ? [`${formatCount(train.length)} of ${formatCount(judged.train)} others`] : []),
  ];
  return `taken for another class: ${parts.join(' and ')}; those with the highest loss may be labelled wrongly`;
}
