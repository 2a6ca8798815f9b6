import type { CompareView, DifferenceView } from '../compare-view.js';
import { escapeHtml } from '../pages/html/html.js';

/** Pixels. */
const WIDTH = 1080;
const LEFT = 48;
const TOP = 52;
const ROW = 96;
const BLUE = '#0072b2';
const ORANGE = '#d55e00';
const GREY = '#666666';

/**
 * Every difference as a row: a dot for each seed, the mean, and its 95% intervals over seeds and over images, in
 * percentage points around a line at zero. Null where there is no difference to show.
 */
export function differenceSvg({ differences }: CompareView): string | null {
  const shown = differences.filter(({ mean }) => mean !== null);
  if (shown.length === 0) return null;
  const reach = reachOf(shown);
  const place = (share: number) => LEFT + ((share + reach) / (2 * reach)) * (WIDTH - 2 * LEFT);
  const height = TOP + ROW * shown.length + 58;
  const axis = TOP + ROW * shown.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13" role="img">`,
    '<title>Differences of the final accuracy with their 95% intervals</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(
      WIDTH / 2,
      26,
      'Difference of the final accuracy, in percentage points',
      'middle',
      '#222222',
      16,
      'bold',
    ),
    ...ticks(reach).map((share) => tick(place(share), axis, label(share), share === 0)),
    ...shown.flatMap((difference, i) => row(difference, TOP + ROW * i, place)),
    legend(axis + 48),
    '</svg>',
  ].join('\n');
}

/** Far enough for every interval, but a single wild interval of two seeds may run out of the picture. */
function reachOf(differences: readonly DifferenceView[]): number {
  const near = differences.flatMap(({ mean, perSeed = [], overImages }) => [
    Math.abs(mean ?? 0),
    ...perSeed.map(({ difference }) => Math.abs(difference)),
    Math.abs(overImages?.low ?? 0),
    Math.abs(overImages?.high ?? 0),
  ]);
  const far = differences.flatMap(({ low, high }) => [Math.abs(low ?? 0), Math.abs(high ?? 0)]);
  const wanted = Math.max(0.005, Math.min(Math.max(...near, ...far), 2.5 * Math.max(0.01, ...near)));
  return 1.08 * wanted;
}

function ticks(reach: number): number[] {
  const rough = reach / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].map((size) => size * power).find((size) => size >= rough) ?? rough;
  const count = Math.floor(reach / unit);
  return Array.from({ length: 2 * count + 1 }, (_, i) => (i - count) * unit);
}

function label(share: number): string {
  const points = Number((100 * share).toPrecision(6));
  return points > 0 ? `+${points}` : String(points).replace('-', '−');
}

function tick(x: number, axis: number, name: string, zero: boolean): string {
  const line = zero ? `stroke="${GREY}" stroke-width="1.5"` : 'stroke="#dddddd"';
  return `<line x1="${r(x)}" x2="${r(x)}" y1="${TOP - 8}" y2="${axis}" ${line}/>${text(x, axis + 18, name, 'middle', GREY)}`;
}

function row(difference: DifferenceView, top: number, place: (share: number) => number): string[] {
  const { arm, baseline, mean, low, high, overImages, perSeed = [] } = difference;
  const middle = top + 46;
  return [
    text(LEFT, top + 14, `${arm} − ${baseline}`, 'start', '#222222', 14, 'bold'),
    text(WIDTH - LEFT, top + 14, `${arm} better →`, 'end', GREY, 12),
    bar(place, low, high, middle, BLUE),
    bar(place, overImages?.low ?? null, overImages?.high ?? null, middle + 22, ORANGE),
    ...perSeed.map(
      (seed) =>
        `<circle cx="${r(place(seed.difference))}" cy="${middle}" r="4.5" fill="${BLUE}" fill-opacity="0.35"/>`,
    ),
    diamond(place(mean ?? 0), middle, BLUE),
    overImages === null || overImages === undefined ? '' : diamond(place(mean ?? 0), middle + 22, ORANGE),
  ];
}

/** An interval; where it leaves the picture an arrow says that it goes on. */
function bar(
  place: (share: number) => number,
  low: number | null,
  high: number | null,
  y: number,
  colour: string,
): string {
  if (low === null || high === null) return '';
  const [from, to] = [Math.max(LEFT - 20, place(low)), Math.min(WIDTH - LEFT + 20, place(high))];
  const end = (x: number, cut: boolean, direction: number) =>
    cut
      ? `<path d="M${r(x)},${y} l${-8 * direction},-5 v10 z" fill="${colour}"/>`
      : `<line x1="${r(x)}" x2="${r(x)}" y1="${y - 6}" y2="${y + 6}" stroke="${colour}" stroke-width="2"/>`;
  return `<line x1="${r(from)}" x2="${r(to)}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="2"/>${end(from, from > place(low), -1)}${end(to, to < place(high), 1)}`;
}

function diamond(x: number, y: number, colour: string): string {
  return `<path d="M${r(x)},${y - 7} l7,7 l-7,7 l-7,-7 z" fill="${colour}" stroke="#ffffff"/>`;
}

function legend(y: number): string {
  const entry = (x: number, colour: string, name: string) =>
    `<line x1="${x}" x2="${x + 26}" y1="${y - 4}" y2="${y - 4}" stroke="${colour}" stroke-width="2"/>${diamond(x + 13, y - 4, colour)}${text(x + 34, y, name, 'start', GREY, 12)}`;
  return `${entry(LEFT, BLUE, 'mean, 95% interval over seeds')}<circle cx="270" cy="${y - 4}" r="4.5" fill="${BLUE}" fill-opacity="0.35"/>${text(281, y, 'a seed', 'start', GREY, 12)}${entry(350, ORANGE, '95% interval over images')}`;
}

function text(
  x: number,
  y: number,
  words: string,
  anchor: string,
  fill: string,
  size = 13,
  weight = 'normal',
): string {
  return `<text x="${r(x)}" y="${y}" text-anchor="${anchor}" fill="${fill}" font-size="${size}" font-weight="${weight}">${escapeHtml(words)}</text>`;
}

/** Hundredths of a pixel are enough. */
function r(x: number): number {
  return Math.round(100 * x) / 100;
}
