import type { CustomSeriesOption, LineSeriesOption, ScatterSeriesOption } from 'echarts/charts';
import { finitePoints, type CurvePoint } from './resample.js';

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

/** Okabe and Ito, Color Universal Design (2008). */
const PALETTE = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const GREY = '#666666';

type AnySeries = LineSeriesOption | ScatterSeriesOption | CustomSeriesOption;

/** A chart as a standalone SVG document, the same text for the same input; loads echarts when first called. */
export async function svgChart(spec: SvgChartSpec): Promise<string> {
  const [{ init, use }, charts, components, { SVGRenderer }] = await Promise.all([
    import('echarts/core'),
    import('echarts/charts'),
    import('echarts/components'),
    import('echarts/renderers'),
  ]);
  use([charts.LineChart, charts.ScatterChart, charts.CustomChart, SVGRenderer]);
  use([
    components.GridComponent,
    components.LegendComponent,
    components.TitleComponent,
    components.MarkLineComponent,
  ]);
  const size = { width: spec.width ?? 840, height: spec.height ?? 480 };
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    chart.setOption(optionsOf(spec));
    return named(chart.renderToSVGString(), spec);
  } finally {
    chart.dispose();
  }
}

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
    grid: { left: 78, right: 30, top: 56, bottom: 92 },
    xAxis: {
      ...axis,
      ...xRange,
      type: spec.xScale === 'log' ? 'log' : 'value',
      name: spec.xLabel,
      nameGap: 30,
      axisLabel: { formatter: (value: number) => axisText(value) },
    },
    yAxis: {
      ...axis,
      type: 'value',
      name: spec.yLabel,
      nameGap: 52,
      ...(spec.yMax === undefined ? {} : { max: spec.yMax }),
      axisLabel: { formatter: (value: number) => axisText(value) },
    },
    series: [...bandsOf(spec), ...curvesOf(spec)],
  };
}

function colourOf({ colour }: SvgSeries, index: number): string {
  return colour ?? PALETTE[index % PALETTE.length] ?? GREY;
}

function curvesOf({ series, markers = [] }: SvgChartSpec): AnySeries[] {
  return series.map((one, index): AnySeries => {
    const data = finitePoints(one.points).map(({ x, y }) => [x, y]);
    const color = colourOf(one, index);
    const markLine = {
      symbol: 'none',
      silent: true,
      data: markers.map(({ x, name, colour }) => ({
        xAxis: x,
        lineStyle: { color: colour ?? GREY, type: 'dashed' as const },
        label: { formatter: name, color: colour ?? GREY, position: 'end' as const },
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

function axisText(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential().replace('e+', 'e');
  return String(Number(value.toPrecision(6)));
}

/** Names the picture for screen readers, and gives it ids of its own: echarts counts them up from call to call. */
function named(svg: string, { title, id = 'chart' }: SvgChartSpec): string {
  const text = title.replace(/&/gu, '&amp;').replace(/</gu, '&lt;').replace(/>/gu, '&gt;');
  return svg
    .replace(/\bzr\d+-/gu, `${id}-`)
    .replace(/<svg([^>]*)>/u, (_, rest) => `<svg${rest} role="img"><title>${text}</title>`);
}
