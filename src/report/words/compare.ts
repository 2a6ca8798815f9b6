import type { ArmDifference, CompareDocument } from '../../runs/documents.js';
import { isJsonObject, type JsonValue } from '../../runs/json.js';
import { areUneven } from '../../stats/classes.js';
import type { SuperConvergence } from '../../stats/times.js';
import { formatFraction, formatInterval } from '../text/numbers.js';

/** The super-convergence factor with its interval or bound, what it is a ratio of, and what it leaves open. */
export function superConvergenceText({
  superConvergence: found,
  difference,
  arms,
  config,
}: CompareDocument): string {
  const arm = difference?.arm ?? arms.at(-1)?.policy ?? 'the last arm';
  const baseline = difference?.baseline ?? arms[0]?.policy ?? 'the first';
  if (found === null) return 'Super-convergence factor: none (both arms must reach one target accuracy).';
  const { target, factor, low, high, bound, note } = found;
  const decimals = (value: number | null | undefined): string => formatFraction(value, 2);
  const lead = bound === 'none' ? '' : `${bound} `;
  const origin =
    config.target === null
      ? `, ${baseline}'s mean ${config.metric === 'accuracy' ? 'final accuracy' : 'after the last epoch'}`
      : '';
  return (
    `Super-convergence factor: ${lead}${decimals(factor)}${interval(low, high, decimals)}, steps of ${baseline} over steps of ${arm} ` +
    `up to ${config.metric === 'accuracy' ? 'an' : 'a balanced'} accuracy of ${formatFraction(target)}${origin}; above 1, ${arm} is faster. ${note}`
  ).trimEnd();
}

/** What a super-convergence factor leaves open, in a sentence; empty where nothing. */
export function superConvergenceNote({ caveat, n }: Pick<SuperConvergence, 'caveat' | 'n'>): string {
  switch (caveat) {
    case null:
      return '';
    case 'one-seed':
      return 'One seed has no interval.';
    case 'all-equal':
      return `All ${n} seeds gave the same factor, too few to say how far another would lie.`;
    case 'few-seeds':
      return 'Not every run reached the target, and fewer than six seeds give the median no 95% interval.';
    case 'bounds':
      return 'Runs that never reached the target count with the least time that they needed.';
  }
}

function interval(low: number | null, high: number | null, format: (value: number) => string): string {
  if (low !== null && high !== null) return ` ${formatInterval(low, high, (value) => format(value ?? NaN))}`;
  if (low !== null) return ` (95% interval: at least ${format(low)})`;
  return high === null ? '' : ` (95% interval: at most ${format(high)})`;
}

/** How the differences were judged, and which of several the super-convergence factor is about. */
export function differencesNote({ differences, difference, config }: CompareDocument): string {
  const judged = differences.filter(({ pValue }) => pValue !== null);
  const methods = [...new Set(judged.map(({ method }) => method))];
  const what = [
    `Difference of the final ${config.metric === 'accuracy' ? 'accuracy' : 'balanced accuracy'} in percentage points, paired by seed.`,
    ...methods.map((method) => METHODS[method]),
  ];
  if (differences.length > 1 && difference !== null) {
    what.push(
      `p is adjusted for ${differences.length} comparisons (Holm). The super-convergence factor is about ` +
        `${difference.arm} against ${difference.baseline}.`,
    );
  }
  return what.join(' ');
}

const METHODS: Readonly<Record<ArmDifference['method'], string>> = {
  crossed:
    'Interval and p are for other seeds and other images (crossed random effects); of their variance the shares of ' +
    'seeds, images and single answers are shown.',
  'paired t': 'Interval and p are for other seeds alone (paired t).',
  'sign flip': 'All seeds alike: p is that of the signs alone (sign flip).',
};

/**
 * Which options speak for the small classes, where classes are uneven and they were not given; empty elsewhere.
 * Which arm wins may depend on them: accuracy is mostly about the large classes.
 */
export function unevenNote({ config, dataset, verdict }: CompareDocument): string {
  if (verdict.kind === 'one-arm' || verdict.kind === 'no-pairs') return '';
  const judged = config.metric === 'accuracy' ? classRange(dataset, 'valid') : null;
  // Where arms differ in it, there are weights in one of them.
  const unweighted = Object.values(config.perArm).every((own) => own['classWeights'] === undefined);
  const plain = unweighted && config['classWeights'] !== 'balanced';
  const trained = plain ? classRange(dataset, 'train') : null;
  return [
    ...(judged === null
      ? []
      : [
          `The validation classes are uneven (${judged}), and accuracy over all images is mostly about the large ones: ` +
            '--metric balanced-accuracy compares the same runs with all classes alike.',
        ]),
    ...(trained === null
      ? []
      : [
          `The training classes are uneven (${trained}): --class-weights balanced trains with all classes alike.`,
        ]),
  ].join(' ');
}

/** The smallest and the largest class in words; null where classes are not uneven. */
function classRange(dataset: CompareDocument['dataset'], part: 'train' | 'valid'): string | null {
  const counts = classCounts(dataset, part);
  if (!areUneven(counts.map(({ images }) => images))) return null;
  const known = counts.filter(({ images }) => images > 0).sort((a, b) => a.images - b.images);
  return [known[0], known.at(-1)].map((own) => `${own?.images ?? 0} of ${own?.name ?? ''}`).join(', ');
}

/** Images of each class, as dataset.json counts them; none where it does not. */
export function classCounts(
  dataset: CompareDocument['dataset'],
  part: 'train' | 'valid',
): { readonly name: string; readonly images: number }[] {
  const counts = dataset?.['counts'];
  if (!Array.isArray(counts)) return [];
  return counts.flatMap((count: JsonValue) => {
    if (!isJsonObject(count)) return [];
    const [name, images] = [count['class'], count[part]];
    return typeof name === 'string' && typeof images === 'number' ? [{ name, images }] : [];
  });
}

/** What the times mean; empty where nothing was timed. */
export function timesNote({ arms, jobs, sharedFeatures }: CompareDocument): string {
  if (arms.every(({ runs }) => runs.length === 0)) return '';
  const beside = jobs > 1 ? `, with up to ${jobs} runs side by side, which slow each other down` : '';
  const shared = sharedFeatures
    ? ' Frozen features are cached and shared by all runs, and the first runs pay for them: compare steps, not seconds.'
    : '';
  return `Times are wall-clock seconds of training and evaluation${beside}; targets are checked after each epoch.${shared}`;
}

/** Every run without a result, with the reason. */
export function failures({ arms }: CompareDocument): string[] {
  return arms.flatMap(({ policy, failed }) =>
    failed.map(
      ({ run, seed, reason }) => `${policy} with seed ${seed}${run === '' ? '' : ` (${run})`}: ${reason}`,
    ),
  );
}
