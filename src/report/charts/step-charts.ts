import type { StepRecord } from '../../runs/documents.js';
import type { Colour } from '../text/colour.js';
import { type ChartRoom, pairOfCharts } from '../text/layout.js';
import { type ChartSeries, lineChart } from './line-chart.js';

/** The steps of one run under the name that the legend gives it. */
export interface NamedSteps {
  readonly name: string;
  readonly steps: readonly StepRecord[];
  readonly colour?: Colour;
}

/** Two small charts: the learning rate and the momentum that the optimizer held at each step. */
export function stepCharts(runs: readonly NamedSteps[], width: number, colour: boolean): string {
  const chart = (yLabel: string, value: (step: StepRecord) => number) => (room: ChartRoom) =>
    lineChart({
      series: runs.map(({ name, steps, colour: tint }): ChartSeries => ({
        name,
        x: steps.map(({ step }) => step),
        values: steps.map(value),
        ...(tint === undefined ? {} : { colour: tint }),
      })),
      ...room,
      height: 7,
      colour,
      yLabel,
      xLabel: 'step',
    });
  return pairOfCharts(
    width,
    chart('learning rate', ({ learningRate }) => learningRate),
    chart('momentum', ({ momentum }) => momentum),
  );
}
