import { moreOf, type VarianceShares } from '../../stats/crossed.js';
import type { Metric } from '../../runs/documents.js';
import type { RatesBehind, Verdict } from '../../stats/verdict.js';
import { counted, pointDecimals, toDecimals } from '../text/numbers.js';

/** A verdict in words: what it comes to, the numbers behind it, and both in one as the terminal prints them. */
export interface VerdictWords {
  readonly title: string;
  readonly detail: string;
  /** One to three short sentences, numbers in percentage points. */
  readonly sentence: string;
}

/**
 * Says a verdict in plain English.
 * @param metric what the numbers are of
 * @param others with more arms than two the verdicts on the others, in the order in which they are told
 */
export function verdictWords(
  verdict: Verdict,
  others: readonly Verdict[] = [],
  metric: Metric = 'accuracy',
): VerdictWords {
  const measure = metric === 'accuracy' || !('mean' in verdict) ? '' : 'in balanced accuracy ';
  const detail = `${measure}${verdictDetail(verdict)}`;
  if (others.length === 0) return wordsOf(verdictTitle(verdict), detail);
  const { claim, baseline } = verdict;
  const loser = verdict.kind === 'claim' && claim === baseline ? verdict.arm : baseline;
  const title =
    verdict.kind === 'claim' ? `${claim} is better than ${loser} ${where(verdict)}` : verdictTitle(verdict);
  const lead =
    verdict.kind === 'not-shown'
      ? `chance in seeds and images may explain each of the ${others.length + 1} differences from ${baseline}. The best supported: `
      : '';
  const rest = others.map(inShort).join('; ');
  return wordsOf(title, `${lead}${detail} The others against ${baseline}: ${rest}.`);
}

function wordsOf(title: string, detail: string): VerdictWords {
  return { title, detail, sentence: `${title}: ${detail}` };
}

/** A verdict beside one that is told in full. */
function inShort(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'one-arm':
    case 'no-pairs':
      return `${verdict.kind === 'no-pairs' ? verdict.arm : verdict.baseline} has no seed that both finished`;
    case 'one-seed':
    case 'equal':
      return `${endsShort(verdict, percentagePoints(verdict.mean))}, chance unmeasured`;
    case 'images-unknown': {
      const points = percentagePoints(verdict.mean, verdict.low, verdict.high);
      return `${endsShort(verdict, points)} (${points.range(verdict)} over seeds alone), not shown`;
    }
    case 'not-shown':
    case 'claim': {
      const points = pointsOf(verdict);
      const shown = verdict.kind === 'claim' ? `shown (${formatP(verdict.pValue)})` : 'not shown';
      return `${endsShort(verdict, points)} (${points.range(verdict)}), ${shown}`;
    }
  }
}

function endsShort({ arm, mean }: { readonly arm: string; readonly mean: number }, points: Points): string {
  if (Number(points.size(mean)) === 0) return `${arm} equal`;
  return `${arm} ${points.size(mean)} points ${mean > 0 ? 'above' : 'below'}`;
}

function verdictTitle(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'one-arm':
    case 'no-pairs':
      return 'No comparison';
    case 'claim':
      return `${verdict.claim} is better ${where(verdict)}`;
    default:
      return 'No difference shown';
  }
}

/** A claim at rates that were not measured on this data is about these rates. */
function where({ rates }: Of<'claim'>): string {
  return rates === 'unmeasured' ? 'at these rates' : 'here';
}

function verdictDetail(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'one-arm':
      return `only ${verdict.baseline} was run, and there is nothing to compare it with.`;
    case 'no-pairs':
      return `there is no seed with which both ${verdict.arm} and ${verdict.baseline} finished.`;
    case 'one-seed':
      return (
        `${measured(verdict, 'with the only seed')}, and one seed cannot say how far another would have moved ` +
        'that. Run at least 3 seeds.'
      );
    case 'equal':
      return (
        `${measured(verdict, `with each of the ${verdict.seeds} seeds`)}. Differences that are all equal leave ` +
        `chance in the seeds unmeasured (sign flip, ${formatP(verdict.pValue ?? 1)}); run more seeds.`
      );
    case 'images-unknown': {
      const { mean, low, high, seeds } = verdict;
      const points = percentagePoints(mean, low, high);
      return (
        `${ends(verdict, points)} on average (95% interval ${points.range(verdict)} over ${seeds} seeds alone). Chance ` +
        'in the images could not be judged, as predictions of both on the same images are missing.'
      );
    }
    case 'not-shown':
      return `${summary(verdict)}. ${whatRemains(verdict)}`;
    case 'claim':
      return (
        `${summary(verdict)}, more than chance in seeds and images explains (${formatP(verdict.pValue)}). ` +
        `This holds for this data set, budget and these settings only.${RATES[verdict.rates]}`
      );
  }
}

/** What a claim owes to the learning rates. */
const RATES: Readonly<Record<RatesBehind, string>> = {
  measured:
    ' Each arm has the rate that was measured for it; compare --rates 2 trains it at neighbouring rates too, which is the harder ' +
    'test.',
  tuned: ' Each arm is judged at one of several rates, which the other seeds chose.',
  unmeasured:
    ' Not both learning rates were measured on this data, and other rates may turn it round: compare --rates 2 trains each ' +
    'arm at neighbouring rates too, and tells.',
};

type Of<Kind extends Verdict['kind']> = Extract<Verdict, { readonly kind: Kind }>;

/** A difference with its interval over images alone. */
function measured(verdict: Of<'one-seed' | 'equal'>, where: string): string {
  const { mean, images } = verdict;
  const points = percentagePoints(mean, ...(images === null ? [] : [images.low, images.high]));
  const among =
    images === null ? '' : ` (95% interval ${points.range(images)} over ${counted(images.n, 'image')})`;
  return `${ends(verdict, points)} ${where}${among}`;
}

/** How large a difference may have been missed, and what would show it. */
function whatRemains(verdict: Of<'not-shown'>): string {
  const { arm, baseline, mean, low, high, pValue, because, shares } = verdict;
  const points = pointsOf(verdict);
  if (because === 'corrected') {
    const most = points.size(mean > 0 ? high : low);
    return (
      `Corrected for the number of comparisons, ${formatP(pValue)}; a difference of up to ${most} points may ` +
      'have been missed.'
    );
  }
  return (
    `Anything from ${points.size(low)} points in favour of ${baseline} to ${points.size(high)} points in favour of ` +
    `${arm} remains possible; ${moreOfWords(shares)}.`
  );
}

/** What would make an interval narrower. */
function moreOfWords(shares: VarianceShares): string {
  switch (moreOf(shares)) {
    case 'images':
      return 'more images would help, more seeds hardly';
    case 'seeds':
      return 'more seeds would help, more images hardly';
    case 'both':
      return 'more seeds and more images would both help';
  }
}

/** A difference with its interval over seeds and images. */
function summary(verdict: Of<'not-shown' | 'claim'>): string {
  const points = pointsOf(verdict);
  return (
    `${ends(verdict, points)} on average (95% interval ${points.range(verdict)} over ` +
    `${counted(verdict.seeds, 'seed')} and ${counted(verdict.images, 'image')})`
  );
}

function ends(
  { arm, baseline, mean }: { readonly arm: string; readonly baseline: string; readonly mean: number },
  points: Points,
): string {
  if (Number(points.size(mean)) === 0) return `${arm} and ${baseline} end equal`;
  return `${arm} ends ${points.size(mean)} points ${mean > 0 ? 'above' : 'below'} ${baseline}`;
}

function pointsOf({ mean, low, high }: Of<'not-shown' | 'claim'>): Points {
  return percentagePoints(mean, low, high);
}

function formatP(pValue: number): string {
  return pValue < 0.001 ? 'p < 0.001' : `p = ${pValue.toPrecision(2)}`;
}

type Points = ReturnType<typeof percentagePoints>;

/** Writes shares from -1 to 1 as percentage points that belong to one sentence: all with the same number of decimals. */
function percentagePoints(...values: readonly number[]) {
  const decimals = pointDecimals(...values);
  // Adding 0 turns a rounded -0.0 into 0.0.
  const signed = (share: number) => (Number(toDecimals(100 * share, decimals)) + 0).toFixed(decimals);
  return {
    /** Without its sign. */
    size: (share: number) => signed(Math.abs(share)),
    range: ({ low, high }: { readonly low: number; readonly high: number }) =>
      `${signed(low)} to ${signed(high)}`,
  };
}
