import { armTable, differenceTable, runTable } from './compare-tables.js';
import type { CompareView } from './compare-view.js';
import { pairOfCharts, type ChartRoom } from './layout.js';
import { lineChart } from './line-chart.js';
import { counted, formatFraction, formatInterval } from './numbers.js';
import { joinBlocks, paintLines, paragraph } from './paragraph.js';
import { seedCurve } from './seed-curve.js';
import { stepCharts } from './step-charts.js';
import type { ReportLayout } from './train-report.js';

/** A comparison as text: curves of the arms, tables, what differs by how much, and last the verdict. */
export function compareReport(view: CompareView, layout: ReportLayout): string {
  const { width, colour } = layout;
  return joinBlocks([
    paintLines(paragraph(headline(view), width), 'bold', colour),
    epochCharts(view, layout),
    // The schedule is the same for every seed of an arm: one run shows it.
    stepCharts(
      view.curves.map(({ policy, runs }) => ({ name: policy, steps: runs[0]?.steps ?? [] })),
      width,
      colour,
    ),
    armTable(view, layout),
    runTable(view, layout),
    view.differences.length === 0 ? undefined : differences(view, layout),
    paragraph(superConvergence(view), width),
    view.warnings.map((warning) => paintLines(paragraph(warning, width, '! '), 'yellow', colour)).join('\n'),
    paintLines(paragraph(view.verdict.sentence, width), 'bold', colour),
  ]);
}

function headline({ arms, curves }: CompareView): string {
  const seeds = arms.map(({ runs }) => runs.length);
  const epochs = Math.max(0, ...curves.flatMap(({ runs }) => runs.map((run) => run.epochs.length)));
  const [fewest, most] = [Math.min(...seeds), Math.max(...seeds)];
  const seedText = fewest === most ? counted(most, 'seed') : `${fewest} to ${counted(most, 'seed')}`;
  return `${arms.map(({ policy }) => policy).join(' against ')}: ${seedText} each, ${counted(epochs, 'epoch')}`;
}

/** The table, and under it the method where one is common to all rows. */
function differences({ differences: found }: CompareView, layout: ReportLayout): string {
  const methods = new Set(found.map(({ method }) => method));
  const lines = differenceTable(found, methods.size > 1, layout);
  const note = `Difference of the final accuracy in percentage points; method: ${[...methods].join(', ')}.`;
  return methods.size > 1
    ? lines
    : `${lines}\n${paintLines(paragraph(note, layout.width), 'grey', layout.colour)}`;
}

function epochCharts({ curves }: CompareView, { width, colour }: ReportLayout): string {
  // More than two bands over each other hide more than they show.
  const seeds = Math.max(0, ...curves.map(({ runs }) => runs.length));
  const chart = (yLabel: string, value: Parameters<typeof seedCurve>[1]) => (room: ChartRoom) =>
    lineChart({
      series: curves.map((arm) => seedCurve(arm, value, curves.length <= 2)),
      ...room,
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
