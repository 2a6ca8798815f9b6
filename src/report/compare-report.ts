import { armTable, differenceTable, runTable } from './compare-tables.js';
import type { CompareView } from './compare-view.js';
import { pairOfCharts, type ChartRoom } from './layout.js';
import { lineChart } from './line-chart.js';
import { differencesNote, failures, superConvergenceText, timesNote } from './compare-sentences.js';
import { counted } from './numbers.js';
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
    paragraph(superConvergenceText(view), width),
    paintLines(paragraph(timesNote(view), width), 'grey', colour),
    failures(view)
      .map((text) => paintLines(paragraph(text, width, '! '), 'red', colour))
      .join('\n'),
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
function differences(view: CompareView, layout: ReportLayout): string {
  const methods = new Set(view.differences.map(({ method }) => method));
  const lines = differenceTable(view.differences, methods.size > 1, layout);
  return `${lines}\n${paintLines(paragraph(differencesNote(view), layout.width), 'grey', layout.colour)}`;
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
