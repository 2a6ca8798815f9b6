import type { FinderDocument, RecordedCurve } from '../../runs/documents.js';
import type { Spread } from '../../stats/range/suggestions.js';
import { METHODS, rangeChart } from '../charts/range-test.js';
import { textChart } from '../charts/terminal.js';
import { joinBlocks, paintLines, paragraph, type ReportLayout } from '../text/layout.js';
import { formatRate, MISSING } from '../text/numbers.js';
import { table, type TableColumn } from '../text/table.js';

/** A range test as text: the curve, every method's reading over the seeds, the recommended rates and why. */
export function findLrReport(document: FinderDocument, layout: ReportLayout): string {
  const { curves, recommended, reason, config } = document;
  const { width, colour } = layout;
  return joinBlocks([
    textChart(rangeChart(document), layout),
    curves.map((curve) => paragraph(howItEnded(curve, config.steps), width)).join('\n'),
    table(...suggestionTable(document), layout),
    paintLines(paragraph(recommendation(document), width), recommended === null ? 'yellow' : 'bold', colour),
    paragraph(reason, width),
    paragraph(document.run, width),
  ]);
}

/** A range test beside the training that takes its rate: the curve, the rate and why. */
export function rateReport(document: FinderDocument, layout: ReportLayout): string {
  return joinBlocks([
    textChart(rangeChart(document), layout),
    paintLines(paragraph(recommendation(document), layout.width), 'bold', layout.colour),
    paragraph(document.reason, layout.width),
  ]);
}

/** In a sentence, how the range test of a seed ended. */
export function howItEnded({ seed, points, divergedAt, stop }: RecordedCurve, planned: number): string {
  const rate = formatRate(
    points.find(({ step }) => step === divergedAt)?.learningRate ?? points.at(-1)?.learningRate,
  );
  if (stop === 'end' && points.length < planned) {
    return `seed ${seed}: interrupted at ${rate}, after ${points.length} of ${planned} steps`;
  }
  if (stop === 'end') return `seed ${seed}: reached the end of the test at ${rate} without diverging`;
  return `seed ${seed}: ${stop} at ${rate}${divergedAt === null ? '' : `, step ${divergedAt}`}`;
}

/** What each method reads from the curves, over the seeds. */
export function suggestionTable({ suggestions, curves }: FinderDocument): [TableColumn[], string[][]] {
  const several = curves.length > 1;
  const spread = ['lowest', 'highest', 'spread'].map((header) => ({ header, align: 'right' as const }));
  return [
    [
      { header: '' },
      { header: 'method' },
      { header: several ? 'median' : 'rate', align: 'right' },
      ...(several ? spread : []),
    ],
    METHODS.map(({ key, letter, name }) => {
      const found = suggestions[key];
      return [
        letter,
        name,
        formatRate(found.median),
        ...(several ? [formatRate(found.low), formatRate(found.high), spreadText(found, curves.length)] : []),
      ];
    }),
  ];
}

/** By which factor the seeds' answers differ, and how many of `all` seeds have one where others have none. */
function spreadText({ low, high, seeds }: Spread, all: number): string {
  if (low === null || high === null) return MISSING;
  const factor = `x ${(high / low).toFixed(1)}`;
  if (seeds === undefined || seeds === all) return factor;
  return seeds === 1 ? `1 of ${all} seeds` : `${factor}, ${seeds} of ${all} seeds`;
}

/** The recommended rates in a sentence, or that there are none. */
export function recommendation({ recommended }: FinderDocument): string {
  if (recommended === null) return 'No rate is recommended.';
  const { learningRate, fixedLearningRate } = recommended;
  return `Recommended: maximum rate ${formatRate(learningRate)} for 1cycle, ${formatRate(fixedLearningRate)} for a fixed policy.`;
}
