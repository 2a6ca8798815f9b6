import type { StepRecord } from '../training/records.js';
import type { Colour } from './colour.js';
import { pairOfCharts, type ChartRoom } from './layout.js';
import { lineChart, type ChartSeries } from './line-chart.js';

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
