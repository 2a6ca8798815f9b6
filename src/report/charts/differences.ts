import * as Plot from '@observablehq/plot';
import type { ArmDifference } from '../../runs/documents.js';
import { printable } from '../../printable.js';
import { displayWidth, truncate } from '../text/width.js';
import { AXIS, headingMark, type LegendSample, legendMarks, svgDocument } from './svg.js';

/** Pixels: of the whole, of a row, over the first row, and beside the area. */
const WIDE = 1080;
const ROW = 84;
const TOP = 46;
const SIDE = 24;
const LETTER = 6.5;

/**
 * Every difference as a row: a dot for each seed, the mean with its 95% interval, and the interval over images alone, in
 * percentage points around a line at zero. Null where there is no difference to show.
 * @param width in pixels
 */
export function differenceSvg(differences: readonly ArmDifference[], width = WIDE): string | null {
  const rows = differences.filter(({ mean }) => mean !== null).map(rowOf);
  if (rows.length === 0) return null;
  const reach = reachOf(rows);
  const legend = legendMarks(legendFor(rows), width - 2 * SIDE);
  const what = differences.some(({ metric }) => metric === 'balancedAccuracy')
    ? 'balanced accuracy'
    : 'final accuracy';
  const title = `difference of the ${what}, in percentage points`;
  const shortTitle = `difference of the ${what}, points`;
  const bottom = AXIS + legend.height;
  return svgDocument(title, {
    width,
    height: TOP + ROW * rows.length + bottom,
    marginTop: TOP,
    marginRight: SIDE,
    marginBottom: bottom,
    marginLeft: SIDE,
    x: { domain: [-reach, reach] },
    y: { domain: [rows.length, 0], axis: null },
    marks: [
      headingMark(width < WIDE ? shortTitle : title, width, SIDE),
      Plot.gridX({ strokeOpacity: 0.1 }),
      Plot.axisX({ tickFormat: pointsText, tickSize: 0, label: null }),
      Plot.ruleX([0], { strokeOpacity: 0.6 }),
      ...rows.flatMap((row, index) => rowMarks(row, index, { reach, width })),
      ...legend.marks,
    ],
  });
}

/** No arm has these colours: the text's, a purple and a violet that can be told from all of them. */
const MEAN = 'currentColor';
const SEED = '#a8538a';
const IMAGES = '#6f5bb8';

function legendFor(rows: readonly Row[]): LegendSample[] {
  return [
    { kind: 'curve', symbol: 'diamond', colour: 'grey', ink: MEAN, name: 'mean, 95% interval' },
    { kind: 'dots', colour: 'grey', ink: SEED, name: 'a seed' },
    ...(rows.some(({ overImages }) => overImages !== null)
      ? [{ kind: 'curve', colour: 'grey', ink: IMAGES, name: '95% interval over images alone' } as const]
      : []),
  ];
}

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
  readonly overImages: Interval | null;
  readonly seeds: readonly number[];
}

function rowOf({ arm, baseline, mean, low, high, overImages, perSeed }: ArmDifference): Row {
  return {
    arm: printable(arm),
    baseline: printable(baseline),
    mean: points(mean ?? 0),
    interval: low === null || high === null ? null : { low: points(low), high: points(high) },
    overImages: overImages === null ? null : { low: points(overImages.low), high: points(overImages.high) },
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
  const far = rows.flatMap(({ interval, overImages }) =>
    [interval, overImages].flatMap((found) => (found === null ? [] : [found.low, found.high])),
  );
  const most = (values: readonly number[]) => Math.max(0, ...values.map(Math.abs));
  return 1.08 * Math.max(0.5, Math.min(most([...near, ...far]), 2.5 * Math.max(1, most(near))));
}

function pointsText(value: number): string {
  const rounded = Number(value.toPrecision(6));
  return rounded > 0 ? `+${rounded}` : String(rounded).replace('-', '−');
}

/** The names, then what each side of zero means, then the marks. */
function rowMarks(row: Row, index: number, { reach, width }: { reach: number; width: number }) {
  const { arm, baseline, mean, interval, overImages, seeds } = row;
  const [names, sides, middle, below] = [index + 0.14, index + 0.36, index + 0.66, index + 0.84];
  const text = (x: number, y: number, words: string, options: object) =>
    Plot.text([words], { x: [x], y: [y], ...options });
  const letters = Math.floor((width - 2 * SIDE) / LETTER);
  const name = truncate(`${arm} − ${baseline}`, Math.floor(letters / 1.3));
  const [left, right] = sharedRoom(baseline, arm, letters - WORDS);
  return [
    text(-reach, names, name, { textAnchor: 'start', fontSize: 14, fontWeight: 'bold' }),
    text(-reach, sides, `← ${left} better`, { textAnchor: 'start' }),
    text(reach, sides, `${right} better →`, { textAnchor: 'end' }),
    ...intervalMarks(overImages, below, reach, IMAGES),
    ...intervalMarks(interval, middle, reach, MEAN),
    Plot.dot(seeds, { x: seeds, y: () => middle, r: 4.5, fill: SEED, fillOpacity: 0.7 }),
    Plot.dot([mean], { x: [mean], y: [middle], symbol: 'diamond', r: 6, fill: MEAN }),
  ];
}

/** Letters of «← better» and «better →», and a gap between them. */
const WORDS = 19;

/** Two names as far as they fit beside each other: half of the letters each, and what the other leaves. */
function sharedRoom(first: string, second: string, letters: number): [string, string] {
  const half = Math.floor(letters / 2);
  const [a, b] = [displayWidth(first), displayWidth(second)];
  const most = (other: number) => Math.max(half, letters - other);
  return [truncate(first, most(b)), truncate(second, most(Math.min(a, half)))];
}

/** An interval with its ends, or an arrow where it goes on beyond the picture. */
function intervalMarks(interval: Interval | null, y: number, reach: number, stroke: string): Plot.Markish[] {
  if (interval === null) return [];
  const { low, high } = interval;
  const [from, to] = [Math.max(low, -reach), Math.min(high, reach)];
  const end = (x: number, cut: boolean, rotate: number) =>
    cut
      ? Plot.dot([x], { x: [x], y: [y], symbol: 'triangle', rotate, r: 6, fill: stroke })
      : Plot.ruleX([x], { x: [x], y1: [y - 0.05], y2: [y + 0.05], stroke, strokeWidth: 2 });
  return [
    Plot.ruleY([y], { y: [y], x1: [from], x2: [to], stroke, strokeWidth: 2 }),
    end(from, from > low, -90),
    end(to, to < high, 90),
  ];
}
