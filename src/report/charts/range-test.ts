import type { FinderDocument, RecordedCurve } from '../../runs/documents.js';
import { median } from '../../stats/describe.js';
import type { SuggestionSpreads } from '../../stats/range/suggestions.js';
import { counted, formatRate } from '../text/numbers.js';
import type { ChartLetter, ChartSpec } from './chart.js';
import { extent, finitePoints, resampleToColumns } from './resample.js';

/** What the chart of a range test shows of find-lr's document. */
export type RangeTest = Pick<FinderDocument, 'curves' | 'suggestions' | 'recommended' | 'config'>;

/**
 * Loss against the learning rate of a range test on a logarithmic axis: raw losses as dots, the smoothed loss
 * (with several seeds their median and range), a letter for each suggestion and X where a seed diverged.
 */
export function rangeChart(test: RangeTest): ChartSpec {
  const { curves, recommended, config } = test;
  const raw = finitePoints(
    curves.flatMap(({ points }) => points.map(({ learningRate, loss }) => ({ x: learningRate, y: loss }))),
  ).filter(({ x }) => x > 0);
  const median = medianCurve(curves, ...extent(raw.map(({ x }) => x)));
  const range = lossRange(
    median,
    raw.map(({ y }) => y),
    config.trim[0],
  );
  const what = config.loss === 'valid' ? 'validation loss' : 'training loss';
  const several = curves.length > 1;
  return {
    title: range.cut === '' ? what : `${what} (${range.cut} not shown)`,
    x: { label: 'learning rate, logarithmic', scale: 'log' },
    y: range,
    rows: 14,
    series: [
      {
        name: several ? `smoothed loss, median of ${counted(curves.length, 'seed')}` : 'smoothed loss',
        points: median.map((at) => ({ x: at.learningRate, y: at.median })),
        ...(several
          ? { band: median.map(({ learningRate, low, high }) => ({ x: learningRate, low, high })) }
          : {}),
      },
    ],
    bandName: 'lowest to highest seed',
    dots: { name: 'raw loss', points: raw },
    letters: lettersOf(test, median, range.high),
    verticals: recommended === null ? [] : [{ x: recommended.learningRate, colour: 'green' }],
  };
}

/** The smoothed losses of several seeds at one learning rate. */
interface MedianPoint {
  readonly learningRate: number;
  /** Over the seeds that have a loss here; null where fewer than half have one. */
  readonly median: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

// Finer than any terminal is wide.
const PLACES = 301;

/** Median, lowest and highest smoothed loss over the seeds, at places evenly spread over log10 of the rate. */
export function medianCurve(curves: readonly RecordedCurve[], low: number, high: number): MedianPoint[] {
  const [from, to] = [Math.log10(low), Math.log10(high)];
  const places = to > from ? PLACES : 1;
  const place = (rate: number): number =>
    to > from ? ((Math.log10(rate) - from) / (to - from)) * (places - 1) : 0;
  const seeds = curves.map(({ points }) =>
    resampleToColumns(
      finitePoints(points.map(({ learningRate, smoothedLoss }) => ({ x: learningRate, y: smoothedLoss }))),
      place,
      places,
    ),
  );
  return Array.from({ length: places }, (_, index) => {
    const losses = seeds.flatMap((seed) => seed[index] ?? []);
    const [lowest, highest] = extent(losses);
    return {
      learningRate: 10 ** (places > 1 ? from + ((to - from) * index) / (places - 1) : from),
      median: losses.length * 2 >= curves.length && losses.length > 0 ? median(losses) : null,
      low: losses.length > 0 ? lowest : null,
      high: losses.length > 0 ? highest : null,
    };
  });
}

/** Of the descent, what is shown above and below it; of the lowest loss, the least that the chart shows. */
const MARGIN = 0.25;
const LEAST = 0.02;

/**
 * Follows the smoothed curve, so that its valley fills the chart: from the highest loss before the lowest down to that, and
 * a quarter of the descent above and below. What lies beyond is cut off, and `cut` says so.
 */
function lossRange(
  median: readonly MedianPoint[],
  raw: readonly number[],
  trimmed: number,
): { low: number; high: number; cut: string } {
  const losses = median.flatMap(({ median: loss }) => loss ?? []);
  const curve = losses.length === 0 ? raw : losses;
  // The average over the first few batches moves with each of them: a lucky one is no valley.
  const settled = curve.slice(Math.floor(trimmed * curve.length));
  const [best] = extent(settled);
  const [, start] = extent(settled.slice(0, settled.indexOf(best) + 1));
  const margin = Math.max(MARGIN * (start - best), LEAST * Math.abs(best));
  const all = extent([...raw, ...median.flatMap(({ low, high }) => [low ?? best, high ?? best])]);
  const [lowest, highest] = extent([
    ...curve,
    ...median.flatMap(({ low, high }) => [low ?? best, high ?? best]),
  ]);
  const low = Math.max(lowest, best - margin);
  const high = Math.min(highest, start + margin);
  const cut = [
    ...(all[0] < low ? [`below ${formatRate(low)}`] : []),
    ...(all[1] > high ? [`above ${formatRate(high)}`] : []),
  ];
  return { low, high, cut: cut.join(' and ') };
}

const DIVERGED = 'X';

function lettersOf(test: RangeTest, median: readonly MedianPoint[], edge: number): ChartLetter[] {
  const { curves, recommended } = test;
  const letter = (rate: number, char: string, name: string, colour: ChartLetter['colour']): ChartLetter => {
    const at = median.find(({ learningRate }) => learningRate >= rate * (1 - 1e-9)) ?? median.at(-1);
    return { x: rate, y: at?.median ?? edge, letter: char, name: `${name} ${formatRate(rate, 2)}`, colour };
  };
  const ends = [...new Set(curves.map(({ stop }) => stop).filter((stop) => stop !== 'end'))];
  const ended = ends.sort().reverse().join(' or ');
  return [
    ...(recommended === null ? [] : [letter(recommended.learningRate, 'R', 'recommended', 'green')]),
    ...METHODS.flatMap(({ key, letter: char, name }) => {
      const rate = test.suggestions[key].median;
      return rate === null ? [] : [letter(rate, char, name, 'yellow')];
    }),
    ...curves.flatMap(({ points, divergedAt }) =>
      points
        .filter(({ step }) => step === divergedAt)
        .map(({ learningRate, smoothedLoss }): ChartLetter => {
          return { x: learningRate, y: smoothedLoss ?? edge, letter: DIVERGED, name: ended, colour: 'red' };
        }),
    ),
  ];
}

/** The methods in the order of the tables, each with its letter in the chart and its name. */
export const METHODS: readonly {
  readonly key: keyof SuggestionSpreads;
  readonly letter: string;
  readonly name: string;
}[] = [
  { key: 'steepest', letter: 'S', name: 'steepest' },
  { key: 'valley', letter: 'V', name: 'valley' },
  { key: 'slide', letter: 'L', name: 'slide' },
  { key: 'minimum', letter: 'M', name: 'minimum/10' },
];
