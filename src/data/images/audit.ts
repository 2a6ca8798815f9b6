import type { PreparedSample } from '../folder/image-folder.js';

/** What makes an image doubtful, though it can be decoded. */
export const ODDITIES = ['tiny', 'long', 'one colour', 'faint'] as const;
export type Oddity = (typeof ODDITIES)[number];

/** What a note may be due about: an image that is odd, or smaller than the network's input. */
export type Remark = Oddity | 'small';

/** Training images of the largest class over those of the smallest, from which on a note is due. */
const IMBALANCE = 2;
/** Examples named in a note. */
const EXAMPLES = 3;

/** What a reader of the results should know of the images: wrong labels, images on both sides, uneven classes, odd images. */
export function datasetNotes(
  classNames: readonly string[],
  train: readonly PreparedSample[],
  valid: readonly PreparedSample[],
  remarksOn: (sample: PreparedSample) => readonly Remark[],
): string[] {
  const all = [...train, ...valid];
  const contradictions = contradictingLabels(all);
  const odd = new Map<Remark, string[]>();
  for (const sample of all) {
    for (const remark of remarksOn(sample)) {
      const paths = odd.get(remark);
      if (paths === undefined) odd.set(remark, [sample.path]);
      else paths.push(sample.path);
    }
  }
  return [
    contradictionNote(contradictions, train, valid),
    sharedNote(train, valid, new Set(contradictions.flat())),
    unevenClasses(classNames, train),
    ...REMARKS.map(([oddity, ...words]) => oddityNote(odd.get(oddity) ?? [], all.length, words)),
  ].filter((note) => note !== undefined);
}

/** Images of the same bytes under several classes, in groups. */
function contradictingLabels(samples: readonly PreparedSample[]): PreparedSample[][] {
  const byContent = new Map<string, PreparedSample[]>();
  for (const sample of samples) {
    const twins = byContent.get(sample.sha256);
    if (twins === undefined) byContent.set(sample.sha256, [sample]);
    else twins.push(sample);
  }
  return [...byContent.values()].filter((twins) => twins.some(({ label }) => label !== twins[0]?.label));
}

function contradictionNote(
  groups: readonly PreparedSample[][],
  train: readonly PreparedSample[],
  valid: readonly PreparedSample[],
): string | undefined {
  if (groups.length === 0) return undefined;
  const pairs = groups.map((twins) => twins.map(({ path }) => path).join(' = '));
  const [isTraining, isValidation] = [new Set(train), new Set(valid)];
  const misjudged = groups.flatMap((twins) =>
    twins.filter(
      (one) =>
        isValidation.has(one) && twins.some((other) => isTraining.has(other) && other.label !== one.label),
    ),
  ).length;
  const judged =
    misjudged === 0
      ? ''
      : `; ${misjudged} of ${valid.length} validation images ${misjudged === 1 ? 'has its twin' : 'have their twins'} in the training ` +
        'part under another class, so the training teaches what the validation counts as wrong';
  return (
    `contradicting labels: ${groups.flat().length} images have the same bytes as an image of another class ` +
    `(${examples(pairs)}), so at most one label of each group is right${judged}`
  );
}

/** @param doubtful images whose labels are contradicted, of which another note speaks */
function sharedNote(
  train: readonly PreparedSample[],
  valid: readonly PreparedSample[],
  doubtful: ReadonlySet<PreparedSample>,
): string | undefined {
  const trained = new Map(train.map(({ sha256, path }) => [sha256, path]));
  const pairs = valid.flatMap((sample) => {
    const twin = doubtful.has(sample) ? undefined : trained.get(sample.sha256);
    return twin === undefined ? [] : [`${sample.path} = ${twin}`];
  });
  if (pairs.length === 0) return undefined;
  const are = pairs.length === 1 ? 'is a training image' : 'are training images';
  return (
    `${pairs.length} of ${valid.length} validation images ${are} too, byte for byte ` +
    `(${examples(pairs)}): the validation accuracy flatters`
  );
}

function unevenClasses(classNames: readonly string[], train: readonly PreparedSample[]): string | undefined {
  const counts = classNames.map(() => 0);
  for (const { label } of train) counts[label] = (counts[label] ?? 0) + 1;
  const [most, least] = [Math.max(...counts), Math.min(...counts)];
  if (most < IMBALANCE * least) return undefined;
  const named = (count: number) => `"${classNames[counts.indexOf(count)]}" has ${count}`;
  const share = ((100 * most) / train.length).toFixed(0);
  return (
    `uneven classes: ${named(most)} training images, ${named(least)}; ` +
    `always guessing the largest class would be right for ${share}% of the training images`
  );
}

/** What is odd, with its verb for one image and for several, and what it means. */
const REMARKS: readonly (readonly [Remark, string, string, string])[] = [
  ['small', 'is', 'are', "smaller than the network's input, and enlarged"],
  ['tiny', 'is', 'are', 'less than 8 pixels high or wide, too small to tell anything from'],
  [
    'long',
    'is',
    'are',
    'more than 4 times as long as wide; only the middle, 4 times as long as wide, is looked at',
  ],
  ['one colour', 'is', 'are', 'of one single colour; look whether the files should be'],
  [
    'faint',
    'uses',
    'use',
    'less than a quarter of the range of 16 bits, as where 12 or 14 bits lie in 16, and so nearly black or white; ' +
      'stretch the range, or save as 8 bit',
  ],
];

function oddityNote(
  odd: readonly string[],
  images: number,
  [one, several, text]: readonly [string, string, string],
): string | undefined {
  if (odd.length === 0) return undefined;
  return `${odd.length} of ${images} images ${odd.length === 1 ? one : several} ${text} (${examples(odd)})`;
}

function examples(names: readonly string[]): string {
  const more = names.length > EXAMPLES ? `, and ${names.length - EXAMPLES} more` : '';
  return names.slice(0, EXAMPLES).join(', ') + more;
}
