import { type Colour, seriesColour } from '../text/layout.js';
import { formatRate } from '../text/numbers.js';
import { type CurvePoint, extent, type FinitePoint, finitePoints, heldFinite } from './resample.js';

/** A chart, described once: `textChart` draws it for a terminal, `svgChart` as a picture. */
export interface ChartSpec {
  /** What the y axis shows; the chart's heading. */
  readonly title: string;
  readonly x: { readonly label: string; readonly scale: 'linear' | 'log' };
  /** What the y axis covers; curves are cut off at its ends [everything]. */
  readonly y?: Range;
  /** Rows of the area in a terminal, at most; the labels of the y axis follow from it. */
  readonly rows: number;
  readonly series: readonly ChartSeries[];
  /** Single measurements behind the curves. */
  readonly dots?: { readonly name: string; readonly points: readonly CurvePoint[] };
  /** What the shaded bands show, for the legend. */
  readonly bandName?: string;
  /** Places worth a letter; where letters repeat, the legend names the first. */
  readonly letters?: readonly ChartLetter[];
  /** Dashed lines from top to bottom; those with a name are in the legend. */
  readonly verticals?: readonly ChartVertical[];
}

/** A curve. */
export interface ChartSeries {
  readonly name: string;
  readonly points: readonly CurvePoint[];
  /** Lowest and highest at each x, such as over seeds; shaded behind the curve. */
  readonly band?: readonly BandPoint[];
  /** What the curve is the mean of, each seed's curve: thin lines in a picture, left out in a terminal. */
  readonly strands?: readonly (readonly CurvePoint[])[];
  /** Each value holds until the next point, as a rate that is decayed in steps [straight from point to point]. */
  readonly held?: boolean;
  /** [the next of six] */
  readonly colour?: Colour;
}

/** A band's limits at one x, left out where one of them is null, NaN or infinite. */
export interface BandPoint {
  readonly x: number;
  readonly low: number | null;
  readonly high: number | null;
}

/** A letter at a point, and what it means. */
export interface ChartLetter extends FinitePoint {
  readonly letter: string;
  readonly name: string;
  readonly colour: Colour;
}

export interface ChartVertical {
  readonly x: number;
  readonly name?: string;
  readonly colour: Colour;
}

/** The lowest and the highest value on an axis. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** What there is to draw of a chart: finite numbers within its axes, and nothing else. */
export interface Drawing {
  readonly x: Range;
  readonly y: Range;
  readonly series: readonly DrawnSeries[];
  readonly dots: readonly FinitePoint[];
  readonly letters: readonly ChartLetter[];
  readonly verticals: readonly ChartVertical[];
}

/** A curve as far as it lies within the axes. */
export interface DrawnSeries {
  readonly name: string;
  /** Its place among all series, which stroke and symbol follow from. */
  readonly index: number;
  readonly colour: Colour;
  /** A curve that leaves the axes and comes back is in several pieces. */
  readonly pieces: readonly (readonly FinitePoint[])[];
  readonly band: readonly (Range & { readonly x: number })[];
  /** As far as they lie within the axes. */
  readonly strands: readonly (readonly FinitePoint[])[];
  readonly held: boolean;
  /** Whether symbols mark the curve: where several have to be told apart, and where the points are few. */
  readonly marked: boolean;
}

// A curve of at most so many points has a symbol on each.
const FEW = 12;

/**
 * Leaves out what is no number and cuts off what lies beyond the axes. Null where nothing remains.
 * @param mostBands where there are more bands than this over each other, none is drawn
 */
export function drawingOf(spec: ChartSpec, mostBands = Infinity): Drawing | null {
  const banded = spec.series.filter(({ band = [] }) => band.length > 0).length <= mostBands;
  const placed = ({ x }: { readonly x: number }) => spec.x.scale === 'linear' || x > 0;
  const shown = spec.series
    .map(({ points, band = [], strands = [], name, colour, held = false }, index) => ({
      name,
      index,
      held,
      colour: colour ?? seriesColour(index),
      points: finitePoints(points).filter(placed),
      band: banded ? finiteBand(band).filter(placed) : [],
      strands: strands.map((strand) => finitePoints(strand).filter(placed)),
    }))
    .filter(({ points }) => points.length > 0);
  const dots = finitePoints(spec.dots?.points ?? []).filter(placed);
  if (shown.length === 0 && dots.length === 0) return null;
  const [xLow, xHigh] = extent([...shown.flatMap(({ points }) => points), ...dots].map(({ x }) => x));
  const x = { low: xLow, high: xHigh };
  const [low, high] = extent([
    ...shown.flatMap(({ points, band }) => [
      ...points.map(({ y }) => y),
      ...band.flatMap((limits) => [limits.low, limits.high]),
    ]),
    ...(shown.length === 0 ? dots.map((dot) => dot.y) : []),
  ]);
  const y = spec.y ?? { low, high };
  const within = (range: Range, value: number) => value >= range.low && value <= range.high;
  return {
    x,
    y,
    series: shown.map(({ points, band, strands, ...rest }) => ({
      ...rest,
      pieces: piecesWithin(points, y),
      strands: strands.flatMap((strand) => piecesWithin(strand, y)),
      band: band
        .filter((at) => within(x, at.x) && at.low <= y.high && at.high >= y.low)
        .map((at) => ({ x: at.x, low: Math.max(at.low, y.low), high: Math.min(at.high, y.high) })),
      marked: shown.length > 1 || points.length <= FEW,
    })),
    dots: dots.filter((dot) => within(y, dot.y)),
    letters: (spec.letters ?? [])
      .filter((at) => within(x, at.x) && !Number.isNaN(at.y))
      .map((at) => ({ ...at, y: Math.min(Math.max(at.y, y.low), y.high) })),
    verticals: (spec.verticals ?? []).filter((at) => within(x, at.x)),
  };
}

/** An entry of a chart's legend; a curve's has the curve, a letter's the letter. */
export interface LegendEntry {
  readonly kind: 'curve' | 'band' | 'dots' | 'letter' | 'vertical';
  readonly name: string;
  readonly colour: Colour;
  readonly curve?: DrawnSeries;
  readonly letter?: string;
}

/** What both charts name in their legends, in this order. */
export function legendOf(spec: ChartSpec, { series, dots, letters, verticals }: Drawing): LegendEntry[] {
  const banded = series.filter(({ band }) => band.length > 0);
  const firsts = letters.filter(({ letter }, i) => letters.findIndex((at) => at.letter === letter) === i);
  const bandColour = banded.length === 1 ? (banded[0]?.colour ?? 'grey') : 'grey';
  return [
    ...series.map((curve): LegendEntry => {
      return { kind: 'curve', name: curve.name, colour: curve.colour, curve };
    }),
    ...(banded.length === 0
      ? []
      : [{ kind: 'band' as const, name: spec.bandName ?? 'lowest to highest', colour: bandColour }]),
    ...(dots.length === 0
      ? []
      : [{ kind: 'dots' as const, name: spec.dots?.name ?? '', colour: 'grey' as const }]),
    ...firsts.map(({ letter, name, colour }) => ({ kind: 'letter' as const, name, colour, letter })),
    ...verticals.flatMap(({ name, colour }) =>
      name === undefined ? [] : [{ kind: 'vertical' as const, name, colour }],
    ),
  ];
}

/** A chart in a sentence or two, for those who cannot see it: where each curve begins, ends and has its extremes. */
export function chartInWords(spec: ChartSpec): string {
  const curves = spec.series.flatMap(({ name, points }) => {
    const drawn = finitePoints(points);
    const [first, last] = [drawn[0], drawn.at(-1)];
    if (first === undefined || last === undefined) return [];
    const [low, high] = extent(drawn.map(({ y }) => y));
    const [from, to, least, most] = [first.y, last.y, low, high].map((y) => formatRate(y));
    return [`${name} from ${from} to ${to}, lowest ${least}, highest ${most}`];
  });
  const letters = (spec.letters ?? []).map(({ name }) => name);
  const told = [...curves, ...new Set(letters)].join('; ');
  return `${spec.title}, by ${spec.x.label}: ${told === '' ? 'no values' : told}.`;
}

function finiteBand(band: readonly BandPoint[]): DrawnSeries['band'] {
  return band.flatMap(({ x, low, high }) =>
    low !== null && high !== null && [x, low, high].every(Number.isFinite)
      ? [{ x: heldFinite(x), low: heldFinite(low), high: heldFinite(high) }]
      : [],
  );
}

/** A curve that leaves the range ends at its edge, and begins again with the first point that is back inside. */
function piecesWithin(points: readonly FinitePoint[], { low, high }: Range): FinitePoint[][] {
  const pieces: FinitePoint[][] = [];
  let open: FinitePoint[] | undefined;
  for (const { x, y } of points) {
    const inside = Math.min(Math.max(y, low), high);
    if (inside === y && open === undefined) pieces.push((open = []));
    open?.push({ x, y: inside });
    if (inside !== y) open = undefined;
  }
  return pieces;
}
