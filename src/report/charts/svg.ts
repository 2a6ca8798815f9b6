import * as Plot from '@observablehq/plot';
import { DOMImplementation, XMLSerializer } from '@xmldom/xmldom';
import { printable } from '../../printable.js';
import type { Colour } from '../text/layout.js';
import { displayWidth, truncate, wrap } from '../text/width.js';
import { labelsApart, xAxis, yAxis } from './axes.js';
import {
  type ChartSpec,
  type Drawing,
  drawingOf,
  type DrawnSeries,
  type LegendEntry,
  legendOf,
} from './chart.js';
import type { FinitePoint } from './resample.js';

/** The size of a picture in pixels. */
interface SvgSize {
  readonly width: number;
  readonly height: number;
}

/** A chart as a standalone SVG document, the same text for the same input. */
export function svgChart(spec: ChartSpec, { width, height }: SvgSize): string {
  const drawing = drawingOf(spec);
  if (drawing === null) {
    const nothing = Plot.text([`${printable(spec.title)}: no values to draw`], { frameAnchor: 'middle' });
    return svgDocument(spec.title, { width, height, marks: [nothing] });
  }
  const inner = width - LEFT - RIGHT;
  // Places are columns and rows, as in a terminal: both charts have the same axes.
  const columns = Math.floor(inner / LETTER);
  const x = xAxis(spec.x.scale, drawing.x, columns);
  const y = yAxis(drawing.y, spec.rows);
  const place = (point: FinitePoint): FinitePoint => ({ x: x.column(point.x), y: y.row(point.y) });
  const legend = legendMarks(samplesOf(spec, drawing), inner);
  return svgDocument(spec.title, {
    width,
    height,
    marginTop: TOP,
    marginRight: RIGHT,
    marginBottom: AXIS + legend.height,
    marginLeft: LEFT,
    inset: INSET,
    insetTop: drawing.letters.length === 0 ? INSET : 2 * LETTER_RADIUS + INSET,
    x: { domain: [0, columns - 1] },
    y: { domain: [0, y.rows - 1] },
    marks: [
      headingMark(spec.title, width),
      Plot.frame({ strokeOpacity: 0.3 }),
      ...axisMarks(spec, x, y),
      ...drawing.series.map((series) => bandMark(series, place)),
      Plot.dot(thinned(drawing.dots, MOST_DOTS).map(place), {
        ...AT,
        r: 2,
        fill: INK.grey,
        fillOpacity: 0.35,
      }),
      ...drawing.verticals.map((at) =>
        Plot.ruleX([x.column(at.x)], { stroke: INK[at.colour], strokeDasharray: DASHES }),
      ),
      ...drawing.series.flatMap((series) => curveMarks(series, drawing.series.length, place)),
      ...letterMarks(drawing, place, y.rows - 1),
      ...legend.marks,
    ],
  });
}

type Place = (point: FinitePoint) => FinitePoint;

/** Pixels around the area; below it those for the ticks and the name of the x axis. */
const LEFT = 58;
export const AXIS = 50;
const [RIGHT, TOP] = [24, 46];
/** Pixels of a letter, rather too many than too few. */
const LETTER = 7;
const LETTER_RADIUS = 8;
/** Room for symbols at the ends of the axes. */
const INSET = 6;
const DASHES = '5 4';
/** More points than a screen has columns only make the page heavy. */
const MOST_POINTS = 400;
const MOST_DOTS = 2000;
const AT = { x: 'x', y: 'y' } as const;

/** The terminal's colours as those of Okabe and Ito (Color Universal Design, 2008); grey and bold are the text's. */
export const INK: Readonly<Record<Colour, string>> = {
  cyan: '#0072b2',
  magenta: '#d55e00',
  green: '#009e73',
  yellow: '#b57d00',
  blue: '#56b4e9',
  red: '#b3261e',
  grey: 'currentColor',
  bold: 'currentColor',
};

/** Pictures for a telephone are narrower. */
const SMALL = 480;

const LEAST_HEADING = 9;

/**
 * The heading over the area.
 * @param left pixels from the picture's edge to the area
 */
export function headingMark(title: string, width: number, left = LEFT): Plot.Markish {
  // A bold letter is 0.6 of its size wide on average; a long heading is set in smaller ones before it is cut off.
  const [usual, room] = [width < SMALL ? 12.5 : 15, (width - 20) / 0.6];
  const fontSize = Math.min(usual, Math.max(LEAST_HEADING, room / title.length));
  const [whole, most] = [printable(title), Math.floor(room / fontSize)];
  // Cut between words: a number that is cut is another number.
  const text = displayWidth(whole) <= most ? whole : `${wrap(whole, most - 2)[0] ?? ''} …`;
  const options = { frameAnchor: 'top-left', lineAnchor: 'bottom', dx: 14 - left, dy: -14 } as const;
  return Plot.text([text], { ...options, fontSize, fontWeight: 'bold' });
}

/** The grid, and the ticks that the terminal has, labelled as far as there is room. */
function axisMarks(
  spec: ChartSpec,
  x: ReturnType<typeof xAxis>,
  y: ReturnType<typeof yAxis>,
): Plot.Markish[] {
  const ticks = x.ticks.map(({ x: at, label }) => ({ at: x.column(at), label }));
  const starts = ticks.map(({ at, label }) => ({ start: at - label.length / 2, at, label }));
  const labels = new Map(labelsApart(starts).map(({ at, label }) => [at, label]));
  const rows = y.labels.flatMap((label, row) => (label === '' ? [] : [row]));
  return [
    Plot.gridY(rows, { strokeOpacity: 0.1 }),
    Plot.axisY(rows, { tickFormat: (row: number) => y.labels[row] ?? '', label: null }),
    Plot.axisX(
      ticks.map(({ at }) => at),
      {
        tickFormat: (at: number) => labels.get(at) ?? '',
        label: printable(spec.x.label),
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: 40,
      },
    ),
  ];
}

function bandMark({ band, colour }: DrawnSeries, place: Place): Plot.Markish {
  const limits = thinned(band, MOST_POINTS).map(({ x, low, high }) => {
    const [from, to] = [place({ x, y: low }), place({ x, y: high })];
    return { x: from.x, low: from.y, high: to.y };
  });
  return Plot.areaY(limits, { x: 'x', y1: 'low', y2: 'high', fill: INK[colour], fillOpacity: 0.15 });
}

/** The pieces of a curve, and symbols where it needs them: on few points each, else some along the way. */
function curveMarks(series: DrawnSeries, count: number, place: Place): Plot.Markish[] {
  const { pieces, strands, colour, index, marked, held } = series;
  const stroke = INK[colour];
  const curve = held ? 'step-after' : 'linear';
  const points = pieces.flat();
  const spacing = points.length <= MOST_SYMBOLS ? 1 : Math.round(points.length / 6);
  const first = spacing === 1 ? 0 : Math.floor((spacing * (index + 0.5)) / count);
  const symbols = marked ? points.filter((_, i) => i % spacing === first % spacing) : [];
  return [
    ...strands.map((strand) =>
      Plot.line(thinned(strand, MOST_POINTS).map(place), { ...AT, ...THIN, stroke, curve }),
    ),
    ...pieces.map((piece) =>
      Plot.line(thinned(piece, MOST_POINTS).map(place), { ...AT, stroke, strokeWidth: 2, curve }),
    ),
    Plot.dot(symbols.map(place), { ...AT, ...symbolOf(index), fill: stroke, stroke: PAPER, r: 4.5 }),
  ];
}

const MOST_SYMBOLS = 30;
const THIN = { strokeWidth: 1, strokeOpacity: 0.55 };
/** Outlines symbols, so that those of curves that meet can be told apart; a dark page has another colour for it. */
const PAPER = 'white';
const SYMBOLS = ['circle', 'triangle', 'square', 'diamond', 'star', 'wye'] as const;

function symbolOf(index: number) {
  return { symbol: SYMBOLS[index % SYMBOLS.length] ?? 'circle' };
}

/** Each n-th of many points, and the last. */
function thinned<Item>(items: readonly Item[], most: number): Item[] {
  const stride = Math.max(1, Math.ceil(items.length / most));
  return items.filter((_, i) => i % stride === 0 || i === items.length - 1);
}

/** Letters in circles along the upper edge, side by side where they would touch, each with a line to its point. */
function letterMarks({ letters }: Drawing, place: Place, top: number): Plot.Markish[] {
  const data = letters.map((letter) => ({ ...place(letter), ink: INK[letter.colour], char: letter.letter }));
  const dodged = (options: object) =>
    Plot.dodgeY({ anchor: 'top', padding: 1 }, { x: 'x', r: LETTER_RADIUS, ...options });
  return [
    Plot.ruleX(data, { x: 'x', y1: 'y', y2: () => top, stroke: 'ink', strokeOpacity: 0.7 }),
    Plot.dot(data, { ...AT, r: 2.5, fill: 'ink' }),
    Plot.dot(data, dodged({ fill: 'ink' })),
    Plot.text(data, dodged({ text: 'char', fill: () => 'white', fontWeight: 'bold' })),
  ];
}

/** An entry of a legend, with the symbol that its sample has. */
export interface LegendSample extends Omit<LegendEntry, 'kind'> {
  readonly kind: LegendEntry['kind'] | 'strand';
  readonly symbol?: (typeof SYMBOLS)[number];
  /** Instead of the colour. */
  readonly ink?: string;
}

function samplesOf(spec: ChartSpec, drawing: Drawing): LegendSample[] {
  const hasStrands = drawing.series.some(({ strands }) => strands.length > 0);
  const strands = hasStrands ? [{ kind: 'strand', name: 'each seed', colour: 'grey' } as const] : [];
  const entries: readonly LegendSample[] = [...legendOf(spec, drawing), ...strands];
  return entries.map((entry) =>
    entry.curve?.marked === true ? { ...entry, ...symbolOf(entry.curve.index) } : entry,
  );
}

/** Samples that are bars: the left end and width of each, and their height. */
const BARS = {
  curve: { bars: [[-12, 24]], height: 2, opacity: 1 },
  strand: { bars: [[-12, 24]], height: 1, opacity: 0.8 },
  band: { bars: [[-12, 24]], height: 12, opacity: 0.2 },
  vertical: {
    bars: [
      [-12, 6],
      [-3, 6],
      [6, 6],
    ],
    height: 2,
    opacity: 1,
  },
} as const;

const LINE_HEIGHT = 20;
const SAMPLE = 30;

/** Entries from left to right under the x axis, as many to a line as fit; `height` is what they take. */
export function legendMarks(
  entries: readonly LegendSample[],
  width: number,
): { readonly marks: Plot.Markish[]; readonly height: number } {
  let [right, line] = [0, 0];
  const placed = entries.map((entry) => {
    const name = truncate(printable(entry.name), Math.floor((width - SAMPLE) / LETTER));
    const size = SAMPLE + LETTER * displayWidth(name) + 14;
    if (right > 0 && right + size > width + 14) [right, line] = [0, line + 1];
    const dx = right;
    right += size;
    return { ...entry, name, dx, line };
  });
  const marks = placed.flatMap(({ dx, line: at, ...entry }): Plot.Markish[] => {
    const dy = AXIS + 12 + LINE_HEIGHT * at;
    const anchor = { frameAnchor: 'bottom-left', dy } as const;
    return [
      ...sampleMarks(entry, { ...anchor, dx: dx + 12 }),
      Plot.text([entry.name], { ...anchor, lineAnchor: 'middle', textAnchor: 'start', dx: dx + SAMPLE }),
    ];
  });
  return { marks, height: LINE_HEIGHT * (line + 1) + 6 };
}

interface Anchor {
  readonly frameAnchor: 'bottom-left';
  readonly dx: number;
  readonly dy: number;
}

function sampleMarks({ kind, colour, symbol, letter, ink = INK[colour] }: LegendSample, at: Anchor) {
  const dot = (r: number, options = {}) => Plot.dot([0], { ...at, r, fill: ink, ...options });
  if (kind === 'dots') return [dot(2.5, { fillOpacity: 0.5 })];
  if (kind === 'letter') {
    const text = { textAnchor: 'middle', lineAnchor: 'middle', fill: 'white', fontWeight: 'bold' } as const;
    return [dot(LETTER_RADIUS), Plot.text([letter ?? ''], { ...at, ...text })];
  }
  const { bars, height, opacity } = BARS[kind];
  const shape = {
    draw: (context: { rect: (x: number, y: number, width: number, height: number) => void }) => {
      for (const [x, width] of bars) context.rect(x, -height / 2, width, height);
    },
  };
  return [
    dot(1, { symbol: shape, fillOpacity: opacity }),
    ...(symbol === undefined ? [] : [dot(4.5, { symbol, stroke: PAPER })]),
  ];
}

/** A plot as a standalone SVG document with `title` as its name for screen readers. */
export function svgDocument(title: string, options: Plot.PlotOptions): string {
  const document = new DOMImplementation().createDocument('http://www.w3.org/1999/xhtml', 'html');
  const svg = Plot.plot({ ...options, document });
  for (const style of [...svg.getElementsByTagName('style')]) svg.removeChild(style);
  const name = document.createElementNS('http://www.w3.org/2000/svg', 'title');
  name.textContent = printable(title);
  svg.insertBefore(name, svg.firstChild);
  svg.removeAttribute('class');
  const looks = { role: 'img', 'font-size': '12', style: 'color: #1f2328; background: white' };
  for (const [attribute, value] of Object.entries(looks)) svg.setAttribute(attribute, value);
  const hundredths = (tag: string) =>
    tag.replace(/\d+\.\d{3,}/gu, (pixels) => String(Math.round(100 * Number(pixels)) / 100));
  return new XMLSerializer().serializeToString(svg).replace(/<[^>]*>/gu, hundredths);
}
