import { armTable, differenceTable, runTable } from './compare-tables.js';
import type { CompareView } from './compare-view.js';
import { pairOfCharts } from './layout.js';
import { lineChart } from './line-chart.js';
import { formatFraction, formatInterval } from './numbers.js';
import { joinBlocks, paintLines, paragraph } from './paragraph.js';
import { seedCurve } from './seed-curve.js';
import { stepCharts } from './step-charts.js';
import type { ReportLayout } from './train-report.js';

/** A comparison as text: curves of the arms, tables, what differs by how much, and last the verdict. */
export function compareReport(view: CompareView, layout: ReportLayout): string {
  const { width, colour } = layout;
  return joinBlocks([
    epochCharts(view, layout),
    // The schedule is the same for every seed of an arm: one run shows it.
    stepCharts(
      view.curves.map(({ policy, runs }) => ({ name: policy, steps: runs[0]?.steps ?? [] })),
      width,
      colour,
    ),
    armTable(view, layout),
    runTable(view, layout),
    view.differences.length === 0 ? undefined : differenceTable(view.differences, layout),
    paragraph(superConvergence(view), width),
    view.warnings.map((warning) => paintLines(paragraph(warning, width, '! '), 'yellow', colour)).join('\n'),
    paintLines(paragraph(view.verdict.sentence, width), 'bold', colour),
  ]);
}

function epochCharts({ curves }: CompareView, { width, colour }: ReportLayout): string {
  const seeds = Math.max(0, ...curves.map(({ runs }) => runs.length));
  const chart = (yLabel: string, value: Parameters<typeof seedCurve>[1]) => (columns: number) =>
    lineChart({
      series: curves.map((arm) => seedCurve(arm, value)),
      width: columns,
      height: 12,
      colour,
      yLabel: seeds > 1 ? `${yLabel}, mean of the seeds` : yLabel,
      xLabel: 'epoch',
      bandLabel: 'lowest to highest seed',
    });
  return pairOfCharts(
    width,
    chart('validation accuracy', ({ validAccuracy }) => validAccuracy),
    chart('validation loss', ({ validLoss }) => validLoss),
  );
}

function superConvergence({ superConvergence: found, difference, arms }: CompareView): string {
  const arm = difference?.arm ?? arms.at(-1)?.policy ?? 'the last arm';
  const baseline = difference?.baseline ?? arms[0]?.policy ?? 'the first';
  if (found === null)
    return 'Super-convergence factor: none (it takes a target accuracy that both arms reach).';
  const { target, factor, low, high } = found;
  const decimals = (value: number | null | undefined): string => formatFraction(value, 2);
  return (
    `Super-convergence factor: ${decimals(factor)} ${formatInterval(low, high, decimals)}, ` +
    `steps of ${baseline} over steps of ${arm} up to an accuracy of ${formatFraction(target)}.`
  );
}
