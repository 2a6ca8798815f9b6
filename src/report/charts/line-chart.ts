import { type Colour, seriesColour } from '../text/colour.js';
import { printable, wrap } from '../text/width.js';
import type { Tick } from './axes.js';
import { drawPlot, type LegendItem, lineStyle, stroke, VERTICAL } from './plot.js';
import { extent, type FinitePoint, finitePoints, resampleToColumns } from './resample.js';

/** One curve of a chart. */
export interface ChartSeries {
  readonly name: string;
  /** NaN, infinite and null values are left out. */
  readonly values: readonly (number | null)[];
  /** Place of each value on the x axis [0, 1, 2, ...]. */
  readonly x?: readonly number[];
  readonly colour?: Colour;
  /** One-column glyph that marks the curve's points; by default one for each of several series. */
  readonly symbol?: string;
  /** Lowest and highest at each value, such as over seeds; shaded behind the curve. */
  readonly band?: { readonly low: readonly (number | null)[]; readonly high: readonly (number | null)[] };
}

/** A vertical through the chart, named in the legend. */
export interface ChartMarker {
  readonly x: number;
  readonly name: string;
  readonly colour?: Colour;
}

/** What `lineChart` draws; sizes in terminal columns and rows. */
export interface LineChartSpec {
  readonly series: readonly ChartSeries[];
  readonly width: number;
  /** Rows of the area, at most [10]. */
  readonly height?: number;
  /** Makes up the rows up to `height`, so that charts side by side stand on one line. */
  readonly fill?: boolean;
  readonly colour: boolean;
  /** Text over the chart: what the y axis shows. */
  readonly yLabel?: string;
  readonly xLabel?: string;
  readonly xTicks?: readonly Tick[];
  readonly markers?: readonly ChartMarker[];
  /** What the shaded bands show, for the legend ['range']. */
  readonly bandLabel?: string;
}

const SYMBOLS = ['●', '▲', '■', '◆', '○', '△'];
const SHADES = ['░', '▒', '·'];

/**
 * Overlaid curves as text, never wider than `width`. Curves differ in stroke and symbol, so that they can be
 * told apart without colour. Without any finite value a sentence takes the chart's place.
 */
export function lineChart(spec: LineChartSpec): string {
  const shown = spec.series
    .map((series, index) => ({ series, index, points: pointsOf(series, series.values) }))
    .filter(({ points }) => points.length > 0);
  if (shown.length === 0) {
    return wrap(`${printable(spec.yLabel ?? 'chart')}: no values to draw`, spec.width).join('\n');
  }
  const several = shown.length > 1;
  const looks = shown.map(({ series, index, points }) => ({
    series,
    points,
    colour: series.colour ?? seriesColour(index),
    style: lineStyle(index),
    symbol: series.symbol ?? (several || points.length <= 12 ? SYMBOLS[index % SYMBOLS.length] : undefined),
    shade: SHADES[index % SHADES.length] ?? '░',
  }));
  const [xLow, xHigh] = extent(shown.flatMap(({ points }) => points.map(({ x }) => x)));
  // The range of what will be drawn: means of many points vary less than the points.
  const columns = Math.max(2, spec.width - 8);
  const column = (x: number): number => (xHigh > xLow ? ((x - xLow) / (xHigh - xLow)) * (columns - 1) : 0);
  const drawn = shown.flatMap(({ series, points }) =>
    [points, pointsOf(series, series.band?.low ?? []), pointsOf(series, series.band?.high ?? [])].flatMap(
      (curve) => resampleToColumns(curve, column, columns).filter((y) => y !== null),
    ),
  );
  const [yLow, yHigh] = extent(drawn);
  const markers = spec.markers ?? [];
  const banded = looks.filter(({ series }) => series.band !== undefined).map(({ shade }) => shade);
  return drawPlot({
    title: spec.yLabel,
    width: spec.width,
    height: spec.height ?? 10,
    fill: spec.fill,
    colour: spec.colour,
    xLabel: spec.xLabel,
    x: {
      scale: 'linear',
      low: xLow,
      high: xHigh,
      ...(spec.xTicks === undefined ? {} : { ticks: spec.xTicks }),
    },
    y: { low: yLow, high: yHigh },
    bands: looks.flatMap(({ series, shade, colour }) => bandOf(series, shade, colour)),
    lines: looks.map(({ points, style, symbol, colour }) => ({ points, style, symbol, colour })),
    verticals: markers,
    legend: [
      ...looks.map(({ series, symbol, style, shade, colour }): LegendItem => {
        const line = symbol === undefined ? stroke(style).repeat(2) : stroke(style) + symbol + stroke(style);
        return { sample: line + (series.band === undefined ? '' : shade), text: series.name, colour };
      }),
      ...(banded.length === 0 ? [] : [{ sample: banded.join(''), text: spec.bandLabel ?? 'range' }]),
      ...markers.map(({ name, colour }) => ({ sample: VERTICAL, text: name, colour })),
    ],
  });
}

function place(series: ChartSeries, index: number): number {
  return series.x === undefined ? index : (series.x[index] ?? NaN);
}

function pointsOf(series: ChartSeries, values: readonly (number | null)[]): FinitePoint[] {
  return finitePoints(values.map((y, index) => ({ x: place(series, index), y })));
}

function bandOf(series: ChartSeries, shade: string, colour: Colour) {
  const { band } = series;
  if (band === undefined) return [];
  const points = band.low.map((low, index) => ({
    x: place(series, index),
    low,
    high: band.high[index] ?? null,
  }));
  return [{ points, shade, colour }];
}
