import { median } from '../../stats/describe.js';
import type { RangeCurve, RangePoint } from '../../stats/range/curve.js';
import type { Spread } from '../../stats/range/suggestions.js';
import type { Colour } from '../text/colour.js';
import { counted, formatRate } from '../text/numbers.js';
import { drawPlot, type LegendItem, type PlotGlyph } from './plot.js';
import { extent, finitePoints, resampleToColumns } from './resample.js';

/** Sizes of a range chart in terminal columns and rows. */
interface RangeChartLayout {
  readonly width: number;
  /** Rows of the area, at most [14]. */
  readonly height?: number;
  readonly colour: boolean;
}

const DIVERGED = 'X';

/**
 * Loss against the learning rate of a range test on a logarithmic axis: raw losses as dots, the smoothed loss
 * (with several seeds their median and range), a letter for each suggestion and X where a seed diverged.
 */
export function rangeChart(view: FindLrView, layout: RangeChartLayout): string {
  const raw = rawPoints(view);
  if (raw.length === 0) return 'range test: no finite loss to draw';
  const [low, high] = extent(raw.map(({ learningRate }) => learningRate));
  const several = view.curves.length > 1;
  const median = medianCurve(view.curves, low, high);
  const y = lossRange(
    median,
    raw.map(({ loss }) => loss),
  );
  const letters = glyphs(view, median, y.high);
  const what = view.config?.loss === 'valid' ? 'validation loss' : 'training loss';
  return drawPlot({
    title: y.cut ? `${what} (above ${formatRate(y.high, 2)} not shown)` : what,
    width: layout.width,
    height: layout.height ?? 14,
    colour: layout.colour,
    xLabel: 'learning rate, logarithmic',
    x: { scale: 'log', low, high },
    y,
    bands: several
      ? [{ shade: '░', colour: 'grey', points: median.map((point) => bandPoint(point, y.high)) }]
      : [],
    dots: raw
      .filter(({ loss }) => loss >= y.low && loss <= y.high)
      .map(({ learningRate, loss }) => ({ x: learningRate, y: loss, char: '·', colour: 'grey' as const })),
    lines: [{ points: cutAbove(median, y.high), style: 'light', colour: 'cyan' }],
    verticals: view.recommended === null ? [] : [{ x: view.recommended.learningRate, colour: 'green' }],
    letters,
    legend: [
      {
        sample: '──',
        text: several ? `smoothed loss, median of ${counted(view.curves.length, 'seed')}` : 'smoothed loss',
        colour: 'cyan',
      },
      ...(several ? [{ sample: '░', text: 'lowest to highest seed', colour: 'grey' as const }] : []),
      { sample: '·', text: 'raw loss', colour: 'grey' },
      ...namesOf(view, letters),
    ],
  });
}

/** What was measured and can be drawn on a logarithmic axis. */
export function rawPoints({ curves }: FindLrView): RangePoint[] {
  return curves
    .flatMap(({ points }) => points)
    .filter(({ learningRate, loss }) => learningRate > 0 && Number.isFinite(loss));
}

/** Highest loss worth showing: half the descent above the start, and no less than 1.3 times the best. */
export function lossCeiling(median: readonly MedianPoint[]): number {
  const losses = median.flatMap(({ median: loss }) => loss ?? []);
  const [best] = extent(losses);
  const start = losses[0] ?? best;
  return Math.max(start + (start - best) / 2, 1.3 * best);
}

/** Shows the descent well: a divergence that rises far above the start is cut off. */
function lossRange(
  median: readonly MedianPoint[],
  raw: readonly number[],
): { low: number; high: number; cut: boolean } {
  const losses = median.flatMap(({ median: loss }) => loss ?? []);
  const [best, worst] = extent(losses);
  const sorted = raw.toSorted((a, b) => a - b);
  const share = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))] ?? best;
  const [lowest, highest] = extent(median.flatMap((point) => [point.low ?? best, point.high ?? worst]));
  const ceiling = lossCeiling(median);
  const high = Math.max(highest, share(0.95));
  return { low: Math.min(lowest, share(0.02)), high: Math.min(high, ceiling), cut: high > ceiling };
}

/** The median as a curve that ends at the upper edge where it leaves the chart. */
function cutAbove(median: readonly MedianPoint[], edge: number): { x: number; y: number | null }[] {
  const points: { x: number; y: number | null }[] = [];
  for (const { learningRate, median: loss } of median) {
    points.push({ x: learningRate, y: loss === null ? null : Math.min(loss, edge) });
    if (loss !== null && loss > edge) break;
  }
  return points;
}

function bandPoint({ learningRate, low, high }: MedianPoint, edge: number) {
  const inside = low !== null && high !== null && low <= edge;
  return { x: learningRate, low: inside ? low : null, high: inside ? Math.min(high, edge) : null };
}

function glyphs(view: FindLrView, median: readonly MedianPoint[], edge: number): PlotGlyph[] {
  const heightAt = (rate: number): number => {
    const at = median.findIndex(({ learningRate }) => learningRate >= rate * (1 - 1e-9));
    return Math.min((median[at] ?? median.at(-1))?.median ?? edge, edge);
  };
  const letter = (rate: number, char: string, colour: Colour): PlotGlyph => ({
    x: rate,
    y: heightAt(rate),
    char,
    colour,
    stack: true,
  });
  return [
    ...(view.recommended === null ? [] : [letter(view.recommended.learningRate, 'R', 'green')]),
    ...suggestedRates(view).map(({ letter: char, rate }) => letter(rate, char, 'yellow')),
    ...view.curves.flatMap((curve): PlotGlyph[] => {
      const point = divergence(curve);
      if (point === undefined) return [];
      const y = Number.isFinite(point.smoothedLoss) ? Math.min(point.smoothedLoss, edge) : edge;
      return [{ x: point.learningRate, y, char: DIVERGED, colour: 'red', stack: true }];
    }),
  ];
}

/** The point at which a seed diverged or collapsed. */
function divergence({ points, divergedAt }: RangeCurve): RangeCurve['points'][number] | undefined {
  return divergedAt === null ? undefined : points.find(({ step }) => step === divergedAt);
}

function namesOf(view: FindLrView, letters: readonly PlotGlyph[]): LegendItem[] {
  const names: LegendItem[] = [];
  if (view.recommended !== null) {
    names.push({
      sample: 'R',
      text: `recommended ${formatRate(view.recommended.learningRate, 2)}`,
      colour: 'green',
    });
  }
  for (const { letter, name, rate } of suggestedRates(view)) {
    names.push({ sample: letter, text: `${name} ${formatRate(rate, 2)}`, colour: 'yellow' });
  }
  const ends = new Set(view.curves.map(({ stop }) => stop).filter((stop) => stop !== 'end'));
  if (letters.some(({ char }) => char === DIVERGED)) {
    names.push({ sample: DIVERGED, text: [...ends].sort().reverse().join(' or '), colour: 'red' });
  }
  return names;
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
export function medianCurve(curves: readonly RangeCurve[], low: number, high: number): MedianPoint[] {
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

type SuggestionMethod = 'steepest' | 'valley' | 'slide' | 'minimum';

/** The four readings of a range test over its seeds; null, or nulls, where a method has no answer. */
type RateSuggestions = Readonly<Record<SuggestionMethod, Spread | null>>;

/** What a report needs of find-lr's JSON document. */
export interface FindLrView {
  readonly curves: readonly RangeCurve[];
  readonly suggestions: RateSuggestions;
  /** Rates for the 1cycle policy's maximum and for a fixed policy; null where the curve allows none. */
  readonly recommended: { readonly learningRate: number; readonly fixedLearningRate: number } | null;
  readonly reason: string;
  /** The folder that holds all this. */
  readonly run?: string;
  /** Which loss the curves show [train], and how many steps each test was to have [as many as it has]. */
  readonly config?: { readonly loss?: 'train' | 'valid'; readonly steps?: number };
}

/** A method, its letter in the chart and its name in full. */
interface SuggestionName {
  readonly key: SuggestionMethod;
  readonly letter: string;
  readonly name: string;
}

/** The methods in the order of the tables. */
export const METHODS: readonly SuggestionName[] = [
  { key: 'steepest', letter: 'S', name: 'steepest' },
  { key: 'valley', letter: 'V', name: 'valley' },
  { key: 'slide', letter: 'L', name: 'slide' },
  { key: 'minimum', letter: 'M', name: 'minimum/10' },
];

/** The methods that have an answer, with its median over the seeds. */
export function suggestedRates({ suggestions }: FindLrView): (SuggestionName & { readonly rate: number })[] {
  return METHODS.flatMap((method) => {
    const rate = suggestions[method.key]?.median ?? null;
    return rate === null ? [] : [{ ...method, rate }];
  });
}
