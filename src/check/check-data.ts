import { expandHome } from '../config/check-settings.js';
import {
  type CheckedImage,
  checkFolder,
  type DuplicateGroup,
  type FolderCheck,
  type UnreadableImage,
} from '../data/check/check-folder.js';
import { ALIKE } from '../data/check/near-duplicates.js';
import { dataFindings } from '../report/words/data.js';
import {
  type CheckedFile,
  type DataCheckDocument,
  type DatasetSummary,
  type DuplicateImages,
  type HashedFile,
  type MedianRange,
  type OddKind,
  SCHEMA_VERSION,
} from '../runs/documents.js';
import { type Survey, surveyWorkbench } from '../workbench/workbench.js';
import { type DataCheckRequest, doubtfulLabels, readJudges } from './doubtful-labels.js';

/**
 * Checks a data folder as training would read it, and its labels by the runs of --run. Throws UsageError where the folder is no data set or a
 * run does not fit it; rejects with the signal's reason.
 */
export async function checkData(request: DataCheckRequest): Promise<DataCheckDocument> {
  const begun = performance.now();
  const { settings, emit, signal } = request;
  const survey = await surveyWorkbench(settings, request);
  const { folder } = survey;
  const judges = await readJudges((settings.run ?? []).map(expandHome), folder.classNames);
  const check = await checkFolder(folder, {
    signal,
    onProgress: (done, total) => emit({ type: 'decode', done, total }),
  });
  const labels = judges.length === 0 ? null : await doubtfulLabels(judges, folder, check.images, request);
  signal.throwIfAborted();
  const fileOf = ({ path, label, part }: CheckedImage | UnreadableImage): CheckedFile => ({
    path,
    class: folder.classNames[label] ?? '',
    part,
  });
  const hashed = (image: CheckedImage): HashedFile => ({ ...fileOf(image), sha256: image.sha256 });
  const checked: Omit<DataCheckDocument, 'findings' | 'seconds'> = {
    ...{ schemaVersion: SCHEMA_VERSION, command: 'data check', status: 'completed' },
    ...{ data: settings.data, root: folder.root, config: configOf(survey) },
    ...{ dataset: summaryOf(survey, check), taken: folder.taken },
    unreadable: check.unreadable.map((image) => ({ ...fileOf(image), reason: image.reason })),
    duplicates: check.duplicates.map((group) => duplicatesOf(group, hashed)),
    leaks: leaksOf(check.duplicates),
    search: { bits: check.radius, similarity: ALIKE, plain: check.plain },
    formats: tally(check.images.map(({ format }) => format)),
    colours: tally(check.images.map(({ colours }) => colours)),
    sizes: sizesOf(check.images),
    odd: oddOf(check.images, survey.imageSize).map(({ kind, images }) => ({
      kind,
      images: images.map(hashed),
    })),
    labels,
  };
  return {
    ...checked,
    findings: dataFindings(checked, folder.notes),
    seconds: (performance.now() - begun) / 1000,
  };
}

function configOf({ settings, imageSize }: Survey): DataCheckDocument['config'] {
  const { labels = null, classDepth, valSplit, splitSeed, followLinks } = settings;
  return { labels, classDepth, valSplit, splitSeed, followLinks, imageSize };
}

/** Counts of what can be read. */
function summaryOf({ folder }: Survey, { images, unreadable }: FolderCheck): DatasetSummary {
  const counts = folder.classNames.map((name) => ({ class: name, train: 0, valid: 0 }));
  for (const { label, part } of images) {
    const count = counts[label];
    if (count !== undefined) count[part]++;
  }
  const sum = (part: 'train' | 'valid') => counts.reduce((all, count) => all + count[part], 0);
  return {
    ...{ classes: folder.classNames, train: sum('train'), valid: sum('valid'), counts },
    skipped: [...folder.skipped, ...unreadable.map(({ path, reason }) => ({ path, reason }))],
  };
}

function duplicatesOf(
  { images, similarity, exact, mirrored }: DuplicateGroup,
  hashed: (image: CheckedImage) => HashedFile,
): DuplicateImages {
  return {
    ...{ kind: exact ? 'exact' : 'near', similarity, mirrored },
    acrossParts: images.some(({ part }) => part !== images[0]?.part),
    acrossClasses: images.some(({ label }) => label !== images[0]?.label),
    images: images.map(hashed),
  };
}

function leaksOf(groups: readonly DuplicateGroup[]): DataCheckDocument['leaks'] {
  let [exact, near] = [0, 0];
  for (const { images } of groups) {
    const learnt = new Set(images.filter(({ part }) => part === 'train').map(({ sha256 }) => sha256));
    if (learnt.size === 0) continue;
    for (const { part, sha256 } of images) {
      if (part !== 'valid') continue;
      if (learnt.has(sha256)) exact++;
      else near++;
    }
  }
  return { exact, near };
}

/** How often each name comes, the most frequent first. */
function tally(names: readonly string[]): { readonly name: string; readonly images: number }[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .map(([name, images]) => ({ name, images }))
    .sort((a, b) => b.images - a.images || (a.name < b.name ? -1 : 1));
}

function sizesOf(images: readonly CheckedImage[]): DataCheckDocument['sizes'] {
  if (images.length === 0) return null;
  return {
    shortSide: rangeOf(images.map(({ height, width }) => Math.min(height, width))),
    longSide: rangeOf(images.map(({ height, width }) => Math.max(height, width))),
  };
}

/** @param values at least one */
function rangeOf(values: readonly number[]): MedianRange {
  const sorted = Float64Array.from(values).sort();
  const at = (i: number) => sorted[i] ?? NaN;
  const half = (sorted.length - 1) / 2;
  return {
    least: at(0),
    median: (at(Math.floor(half)) + at(Math.ceil(half))) / 2,
    greatest: at(sorted.length - 1),
  };
}

function oddOf(
  images: readonly CheckedImage[],
  imageSize: number,
): { readonly kind: OddKind; readonly images: readonly CheckedImage[] }[] {
  const kinds = ['small', 'tiny', 'long', 'one colour', 'faint'] as const;
  return kinds
    .map((kind) => ({
      kind,
      images: images.filter(({ height, width, oddities }) =>
        kind === 'small' ? Math.min(height, width) < imageSize : oddities.includes(kind),
      ),
    }))
    .filter((odd) => odd.images.length > 0);
}
