import type { RangeCurve } from '../../stats/range/curve.js';
import { type FindLrView, METHODS, rangeChart } from '../charts/range-chart.js';
import { joinBlocks, paintLines, paragraph } from '../text/layout.js';
import { formatRate, MISSING } from '../text/numbers.js';
import { table } from '../text/table.js';
import type { ReportLayout } from './train.js';

/** A range test as text: the curve, every method's reading over the seeds, the recommended rates and why. */
export function findLrReport(view: FindLrView, layout: ReportLayout): string {
  const { width, colour } = layout;
  return joinBlocks([
    rangeChart(view, layout),
    view.curves.map((curve) => paragraph(howItEnded(curve, view.config?.steps), width)).join('\n'),
    suggestionTable(view, layout),
    paintLines(recommendation(view, width), view.recommended === null ? 'yellow' : 'bold', colour),
    paragraph(view.reason, width),
    paragraph(whereItLies(view), width),
  ]);
}

function howItEnded({ seed, points, divergedAt, stop }: RangeCurve, planned = points.length): string {
  const rate = formatRate(
    points.find(({ step }) => step === divergedAt)?.learningRate ?? points.at(-1)?.learningRate,
  );
  if (stop === 'end' && points.length < planned) {
    return `seed ${seed}: interrupted at ${rate}, after ${points.length} of ${planned} steps`;
  }
  if (stop === 'end') return `seed ${seed}: reached the end of the test at ${rate} without diverging`;
  return `seed ${seed}: ${stop} at ${rate}${divergedAt === null ? '' : `, step ${divergedAt}`}`;
}

function suggestionTable({ suggestions, curves }: FindLrView, layout: ReportLayout): string {
  const several = curves.length > 1;
  const spread = ['lowest', 'highest', 'spread'].map((header) => ({ header, align: 'right' as const }));
  return table(
    [
      { header: '' },
      { header: 'method' },
      { header: several ? 'median' : 'rate', align: 'right' },
      ...(several ? spread : []),
    ],
    METHODS.map(({ key, letter, name }) => {
      const found = suggestions[key];
      const factor = (found?.high ?? NaN) / (found?.low ?? NaN);
      return [
        letter,
        name,
        formatRate(found?.median),
        ...(several
          ? [
              formatRate(found?.low),
              formatRate(found?.high),
              Number.isFinite(factor) ? `x ${factor.toFixed(1)}` : MISSING,
            ]
          : []),
      ];
    }),
    layout,
  );
}

function whereItLies({ run, recommended }: FindLrView): string {
  if (run === undefined) return '';
  return recommended === null ? run : `${run} (to train with it: onecycle train --lr from:${run})`;
}

function recommendation({ recommended }: FindLrView, width: number): string {
  if (recommended === null) return paragraph('No rate is recommended.', width);
  const { learningRate, fixedLearningRate } = recommended;
  return paragraph(
    `Recommended: maximum rate ${formatRate(learningRate)} for 1cycle, ${formatRate(fixedLearningRate)} for a fixed policy.`,
    width,
  );
}
