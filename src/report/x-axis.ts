import { tickFormat } from './tick-format.js';

/** A place on the horizontal axis that carries a text. */
export interface Tick {
  readonly x: number;
  readonly label: string;
}

/** The columns of a chart as values, counted from the left. */
export interface XAxis {
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
