import type { CustomSeriesOption, LineSeriesOption, ScatterSeriesOption } from 'echarts/charts';
import { exponential } from '../text/numbers.js';
import { type CurvePoint, extent, finitePoints } from './resample.js';

/** A chart as a standalone SVG document, the same text for the same input; loads echarts when first called. */
export async function svgChart(spec: SvgChartSpec): Promise<string> {
  // The bundle: one file is read sooner than the 600 that the package is made of.
  const { init } = await import('echarts/dist/echarts.esm.min');
  const size = { width: spec.width ?? 840, height: spec.height ?? 480 };
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    chart.setOption(optionsOf(spec));
    return standalone(chart.renderToSVGString(), spec);
  } finally {
    chart.dispose();
  }
}

/**
 * Names the picture for screen readers, gives it ids of its own, and leaves out what serves a live chart alone
 * (hover styles, indices): echarts counts both up from call to call.
 */
function standalone(svg: string, { title, id = 'chart' }: SvgChartSpec): string {
  const text = title.replace(/&/gu, '&amp;').replace(/</gu, '&lt;').replace(/>/gu, '&gt;');
  return svg
    .replace(/ (?:class|ecmeta_\w+)="[^"]*"/gu, '')
    .replace(/<style[^>]*>[^]*?<\/style>\s*/gu, '')
    .replace(/\bzr\d+-/gu, `${id}-`)
    .replace(/<svg([^>]*)>/u, (_, rest) => `<svg${rest} role="img"><title>${text}</title>`);
}

/** Okabe and Ito, Color Universal Design (2008). */
const PALETTE = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const GREY = '#666666';
// Pixels from one line of marker labels to the next.
const LABEL_HEIGHT = 15;

type AnySeries = LineSeriesOption | ScatterSeriesOption | CustomSeriesOption;

/** What echarts is to draw, in its own terms (echarts 6, option manual). */
function optionsOf(spec: SvgChartSpec) {
  const axis = {
    nameLocation: 'middle',
    scale: true,
    axisLine: { show: true, onZero: false },
    axisTick: { show: true },
  };
  const xs = spec.series.flatMap(({ points }) => finitePoints(points).map(({ x }) => x));
  const xRange = xs.length === 0 ? {} : { min: 'dataMin', max: 'dataMax' };
  return {
    animation: false,
    backgroundColor: '#ffffff',
    color: PALETTE,
    title: { text: spec.title, left: 'center', top: 10, textStyle: { fontSize: 16 } },
    legend: { bottom: 8, left: 'center', data: spec.series.map(({ name }) => name), selectedMode: false },
    grid: {
      left: 78,
      right: 30,
      top: 56 + LABEL_HEIGHT * Math.max(0, ...labelLevels(spec).values()),
      bottom: 92,
    },
    xAxis: {
      ...axis,
      ...xRange,
      type: spec.xScale === 'log' ? 'log' : 'value',
      name: spec.xLabel,
      nameGap: 30,
      axisLabel: { formatter: spec.xScale === 'log' ? decadeText : axisText },
      ...(xs.every(Number.isInteger) ? { minInterval: 1 } : {}),
    },
    yAxis: {
      ...axis,
      type: 'value',
      name: spec.yLabel,
      nameGap: 52,
      ...(spec.yMax === undefined ? {} : { max: spec.yMax }),
      axisLabel: { formatter: axisText },
    },
    series: [...bandsOf(spec), ...curvesOf(spec)],
  };
}

function colourOf({ colour }: SvgSeries, index: number): string {
  return colour ?? PALETTE[index % PALETTE.length] ?? GREY;
}

function curvesOf(spec: SvgChartSpec): AnySeries[] {
  const { series, markers = [] } = spec;
  const levels = labelLevels(spec);
  return series.map((one, index): AnySeries => {
    const data = finitePoints(one.points).map(({ x, y }) => [x, y]);
    const color = colourOf(one, index);
    const markLine = {
      symbol: 'none',
      silent: true,
      // Its default of two decimals would put every learning rate at 0.
      precision: 20,
      data: markers.map(({ x, name, colour }) => ({
        xAxis: x,
        lineStyle: { color: colour ?? GREY, type: 'dashed' as const },
        label: {
          formatter: name,
          color: colour ?? GREY,
          position: 'end' as const,
          distance: 3 + LABEL_HEIGHT * (levels.get(x) ?? 0),
        },
      })),
    };
    const common = { name: one.name, data, itemStyle: { color }, ...(index === 0 ? { markLine } : {}) };
    if (one.kind === 'dots')
      return { ...common, type: 'scatter', symbolSize: 4, itemStyle: { color, opacity: 0.45 } };
    const few = data.length <= 30;
    return {
      ...common,
      type: 'line',
      clip: true,
      showSymbol: few,
      symbolSize: 7,
      lineStyle: { width: 2, color },
    };
  });
}

/** Bands as polygons: there and back again. */
function bandsOf({ series }: SvgChartSpec): AnySeries[] {
  return series.flatMap((one, index): AnySeries[] => {
    const band = (one.band ?? []).filter(({ x, low, high }) => [x, low, high].every(Number.isFinite));
    if (band.length < 2) return [];
    const outline = [
      ...band.map(({ x, high }) => [x, high]),
      ...band.toReversed().map(({ x, low }) => [x, low]),
    ];
    return [
      {
        type: 'custom',
        silent: true,
        clip: true,
        // All points are handed over so that the axes cover them; the first draws the whole polygon.
        data: outline,
        renderItem: (params, api) => {
          if (params.dataIndexInside !== 0) return null;
          return {
            type: 'polygon',
            shape: { points: outline.map((point) => api.coord(point)) },
            style: { fill: colourOf(one, index), opacity: 0.16 },
          };
        },
      },
    ];
  });
}

/** The ends of a logarithmic axis need not be powers of ten: they then carry no label. */
function decadeText(value: number): string {
  const power = Math.log10(value);
  return Math.abs(power - Math.round(power)) < 1e-9 ? axisText(10 ** Math.round(power)) : '';
}

function axisText(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-2 || size >= 1e6)
    ? exponential(value, 6)
    : String(Number(value.toPrecision(6)));
}

/** A curve or a cloud of points. */
export interface SvgSeries {
  readonly name: string;
  readonly points: readonly CurvePoint[];
  /** Joined points [line], or a dot for each. */
  readonly kind?: 'line' | 'dots';
  /** A CSS colour; by default one of six that colour-blind readers can tell apart. */
  readonly colour?: string;
  /** A shaded area behind the curve, such as from the lowest to the highest seed. */
  readonly band?: readonly { readonly x: number; readonly low: number; readonly high: number }[];
}

/** What `svgChart` draws; sizes in pixels. */
export interface SvgChartSpec {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** [linear] */
  readonly xScale?: 'linear' | 'log';
  readonly series: readonly SvgSeries[];
  /** Labelled verticals. */
  readonly markers?: readonly { readonly x: number; readonly name: string; readonly colour?: string }[];
  readonly width?: number;
  readonly height?: number;
  /** Highest value shown on the y axis; curves are clipped there. */
  readonly yMax?: number;
  /** Begins the ids and class names inside, which must differ between charts of one HTML page ["chart"]. */
  readonly id?: string;
}

// Width of a letter at the labels' size in pixels, generously.
const LETTER = 7;

/** By the x of each marker how many lines up its label stands: above those of its left neighbours that it would touch. */
export function labelLevels({
  series,
  markers = [],
  xScale,
  width = 840,
}: SvgChartSpec): Map<number, number> {
  const place = xScale === 'log' ? Math.log10 : (x: number): number => x;
  const [low, high] = extent(series.flatMap(({ points }) => finitePoints(points).map(({ x }) => place(x))));
  const levels = new Map<number, number>();
  const ends: number[] = [];
  for (const { x, name } of markers.toSorted((a, b) => a.x - b.x)) {
    const centre = ((place(x) - low) / (high - low || 1)) * (width - 108);
    const half = (name.length * LETTER) / 2;
    const free = ends.findIndex((end) => end < centre - half);
    const level = free < 0 ? ends.length : free;
    ends[level] = centre + half;
    levels.set(x, level);
  }
  return levels;
}
