import type { ArmDifference, CompareDocument } from '../../runs/documents.js';
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
  const origin = config.target === null ? `, ${baseline}'s mean final accuracy` : '';
  return (
    `Super-convergence factor: ${lead}${decimals(factor)}${interval(low, high, decimals)}, steps of ${baseline} over steps of ${arm} ` +
    `up to an accuracy of ${formatFraction(target)}${origin}; above 1, ${arm} is faster. ${note}`
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
export function differencesNote({ differences, difference }: CompareDocument): string {
  const methods = [...new Set(differences.map(({ method }) => method))];
  const what = [
    'Difference of the final accuracy in percentage points, paired by seed.',
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
