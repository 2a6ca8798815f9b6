import { tickFormat } from '../text/numbers.js';

/** A place on the horizontal axis that carries a text. */
export interface Tick {
  readonly x: number;
  readonly label: string;
}

/** The columns of a chart as values, counted from the left. */
interface XAxis {
  /** Fractional column of a value. */
  column(x: number): number;
  readonly ticks: readonly Tick[];
}

/** What is known of a horizontal axis before its width is. */
export interface XRange {
  readonly scale: 'linear' | 'log';
  readonly low: number;
  readonly high: number;
  /** Labelled places; by default round numbers, or the decades of a logarithmic axis. */
  readonly ticks?: readonly Tick[];
}

/** Lays an axis over `columns` columns; a range of a single value stands in the middle. */
export function xAxis(range: XRange, columns: number): XAxis {
  const place = range.scale === 'log' ? Math.log10 : (x: number) => x;
  const [low, high] = [place(range.low), place(range.high)];
  const span = high - low;
  const column = (x: number): number =>
    span > 0 ? ((place(x) - low) / span) * (columns - 1) : Math.floor((columns - 1) / 2);
  const wanted = range.ticks ?? (range.scale === 'log' ? decades(low, high) : roundTicks(low, high, columns));
  return { column, ticks: wanted.filter(({ x }) => column(x) > -0.5 && column(x) < columns - 0.5) };
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
  if (high <= low) return [{ x: low, label: String(low) }];
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

/** The rows of a chart as values, counted from the bottom. */
interface YAxis {
  readonly rows: number;
  /** Fractional row of a value, 0 at the bottom row's centre. */
  row(value: number): number;
  /** Label of each row from the bottom, an empty text where it has none. */
  readonly labels: readonly string[];
}

interface Candidate {
  readonly unit: number;
  readonly divisions: number;
  readonly first: number;
  readonly last: number;
  readonly score: number;
}

const MANTISSAS = [1, 2, 2.5, 5];
// A hair's breadth, so that 0.3 / 0.1 is three rows and not four.
const SLACK = 1e-9;

/**
 * Chooses rows so that every labelled one stands for a round number exactly: the labels are multiples of
 * 1, 2, 2.5 or 5 times a power of ten, with one to five rows from label to label, and of these the choice
 * that uses most of `maxRows`. A constant gets rows around it.
 */
export function yAxis(low: number, high: number, maxRows: number): YAxis {
  const flat = high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high));
  const margin = low === 0 ? 1 : Math.abs(low) * 0.2;
  const [from, to] = flat ? [low - margin, high + margin] : [low, high];
  const rows = flat ? Math.min(maxRows, 5) : maxRows;
  // With three rows to spend, a unit as large as the range always fits.
  const { unit, divisions, first, last } = candidates(from, to, Math.max(3, rows)).reduce((best, other) =>
    other.score > best.score ? other : best,
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
