import type { EpochRecord, StepRecord } from '../../runs/documents.js';
import type { ArmCurves, CompareView } from '../compare-view.js';
import { differenceSvg } from './difference-svg.js';
import type { ChartSeries } from './line-chart.js';
import { svgChart, type SvgSeries } from './svg.js';

/** A chart of the comparison, named as its files are. */
export interface NamedChart {
  readonly name: string;
  /** What it shows, in a sentence for those who cannot see it. */
  readonly caption: string;
  readonly svg: string;
  /** As wide as the page. */
  readonly full?: boolean;
}

/** Points of a curve over steps: more than a screen has columns only make the page heavy. */
const MOST_POINTS = 400;
const SIZE = { width: 640, height: 400 };

/** All charts of a comparison as standalone SVG documents. */
export async function compareCharts(view: CompareView): Promise<NamedChart[]> {
  const seeds = Math.max(0, ...view.curves.map(({ runs }) => runs.length));
  const over = seeds > 1 ? ', mean and range of the seeds' : '';
  const epochs = (name: string, what: string, value: (epoch: EpochRecord) => number) =>
    chart(view, { name, title: `${what}${over}`, xLabel: 'epoch', yLabel: what.toLowerCase() }, (arm) =>
      epochSeries(arm, value),
    );
  const steps = (name: string, what: string, value: (step: StepRecord) => number) =>
    chart(view, { name, title: `${what} at each step`, xLabel: 'step', yLabel: what.toLowerCase() }, (arm) =>
      stepSeries(arm, value),
    );
  const charts = [
    await epochs('accuracy', 'Validation accuracy', ({ validAccuracy }) => validAccuracy),
    await epochs('valid-loss', 'Validation loss', ({ validLoss }) => validLoss),
    await steps('learning-rate', 'Learning rate', ({ learningRate }) => learningRate),
    await steps('momentum', 'Momentum', ({ momentum }) => momentum),
  ];
  const differences = differenceSvg(view);
  const caption = 'Differences of the final accuracy: each seed, their mean, and its 95% intervals';
  return differences === null
    ? charts
    : [{ name: 'difference', caption, svg: differences, full: true }, ...charts];
}

type Arm = CompareView['curves'][number];

async function chart(
  { curves }: CompareView,
  words: { readonly name: string; readonly title: string; readonly xLabel: string; readonly yLabel: string },
  series: (arm: Arm) => SvgSeries,
): Promise<NamedChart> {
  const { name, ...spec } = words;
  return {
    name,
    caption: spec.title,
    svg: await svgChart({ ...spec, ...SIZE, id: name, series: curves.map(series) }),
  };
}

function epochSeries(arm: Arm, value: (epoch: EpochRecord) => number): SvgSeries {
  const { name, x = [], values, band } = seedCurve(arm, value, true);
  return {
    name,
    points: values.map((y, i) => ({ x: x[i] ?? i + 1, y })),
    ...(band === undefined
      ? {}
      : {
          band: band.low.map((low, i) => ({ x: x[i] ?? i + 1, low: low ?? NaN, high: band.high[i] ?? NaN })),
        }),
  };
}

/** The schedule is the same for every seed of an arm: one run shows it. */
function stepSeries({ policy, runs }: Arm, value: (step: StepRecord) => number): SvgSeries {
  const steps = runs[0]?.steps ?? [];
  const stride = Math.max(1, Math.ceil(steps.length / MOST_POINTS));
  return {
    name: policy,
    points: steps
      .filter((_, i) => i % stride === 0 || i === steps.length - 1)
      .map((step) => ({ x: step.step, y: value(step) })),
  };
}

/**
 * An arm's curve per epoch: the mean over its seeds and, where `banded` and from two seeds on, a band from the
 * lowest to the highest.
 */
export function seedCurve(
  { policy, runs }: ArmCurves,
  value: (epoch: EpochRecord) => number,
  banded: boolean,
): ChartSeries {
  const byEpoch = new Map<number, number[]>();
  for (const record of runs.flatMap(({ epochs }) => epochs)) {
    const number = value(record);
    if (!Number.isFinite(number)) continue;
    const seen = byEpoch.get(record.epoch);
    if (seen === undefined) byEpoch.set(record.epoch, [number]);
    else seen.push(number);
  }
  const points = [...byEpoch].sort(([a], [b]) => a - b);
  const curve: ChartSeries = {
    name: policy,
    x: points.map(([epoch]) => epoch),
    values: points.map(([, seeds]) => seeds.reduce((sum, seed) => sum + seed, 0) / seeds.length),
  };
  if (!banded || runs.length < 2) return curve;
  return {
    ...curve,
    band: {
      low: points.map(([, seeds]) => Math.min(...seeds)),
      high: points.map(([, seeds]) => Math.max(...seeds)),
    },
  };
}
