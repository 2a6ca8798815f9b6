import * as Plot from '@observablehq/plot';
import type { ArmDifference } from '../../runs/documents.js';
import { printable } from '../../printable.js';
import { truncate } from '../text/width.js';
import { AXIS, headingMark, INK, LEFT, type LegendSample, legendMarks, svgDocument } from './svg.js';

/** Pixels. */
const WIDTH = 1080;
const ROW = 74;
const TOP = 46;

/**
 * Every difference as a row: a dot for each seed, the mean, and its 95% interval, in percentage points around a line
 * at zero. Null where there is no difference to show.
 */
export function differenceSvg(differences: readonly ArmDifference[]): string | null {
  const rows = differences.filter(({ mean }) => mean !== null).map(rowOf);
  if (rows.length === 0) return null;
  const reach = reachOf(rows);
  const legend = legendMarks(LEGEND, WIDTH - 2 * LEFT);
  const title = 'difference of the final accuracy, in percentage points';
  const bottom = AXIS + legend.height;
  return svgDocument(title, {
    width: WIDTH,
    height: TOP + ROW * rows.length + bottom,
    marginTop: TOP,
    marginRight: LEFT,
    marginBottom: bottom,
    marginLeft: LEFT,
    x: { domain: [-reach, reach] },
    y: { domain: [rows.length, 0], axis: null },
    marks: [
      headingMark(title, WIDTH),
      Plot.gridX({ strokeOpacity: 0.1 }),
      Plot.axisX({ tickFormat: pointsText, tickSize: 0, label: null }),
      Plot.ruleX([0], { strokeOpacity: 0.6 }),
      ...rows.flatMap((row, index) => rowMarks(row, index, reach)),
      ...legend.marks,
    ],
  });
}

const COLOUR = INK.cyan;
const LEGEND: readonly LegendSample[] = [
  { kind: 'curve', symbol: 'diamond', colour: 'cyan', name: 'mean, 95% interval' },
  { kind: 'dots', colour: 'cyan', name: 'a seed' },
];

interface Interval {
  readonly low: number;
  readonly high: number;
}

/** A difference in percentage points. */
interface Row {
  readonly arm: string;
  readonly baseline: string;
  readonly mean: number;
  readonly interval: Interval | null;
  readonly seeds: readonly number[];
}

function rowOf({ arm, baseline, mean, low, high, perSeed }: ArmDifference): Row {
  return {
    arm: truncate(printable(arm), 40),
    baseline: truncate(printable(baseline), 40),
    mean: points(mean ?? 0),
    interval: low === null || high === null ? null : { low: points(low), high: points(high) },
    seeds: perSeed.map(({ difference }) => points(difference)),
  };
}

/** Intervals of few seeds may go on beyond what a difference of two accuracies can be. */
function points(share: number): number {
  return Math.min(Math.max(100 * share, -200), 200) || 0;
}

/** Far enough for every interval, but a single wild interval of two seeds may run out of the picture. */
function reachOf(rows: readonly Row[]): number {
  const near = rows.flatMap(({ mean, seeds }) => [mean, ...seeds]);
  const far = rows.flatMap(({ interval }) => (interval === null ? [] : [interval.low, interval.high]));
  const most = (values: readonly number[]) => Math.max(0, ...values.map(Math.abs));
  return 1.08 * Math.max(0.5, Math.min(most([...near, ...far]), 2.5 * Math.max(1, most(near))));
}

function pointsText(value: number): string {
  const rounded = Number(value.toPrecision(6));
  return rounded > 0 ? `+${rounded}` : String(rounded).replace('-', '−');
}

function rowMarks(row: Row, index: number, reach: number): Plot.Markish[] {
  const { arm, baseline, mean, interval, seeds } = row;
  const [names, middle] = [index + 0.2, index + 0.62];
  const text = (x: number, words: string, options: object) =>
    Plot.text([words], { x: [x], y: [names], ...options });
  return [
    text(-reach, `${arm} − ${baseline}`, { textAnchor: 'start', fontSize: 14, fontWeight: 'bold' }),
    text(reach, `${arm} better →`, { textAnchor: 'end', fillOpacity: 0.7 }),
    ...intervalMarks(interval, middle, reach),
    Plot.dot(seeds, { x: seeds, y: () => middle, r: 4.5, fill: COLOUR, fillOpacity: 0.5 }),
    Plot.dot([mean], { x: [mean], y: [middle], symbol: 'diamond', r: 6, fill: COLOUR }),
  ];
}

/** An interval with its ends, or an arrow where it goes on beyond the picture. */
function intervalMarks(interval: Interval | null, y: number, reach: number): Plot.Markish[] {
  if (interval === null) return [];
  const { low, high } = interval;
  const [from, to] = [Math.max(low, -reach), Math.min(high, reach)];
  const end = (x: number, cut: boolean, rotate: number) =>
    cut
      ? Plot.dot([x], { x: [x], y: [y], symbol: 'triangle', rotate, r: 6, fill: COLOUR })
      : Plot.ruleX([x], { x: [x], y1: [y - 0.06], y2: [y + 0.06], stroke: COLOUR, strokeWidth: 2 });
  return [
    Plot.ruleY([y], { y: [y], x1: [from], x2: [to], stroke: COLOUR, strokeWidth: 2 }),
    end(from, from > low, -90),
    end(to, to < high, 90),
  ];
}
