import { counted, formatRate } from './numbers.js';
import { joinBlocks, paragraph } from './paragraph.js';
import { stepCharts } from './step-charts.js';
import type { ReportLayout } from './train-report.js';

/** A run that has not been trained: its rates and momenta step by step. */
export interface PlanView {
  readonly config: { readonly policy: string; readonly epochs: number; readonly batchSize: number };
  readonly stepsPerEpoch: number;
  /** Steps that were taken before; `steps` follow them [0]. */
  readonly trained?: number;
  readonly steps: readonly {
    readonly step: number;
    readonly epoch: number;
    readonly learningRate: number;
    readonly momentum: number;
  }[];
}

/** A schedule before it is spent: charts of rate and momentum, and the numbers that shape them. */
export function planReport(
  { config, stepsPerEpoch, trained = 0, steps }: PlanView,
  { width, colour }: ReportLayout,
): string {
  const { policy, epochs, batchSize } = config;
  const highest = steps.reduce(
    (top, step) => (step.learningRate > top.learningRate ? step : top),
    steps[0] ?? NO_STEP,
  );
  const [first, last] = [steps[0] ?? NO_STEP, steps.at(-1) ?? NO_STEP];
  return joinBlocks([
    paragraph(
      `${policy}: ${counted(epochs, 'epoch')} of ${counted(stepsPerEpoch, 'step')} with batches of ${batchSize}, ${counted(trained + steps.length, 'step')} in all. ${trained === 0 ? 'Nothing was trained.' : `${counted(trained, 'step')} of them trained before; the rest:`}`,
      width,
    ),
    stepCharts([{ name: policy, steps: steps.map((step) => ({ ...step, loss: 0 })) }], width, colour),
    paragraph(
      `The rate starts at ${formatRate(first.learningRate)}, is highest at step ${highest.step} (epoch ${highest.epoch}) with ${formatRate(highest.learningRate)}, and ends at ${formatRate(last.learningRate)}.`,
      width,
    ),
  ]);
}

const NO_STEP = { step: 0, epoch: 1, learningRate: 0, momentum: 0 };
