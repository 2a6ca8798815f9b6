import { formatRate, tickFormat } from '../text/numbers.js';
import type { Range } from './chart.js';

/** The columns of a chart as values, counted from the left. */
export interface XAxis {
  /** Fractional column of a value. */
  column(x: number): number;
  /** Round numbers, or the decades of a logarithmic axis. */
  readonly ticks: readonly Tick[];
}

/** A place on the horizontal axis and its text. */
export interface Tick {
  readonly x: number;
  readonly label: string;
}

/** Lays an axis over `columns` columns; a range of a single value stands in the middle. */
export function xAxis(scale: 'linear' | 'log', range: Range, columns: number): XAxis {
  const place = scale === 'log' ? Math.log10 : (x: number) => x;
  const [low, high] = [place(range.low), place(range.high)];
  const single = isSingle({ low, high });
  const column = (x: number): number =>
    single ? Math.floor((columns - 1) / 2) : ((place(x) - low) / (high - low)) * (columns - 1);
  const wanted =
    scale === 'log' ? decades(low, high) : single ? [singleTick(range)] : roundTicks(low, high, columns);
  return { column, ticks: wanted.filter(({ x }) => column(x) > -0.5 && column(x) < columns - 0.5) };
}

/** Numbers closer than a chart can tell apart, among them all that differ by less than the smallest normal one. */
function isSingle({ low, high }: Range): boolean {
  return high - low <= Math.max(TINY, 1e-14 * Math.max(Math.abs(low), Math.abs(high)));
}

/** Below this, arithmetic has no full precision: charts show such numbers as 0. */
const TINY = 1e-300;

function singleTick({ low }: Range): Tick {
  return { x: low, label: Math.abs(low) < TINY ? '0' : String(low) };
}

/** Powers of ten within the range; where there are fewer than two, also their double and fivefold. */
function decades(low: number, high: number): Tick[] {
  const ticks = (mantissas: readonly number[]): Tick[] => {
    const found: Tick[] = [];
    for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
      for (const mantissa of mantissas) {
        const x = Number(`${mantissa}e${power}`);
        const at = Math.log10(x);
        if (at >= low - 1e-9 && at <= high + 1e-9) found.push({ x, label: decadeLabel(mantissa, power) });
      }
    }
    return found;
  };
  const whole = ticks([1]);
  return whole.length >= 2 ? whole : ticks([1, 2, 5]);
}

function decadeLabel(mantissa: number, power: number): string {
  return power === 0 ? `${mantissa}` : power === 1 ? `${mantissa}0` : `${mantissa}e${power}`;
}

/** Multiples of 1, 2 or 5 times a power of ten, about one for each ten columns; whole where the range is. */
function roundTicks(low: number, high: number, columns: number): Tick[] {
  const most = Math.max(1, Math.floor(columns / 8));
  const whole = Number.isInteger(low) && Number.isInteger(high);
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].map((mantissa) => mantissa * power).find((size) => size >= rough) ?? rough;
  const step = whole ? Math.max(1, Math.round(unit)) : unit;
  const format = tickFormat(step, Math.max(Math.abs(low), Math.abs(high)));
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  const ticks = Array.from({ length: count }, (_, index) => (first + index) * step);
  // Epochs count from 1: the first one is worth a label although it is no multiple of the step.
  if (whole && step > 1 && low === 1) ticks.unshift(1);
  return ticks.map((x) => ({ x, label: format(x) }));
}

/** A text on an axis: the column of its first character, and its length in columns. */
export interface TickLabel {
  readonly start: number;
  readonly label: string;
}

/** Each n-th of the labels, with the smallest n at which none touches the next. */
export function labelsApart<Label extends TickLabel>(labels: readonly Label[]): Label[] {
  for (let stride = 1; stride < labels.length; stride++) {
    const kept = labels.filter((_, index) => index % stride === 0);
    const apart = kept.every(({ start }, index) => {
      const before = kept[index - 1];
      return before === undefined || before.start + before.label.length < start;
    });
    if (apart) return kept;
  }
  return labels.slice(0, 1);
}

/** The rows of a chart as values, counted from the bottom. */
export interface YAxis {
  readonly rows: number;
  /** Fractional row of a value, 0 at the bottom row's centre. */
  row(value: number): number;
  /** Label of each row from the bottom, an empty text where it has none. */
  readonly labels: readonly string[];
}

/**
 * Chooses rows so that every labelled one stands for a round number exactly: the labels are multiples of
 * 1, 2, 2.5 or 5 times a power of ten, with one to five rows from label to label, and of these the choice
 * that uses most of `maxRows`. A constant has three rows, and its value labels the one in the middle.
 */
export function yAxis({ low, high }: Range, maxRows: number): YAxis {
  const largest = Math.max(Math.abs(low), Math.abs(high));
  if (largest < TINY || high - low <= 1e-9 * largest) {
    const label = largest < TINY ? '0' : formatRate(low, 6);
    return { rows: 3, row: () => 1, labels: ['', label, ''] };
  }
  // With three rows to spend, a unit as large as the range always fits.
  const { unit, divisions, first, last } = candidates(low, high, Math.max(3, maxRows)).reduce(
    (best, other) => (other.score > best.score ? other : best),
  );
  const step = unit / divisions;
  const format = tickFormat(unit, Math.max(Math.abs(first), Math.abs(last)) * step);
  return {
    rows: last - first + 1,
    row: (value) => value / step - first,
    labels: Array.from({ length: last - first + 1 }, (_, row) => {
      const index = first + row;
      return index % divisions === 0 ? format((index / divisions) * unit) : '';
    }),
  };
}

interface Candidate {
  readonly unit: number;
  readonly divisions: number;
  readonly first: number;
  readonly last: number;
  readonly score: number;
}

const MANTISSAS = [1, 2, 2.5, 5];
// Rounding must not add a row: 0.3 / 0.1 is a little more than 3.
const SLACK = 1e-9;

function candidates(low: number, high: number, maxRows: number): Candidate[] {
  const exponent = Math.floor(Math.log10(high - low));
  const found: Candidate[] = [];
  for (let power = exponent - 2; power <= exponent + 1; power++) {
    for (const mantissa of MANTISSAS) {
      for (let divisions = 1; divisions <= 5; divisions++) {
        const unit = mantissa * 10 ** power;
        const step = unit / divisions;
        const first = Math.floor(low / step + SLACK);
        const last = Math.ceil(high / step - SLACK);
        const rows = last - first + 1;
        if (rows < 2 || rows > maxRows) continue;
        const labels = Math.floor(last / divisions) - Math.ceil(first / divisions) + 1;
        const score =
          rows / maxRows -
          (labels < 2 ? 1 : labels < 3 ? 0.25 : 0) -
          (divisions === 1 && rows > 6 ? 0.35 : 0) -
          (mantissa === 2.5 ? 0.06 : 0);
        found.push({ unit, divisions, first, last, score });
      }
    }
  }
  return found;
}
