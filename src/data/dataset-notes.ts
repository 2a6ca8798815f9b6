import type { PreparedSample } from './image-folder.js';

/** Training images of the largest class over those of the smallest, from which on a note is due. */
const IMBALANCE = 2;
/** Examples named in a note. */
const EXAMPLES = 3;

/** What a reader of the results should know of the data: images on both sides, uneven classes. */
export function datasetNotes(
  classNames: readonly string[],
  train: readonly PreparedSample[],
  valid: readonly PreparedSample[],
): string[] {
  return [sharedImages(train, valid), unevenClasses(classNames, train)].filter((note) => note !== undefined);
}

function sharedImages(
  train: readonly PreparedSample[],
  valid: readonly PreparedSample[],
): string | undefined {
  const trained = new Map(train.map(({ sha256, path }) => [sha256, path]));
  const pairs = valid.flatMap(({ sha256, path }) => {
    const twin = trained.get(sha256);
    return twin === undefined ? [] : [`${path} = ${twin}`];
  });
  if (pairs.length === 0) return undefined;
  const more = pairs.length > EXAMPLES ? `, and ${pairs.length - EXAMPLES} more` : '';
  return (
    `${pairs.length} of ${valid.length} validation images are training images too, byte for byte ` +
    `(${pairs.slice(0, EXAMPLES).join(', ')}${more}): the validation accuracy flatters`
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
    `always guessing the largest class would be right for ${share} % of the training images`
  );
}
