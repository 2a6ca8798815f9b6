import type { CustomSeriesOption, LineSeriesOption, ScatterSeriesOption } from 'echarts/charts';
import { finitePoints } from './resample.js';
import { labelLevels } from './svg-marker-labels.js';
import type { SvgChartSpec, SvgSeries } from './svg-spec.js';
import { exponential } from './tick-format.js';

/** Okabe and Ito, Color Universal Design (2008). */
const PALETTE = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const GREY = '#666666';
// Pixels from one line of marker labels to the next.
const LABEL_HEIGHT = 15;

type AnySeries = LineSeriesOption | ScatterSeriesOption | CustomSeriesOption;

/** What echarts is to draw, in its own terms (echarts 6, option manual). */
export function optionsOf(spec: SvgChartSpec) {
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
